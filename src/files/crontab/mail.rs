//! `MAILTO`: a label on the schedules of a crontab, and a receiver that mails what schedules with the label print.

use super::super::definition::FileReceiver;
use super::super::notify_text::NotifyText;
use crate::notify::Topic;

/// The beginning of a label for `MAILTO`.
const LABEL: &str = "mailto:";
/// Maximum number of bytes of all addresses: labels and names have at most 200 characters.
const MAX_LENGTH: usize = 190;

/// The label of schedules with this `MAILTO`; `None` if it is empty: cron sends no mail then.
pub(super) fn label(mail_to: &str) -> Option<String> {
    let addresses = addresses(mail_to).join(",");
    (1..=MAX_LENGTH)
        .contains(&addresses.len())
        .then(|| format!("{LABEL}{addresses}"))
}

/// The `MAILTO` of a schedule with these labels.
pub(super) fn of_labels(labels: &[String]) -> Option<&str> {
    labels.iter().find_map(|label| label.strip_prefix(LABEL))
}

/// The labels of a schedule after an import that gives it the labels `imported`.
pub(crate) fn with_imported(labels: Vec<String>, imported: Vec<String>) -> Vec<String> {
    let own = labels.into_iter().filter(|label| !label.starts_with(LABEL));
    own.chain(imported).collect()
}

/// The name of the receiver for a label.
pub(super) fn name(label: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@+:/".contains(c);
    label.chars().map(|c| if allowed(c) { c } else { '+' }).collect()
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
    let is_address = |word: &&str| !word.is_empty() && !word.contains(|c: char| c.is_control() || "<>()\"".contains(c));
    mail_to
        .split([',', ' ', '\t'])
        .filter(is_address)
        .map(str::to_owned)
        .collect()
}
