//! `tempo notify list`.

use super::super::Context;
use crate::error::Error;
use crate::output::Style;
use crate::output::table::{plain, table};
use crate::output::views::{MessageView, ReceiverView};
use crate::present;
use crate::schedule::alerts::Severity;

/// List receivers of notifications, or undelivered messages
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// List failed messages instead
    #[arg(long, conflicts_with = "pending")]
    failed: bool,
    /// List undelivered messages instead, including those that failed
    #[arg(long)]
    pending: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open_to_show()?;
    if args.failed || args.pending {
        let rows = store.read(|r| r.messages(None, args.failed))?;
        let views: Vec<_> = rows.iter().map(present::message).collect();
        return if context.ui.is_text() {
            show_messages(
                context,
                &views,
                if args.failed {
                    "No failed messages."
                } else {
                    "No undelivered messages."
                },
            )
        } else {
            context.ui.json_list(&views)
        };
    }
    let receivers = store.read(|r| {
        let rows = r.receivers()?;
        Ok(rows
            .iter()
            .map(|row| present::receiver(r, &context.zones, row))
            .collect::<Vec<_>>())
    })?;
    let (mut views, mut invalid) = (Vec::new(), Ok(()));
    for receiver in receivers {
        match receiver {
            Ok(view) => views.push(view),
            Err(e) => invalid = invalid.and(Err(e)),
        }
    }
    if context.ui.is_text() {
        show_receivers(context, &views)?;
    } else {
        context.ui.json_list(&views)?;
    }
    invalid
}

fn show_receivers(context: &Context, views: &[ReceiverView]) -> Result<(), Error> {
    let times = context.times();
    let rows: Vec<_> = views
        .iter()
        .map(|v| {
            let delivered = v.last_delivered_at.map_or_else(|| "-".to_owned(), |at| times.relative(at.0));
            let style = (v.failed > 0).then_some(Style::Bad);
            let labels = v.labels.iter().map(|label| format!("label {label}"));
            let chosen: Vec<String> = v.schedules.iter().cloned().chain(labels).collect();
            let mut schedules = if chosen.is_empty() {
                "all".to_owned()
            } else {
                chosen.join(", ")
            };
            if v.min_severity != Severity::Info.name() {
                schedules += &format!(", severity {} or higher", v.min_severity);
            }
            vec![
                (v.name.clone(), Some(Style::Strong)),
                plain(v.kind),
                plain(&v.target),
                plain(schedules),
                plain(v.pending.to_string()),
                (v.failed.to_string(), style),
                plain(delivered),
            ]
        })
        .collect();
    let header = ["NAME", "KIND", "TARGET", "SCHEDULES", "PENDING", "FAILED", "LAST DELIVERED"];
    table(&context.ui, &header, &rows, "No receivers. Add one with `tempo notify add`.")?;
    for view in views {
        if let Some(error) = &view.last_error {
            context.ui.say(&format!("{}: last error: {error}", view.name));
        }
    }
    Ok(())
}

fn show_messages(context: &Context, views: &[MessageView], if_empty: &str) -> Result<(), Error> {
    let times = context.times();
    let rows: Vec<_> = views
        .iter()
        .map(|v| {
            let style = if v.status == "failed" { Style::Bad } else { Style::Warn };
            vec![
                plain(&v.id[..8.min(v.id.len())]),
                plain(&v.receiver),
                plain(&v.event),
                plain(&v.message),
                (v.status.clone(), Some(style)),
                plain(v.attempts.to_string()),
                plain(v.last_attempt_at.map_or_else(|| "-".to_owned(), |at| times.short(at.0))),
                plain(v.error.as_deref().unwrap_or("-")),
            ]
        })
        .collect();
    let last = format!("LAST ({})", times.zone());
    let header = ["ID", "RECEIVER", "EVENT", "MESSAGE", "STATUS", "ATTEMPTS", &last, "ERROR"];
    table(&context.ui, &header, &rows, if_empty)
}
