//! Times in English: each text has the times of its cron string or interval, or is rejected.

use serde_json::Value;
use tempo::spec::spec_text::SpecText;
use tempo::spec::{Spec, when};
use tempo::zoneinfo::ZoneInfo;

#[test]
fn english_times_read_as_the_conformance_data_says() {
    super::check_all("when.json", check);
}

fn check(row: &Value) -> Result<(), String> {
    let text = row["text"].as_str().unwrap();
    let read = when::parse(text);
    if row["ok"] == false {
        return match read {
            Ok(spec) => Err(format!("accepted as {spec:?}")),
            Err(e) if e.faults.is_empty() || e.hints.is_empty() => Err("no message or no examples".to_owned()),
            Err(_) => Ok(()),
        };
    }
    let read = read.map_err(|e| format!("rejected: {e:?}"))?;
    let expected = match row["cron"].as_str() {
        Some(cron) => SpecText {
            cron: vec![cron.to_owned()],
            ..SpecText::default()
        },
        None => SpecText {
            interval: vec![format!("{}s/{}s", row["interval_s"], row["offset_s"])],
            ..SpecText::default()
        },
    };
    let times = |text: &SpecText| -> Vec<_> {
        let spec = Spec::compile(text, "", &ZoneInfo::of_machine()).unwrap();
        spec.times_after("2026-01-01T00:00:00Z".parse().unwrap()).take(100).collect()
    };
    let (got, want) = (times(&read), times(&expected));
    if got == want {
        Ok(())
    } else {
        Err(format!("{read:?} has {:?}, want {:?}", &got[..3.min(got.len())], &want[..3]))
    }
}
