//! `tempo notify add`.

use clap::ValueHint;

use super::super::Context;
use crate::actions::has_sendmail;
use crate::error::{Error, Kind};
use crate::files::notify_text::{CommandText, NotifyText};
use crate::names::ReceiverName;
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Add a receiver of notifications
///
/// It receives events from now on. Values `env:NAME` and `file:PATH` are read when a message is sent, so that no secret is stored. The
/// options are also keys of a `[[notify]]` table in a definition file, there in the plural where they may be repeated: `events`, `headers`,
/// `labels`, `schedules`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the receiver
    name: ReceiverName,
    /// Post messages to this URL, as JSON
    #[arg(long, value_name = "URL", conflicts_with_all = ["email", "command"], help_heading = "Where to (choose one form)")]
    webhook: Option<String>,
    /// Email messages to this address; may be repeated
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with = "command",
        help_heading = "Where to (choose one form)"
    )]
    email: Vec<String>,
    /// Run a command that gets each message as JSON on its standard input
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::AnyPath, help_heading = "Where to (choose one form)")]
    command: Vec<String>,
    /// Format of the webhook's body: json, slack, mattermost, discord, ntfy, pagerduty, opsgenie or alertmanager;
    /// defaults to json
    #[arg(long, value_name = "NAME", requires = "webhook", conflicts_with_all = ["email", "command"])]
    template: Option<String>,
    /// Header of the webhook's request; may be repeated
    #[arg(long, value_name = "NAME: VALUE", requires = "webhook", conflicts_with_all = ["email", "command"])]
    header: Vec<String>,
    /// Bearer token for the webhook
    #[arg(long, value_name = "TOKEN", requires = "webhook", conflicts_with_all = ["email", "command"])]
    bearer: Option<String>,
    /// Integration key, for the templates pagerduty and opsgenie
    #[arg(long, value_name = "KEY", requires = "webhook", conflicts_with_all = ["email", "command"])]
    key: Option<String>,
    /// Sender of the emails; defaults to `tempo@` and the host name
    #[arg(long, value_name = "ADDRESS", requires = "email", conflicts_with_all = ["webhook", "command"])]
    from: Option<String>,
    /// Mail server; defaults to this machine's `sendmail`
    #[arg(long, value_name = "HOST[:PORT]", requires = "email", conflicts_with_all = ["webhook", "command"])]
    smtp: Option<String>,
    /// Encryption of the connection to the mail server: starttls (the default), tls or none
    #[arg(long, value_name = "CHOICE", requires = "smtp")]
    smtp_encryption: Option<String>,
    /// User name for the mail server
    #[arg(long, value_name = "NAME", requires_all = ["smtp_password", "smtp"])]
    smtp_user: Option<String>,
    /// Password for the mail server
    #[arg(long, value_name = "PASSWORD", requires = "smtp_user")]
    smtp_password: Option<String>,
    /// Event to send; may be repeated: opened, resolved, reminded, run-failed, output, missed, paused-on-failure or server-recovered;
    /// defaults to all but run-failed and output
    #[arg(
        long = "event",
        visible_alias = "events",
        value_name = "EVENT",
        value_delimiter = ',',
        help_heading = "Which events, and when"
    )]
    events: Vec<String>,
    /// Send only events of this schedule; may be repeated; `*` stands for any characters; defaults to all
    #[arg(
        long = "schedule",
        visible_alias = "schedules",
        value_name = "ID",
        value_delimiter = ',',
        help_heading = "Which events, and when"
    )]
    schedules: Vec<String>,
    /// Send only events of schedules with this label; may be repeated; with `--schedule`, either may match; defaults to all
    #[arg(
        long = "label",
        visible_alias = "labels",
        value_name = "LABEL",
        value_delimiter = ',',
        help_heading = "Which events, and when"
    )]
    labels: Vec<String>,
    /// Send only events of schedules with at least this severity: info, warning, error or critical; defaults to all
    #[arg(long, value_name = "SEVERITY", help_heading = "Which events, and when")]
    min_severity: Option<String>,
    /// How long a message waits for further events of its kind; defaults to 2s
    #[arg(long, value_name = "DURATION", help_heading = "Which events, and when")]
    group_wait: Option<String>,
    /// Maximum number of messages in a period, such as `10/1h`; later ones wait, and are sent together;
    /// defaults to no limit
    #[arg(long, value_name = "N/PERIOD", help_heading = "Which events, and when")]
    rate_limit: Option<String>,
    /// When nothing is sent, such as `22:00-07:00`; events in that time are sent as one message afterwards (as one for
    /// each with pagerduty and opsgenie); defaults to none
    #[arg(long, value_name = "FROM-TO", help_heading = "Which events, and when")]
    quiet_hours: Option<String>,
    /// Time zone of the quiet hours; defaults to UTC
    #[arg(
        long,
        visible_alias = "tz",
        value_name = "TZ",
        requires = "quiet_hours",
        help_heading = "Which events, and when"
    )]
    time_zone: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.webhook.is_none() && args.email.is_empty() && args.command.is_empty() {
        let nowhere = format_args!("the receiver `{}` has nowhere to send to", args.name);
        return Err(Error::new(Kind::Usage, nowhere).hint("Add `--webhook URL`, `--email ADDRESS`, or a command after `--`."));
    }
    let text = text(args)?;
    text.check(&context.zones)?;
    let mut store = context.open(Missing::Create)?;
    store.write(|w| ops::add_receiver(w, &text, context.now()))?;
    let needs_sendmail = !text.email.is_empty() && text.smtp.is_none();
    let view = store.read(|r| present::receiver(r, &context.zones, &ops::find_receiver(r, &args.name)?))?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    context
        .ui
        .data(&format!("Added receiver {} ({}): {}", view.name, view.kind, view.target))?;
    if needs_sendmail && !has_sendmail() {
        context
            .ui
            .hint("This machine has no `sendmail`, so nothing can be sent: install a mail server, or remove the receiver and add it again with `--smtp HOST`.");
    }
    context
        .ui
        .hint(&format!("Run `tempo notify test {}` to send it a test message.", view.name));
    context.hint_when_down("messages are sent when you run `tempo run`.")
}

fn text(args: &Args) -> Result<NotifyText, Error> {
    let headers = args.header.iter().map(|header| {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Error::new(Kind::Usage, format_args!("invalid header `{}`", header.escape_debug())).hint("Write `NAME: VALUE`.")
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    Ok(NotifyText {
        name: args.name.to_string(),
        webhook: args.webhook.clone(),
        template: args.template.clone(),
        headers: headers.collect::<Result<_, Error>>()?,
        bearer: args.bearer.clone(),
        key: args.key.clone(),
        email: args.email.clone(),
        from: args.from.clone(),
        smtp: args.smtp.clone(),
        smtp_encryption: args.smtp_encryption.clone(),
        smtp_user: args.smtp_user.clone(),
        smtp_password: args.smtp_password.clone(),
        command: (!args.command.is_empty()).then(|| CommandText::Argv(args.command.clone())),
        env: std::collections::BTreeMap::new(),
        events: args.events.clone(),
        schedules: args.schedules.clone(),
        labels: args.labels.clone(),
        min_severity: args.min_severity.clone(),
        group_wait: args.group_wait.clone(),
        rate_limit: args.rate_limit.clone(),
        quiet_hours: args.quiet_hours.clone(),
        time_zone: args.time_zone.clone(),
    })
}
