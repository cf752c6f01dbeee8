//! `MAILTO`: a label on the schedules of a crontab, and a receiver that mails what schedules with the label print.

use super::super::definition::FileReceiver;
use super::super::notify_text::NotifyText;
use crate::notify::Topic;

/// The beginning of a label for `MAILTO`.
const LABEL: &str = "mailto:";
/// Maximum number of bytes of all addresses: names have at most 200 characters, with `mailto:` and a hash.
const MAX_LENGTH: usize = 184;

/// The label of schedules with this `MAILTO`; `None` if it names nobody.
///
/// # Errors
/// Why no mail is sent to all whom it names.
pub(super) fn label(mail_to: &str) -> Result<Option<String>, String> {
    let addresses = addresses(mail_to);
    if let Some(invalid) = addresses.iter().find(|address| !is_address(address)) {
        return Err(format!("`{}` is not an email address", invalid.escape_debug()));
    }
    let addresses = addresses.join(",");
    if addresses.len() > MAX_LENGTH {
        return Err(format!("it has more than {MAX_LENGTH} characters"));
    }
    Ok((!addresses.is_empty()).then(|| format!("{LABEL}{addresses}")))
}

/// The `MAILTO` of a schedule with these labels.
pub(super) fn of_labels(labels: &[String]) -> Option<&str> {
    labels.iter().find_map(|label| of_label(label))
}

/// The `MAILTO` of a label; `None` if an import would not make this label of it.
pub(super) fn of_label(written: &str) -> Option<&str> {
    let mail_to = written.strip_prefix(LABEL)?;
    let is_same = label(mail_to).is_ok_and(|made| made.as_deref() == Some(written));
    (is_same && !mail_to.starts_with(['\'', '"'])).then_some(mail_to)
}

/// The labels of a schedule after an import that gives it the labels `imported`.
pub(crate) fn with_imported(labels: Vec<String>, imported: Vec<String>) -> Vec<String> {
    let own = labels.into_iter().filter(|label| !label.starts_with(LABEL));
    own.chain(imported).collect()
}

/// The name of the receiver for a label; unique, though names allow fewer characters.
pub(super) fn name(label: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@+:/".contains(c);
    let name: String = label.chars().map(|c| if allowed(c) { c } else { '+' }).collect();
    if name == label {
        return name;
    }
    format!("{name}-{:08x}", farmhash::fingerprint32(label.as_bytes()))
}

/// The receiver that mails the output of schedules with a label.
pub(super) fn receiver(label: &str, place: &str, line: usize) -> FileReceiver {
    FileReceiver {
        text: NotifyText {
            name: name(label),
            email: addresses(label.strip_prefix(LABEL).unwrap_or(label)),
            events: vec![Topic::Output.name().to_owned()],
            labels: vec![label.to_owned()],
            ..NotifyText::default()
        },
        place: place.to_owned(),
        line,
    }
}

fn addresses(mail_to: &str) -> Vec<String> {
    let words = mail_to.split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a word is a user of this machine, or an address.
fn is_address(word: &str) -> bool {
    let (user, host) = word.rsplit_once('@').map_or((word, None), |(user, host)| (user, Some(host)));
    let is_user = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let is_label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    user.split('.').all(is_user) && host.is_none_or(|host| host.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mailto_has_a_receiver_of_its_own_and_invalid_addresses_are_reported() {
        let name_of = |mail_to: &str| name(&label(mail_to).unwrap().unwrap());
        assert_eq!(name_of("ops@example.org"), "mailto:ops@example.org");
        let names = ["a,b@x.org", "a+b@x.org", "a!b@x.org", "a b@x.org"].map(name_of);
        assert_eq!(names[0], names[3], "a list is the same with commas and blanks");
        assert!(
            names[0] != names[1] && names[1] != names[2] && names[0] != names[2],
            "{names:?}"
        );
        assert_eq!(label(""), Ok(None));
        assert_eq!(label(" ,"), Ok(None));
        for invalid in [
            "a\u{a0}b@x.org;",
            "ops@x.org; rm",
            "Ops <ops@x.org>",
            "@b",
            "a@",
            "a..b@x",
            "a@@x",
            "a@[127.0.0.1]",
            "a:b",
        ] {
            assert!(label(invalid).is_err(), "{invalid}");
        }
        let list = |length: usize| format!("a,{}", "x".repeat(length - 2));
        let longest = name_of(list(MAX_LENGTH).as_str());
        assert!(crate::names::ReceiverName::parse(&longest).is_ok(), "{longest}");
        assert!(label(&list(MAX_LENGTH + 1)).is_err());
    }
}
