//! Derives the name of a crontab line from its command.

/// Words that precede the actual command.
const WRAPPERS: [&str; 16] = [
    "sudo",
    "nice",
    "ionice",
    "chronic",
    "exec",
    "env",
    "time",
    "nohup",
    "setsid",
    "flock",
    "timeout",
    "chrt",
    "systemd-cat",
    "then",
    "do",
    "else",
];
/// Commands that prepare, test or report rather than do the actual work.
const AUXILIARY: [&str; 29] = [
    "test", "[", "[[", "cd", "sleep", "if", "fi", "done", "for", "while", "echo", ":", "true", "exit", "set", "export", "umask",
    ".", "source", "logger", "mail", "mailx", "!", "perl", "command", "which", "type", "cat", "mkdir",
];
/// Programs that run the file given as their first argument.
const INTERPRETERS: [&str; 11] = [
    "sh", "bash", "dash", "zsh", "python", "python2", "python3", "perl", "php", "ruby", "node",
];

/// Returns a name for a command: the main program, and its first argument if that is a plain word.
pub(super) fn name_of(command: &str) -> String {
    let unquoted: String = command
        .chars()
        .map(|c| {
            if matches!(c, '"' | '\'' | '`' | '(' | ')' | '{' | '}') {
                ' '
            } else {
                c
            }
        })
        .collect();
    let unquoted = unquoted.replace(">&", "> ");
    let parts = || {
        unquoted
            .split("&&")
            .flat_map(|p| p.split("||"))
            .flat_map(|p| p.split([';', '|', '&', '\n']))
    };
    // A line with auxiliary commands only is named after the first of them.
    let name = parts()
        .find_map(|part| part_name(part, &AUXILIARY))
        .or_else(|| parts().find_map(|part| part_name(part, &[])));
    let name = name.unwrap_or_else(|| "job".to_owned());
    name.chars()
        .take(60)
        .collect::<String>()
        .trim_end_matches(['-', '.'])
        .to_owned()
}

/// Returns the name of one simple command; `None` for one that starts with a word in `auxiliary`.
fn part_name(part: &str, auxiliary: &[&str]) -> Option<String> {
    let mut words = part.split_whitespace().peekable();
    let mut wrapped = false;
    loop {
        let word = *words.peek()?;
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let is_setting = word.split_once('=').is_some_and(|(key, _)| !key.contains('/'));
        if WRAPPERS.contains(&base(word)) {
            let is_lock = base(word) == "flock";
            wrapped = true;
            words.next();
            if is_lock {
                // Skips its options and the lock file.
                while words.next_if(|w| w.starts_with('-')).is_some() {}
                words.next();
            }
        } else if is_setting || (wrapped && (word.starts_with('-') || is_number)) {
            words.next();
        } else {
            break;
        }
    }
    let mut program = words.next()?;
    let mut script = None;
    if INTERPRETERS.contains(&base(program)) {
        while words.next_if(|w| w.starts_with('-')).is_some() {}
        script = words.next_if(|w| w.contains(['/', '.']));
    }
    if script.is_none() && (auxiliary.contains(&program) || program.starts_with(['-', '$', '<', '>', '#'])) {
        return None;
    }
    program = script.unwrap_or(program);
    let stem = base(program);
    let stem = [".sh", ".py", ".pl", ".php", ".rb", ".js", ".cron"]
        .iter()
        .find_map(|end| stem.strip_suffix(end))
        .unwrap_or(stem);
    let stem = clean(stem);
    if stem.is_empty() {
        return None;
    }
    let argument = words.next().filter(|w| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        w.starts_with(|c: char| c.is_ascii_alphabetic()) && w.len() <= 20 && w.chars().all(plain)
    });
    Some(argument.map_or_else(|| stem.clone(), |argument| format!("{stem}-{argument}")))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn clean(word: &str) -> String {
    let cleaned: String = word
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    cleaned.trim_matches(|c| matches!(c, '-' | '.')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_after_its_main_command() {
        for (command, name) in [
            ("/srv/backup.sh --daily", "backup"),
            ("cd /srv/site && php artisan schedule:run", "php-artisan"),
            (
                "test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
                "run-parts",
            ),
            (
                "[ -x /usr/bin/certbot ] && perl -e 'sleep int(rand(3600))' && certbot -q renew",
                "certbot",
            ),
            ("flock -n /tmp/lock /usr/local/bin/sync.py fast", "sync-fast"),
            ("nice -n 19 ionice -c3 /usr/bin/updatedb", "updatedb"),
            ("timeout 10m ./report", "report"),
            ("LANG=C /usr/bin/python3 -u /opt/jobs/mail_digest.py", "mail_digest"),
            ("sleep 30; curl -fsS http://127.0.0.1/ || echo down | mail ops", "curl"),
            (
                "if [ -x /usr/bin/mrtg ]; then mkdir /var/log/mrtg; /usr/bin/mrtg /etc/mrtg.cfg; fi",
                "mrtg",
            ),
            ("SERVICE_MODE=1 /sbin/e2scrub_all -A -r", "e2scrub_all"),
            ("echo hello", "echo-hello"),
            ("sleep 20; echo done | mail ops", "sleep"),
            ("/usr/sbin/ganeti-cleaner master", "ganeti-cleaner-master"),
            ("/путь/ü", "job"),
        ] {
            assert_eq!(name_of(command), name, "{command}");
        }
    }
}
