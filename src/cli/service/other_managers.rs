//! Service definitions for `launchd` and `openrc-run`; printed, not installed.

use super::systemd::Service;
use crate::error::{Error, Kind};
use crate::files::shell_words::quoted;
use crate::machine;

/// The words of the command line of a service, none with control characters.
fn words(service: &Service<'_>) -> Result<Vec<String>, Error> {
    let words = service.words()?;
    match words.iter().find(|word| word.contains(char::is_control)) {
        Some(word) => {
            let word = word.escape_debug();
            Err(Error::new(
                Kind::Usage,
                format_args!("`{word}` cannot be written in a service definition: it has control characters"),
            ))
        }
        None => Ok(words),
    }
}

/// A property list for launchd (`launchd.plist(5)`).
///
/// # Errors
/// `Usage` when a path is not UTF-8.
pub(super) fn launchd(service: &Service<'_>) -> Result<String, Error> {
    let escaped = |word: &String| word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let how = if machine::is_root() {
        "Save as /Library/LaunchDaemons/tempo.plist, then: launchctl bootstrap system /Library/LaunchDaemons/tempo.plist"
    } else {
        "Starts when you log in. Save as ~/Library/LaunchAgents/tempo.plist, then: launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/tempo.plist"
    };
    let words = words(service)?;
    let arguments: Vec<String> = words
        .iter()
        .map(|word| format!("    <string>{}</string>\n", escaped(word)))
        .collect();
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {how} -->\n\
         <plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  <string>tempo</string>\n  <key>ProgramArguments</key>\n  <array>\n{}  </array>\n  \
         <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n  \
         <key>ExitTimeOut</key>\n  <integer>{}</integer>\n</dict>\n</plist>\n",
        arguments.concat(),
        service.stop_timeout().as_secs()
    ))
}

/// A service script for `openrc-run(8)`, under its supervisor.
///
/// # Errors
/// `Usage` when a path is not UTF-8.
pub(super) fn openrc(service: &Service<'_>) -> Result<String, Error> {
    let words = words(service)?;
    // The arguments are a line that a shell splits into words.
    let arguments: Vec<String> = words[1..].iter().map(|word| quoted(word)).collect();
    Ok(format!(
        "#!/sbin/openrc-run\n\
         # Save as /etc/init.d/tempo with mode 0755, then: rc-update add tempo default && rc-service tempo start\n\
         description=\"tempo: durable scheduling\"\nextra_started_commands=\"reload\"\nsupervisor=supervise-daemon\n\
         command={}\ncommand_args={}\ncommand_user={}\noutput_log=/var/log/tempo.log\nerror_log=/var/log/tempo.log\nrespawn_delay=1\nretry=TERM/{}/KILL/5\n\n\
         depend() {{\n\tuse net\n}}\n\n\
         reload() {{\n\tsupervise-daemon \"$RC_SVCNAME\" --signal HUP\n}}\n",
        quoted(&words[0]),
        quoted(&arguments.join(" ")),
        // The jobs run as the user whose database it is.
        machine::user_id(),
        service.stop_timeout().as_secs()
    ))
}
