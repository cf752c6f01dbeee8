//! What a line of a crontab is called: a name made from its command, as a person would.

/// Words in front of what is really run.
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
/// Commands that prepare, test or report, and are not what the line is for.
const BESIDE: [&str; 29] = [
    "test", "[", "[[", "cd", "sleep", "if", "fi", "done", "for", "while", "echo", ":", "true", "exit", "set", "export", "umask",
    ".", "source", "logger", "mail", "mailx", "!", "perl", "command", "which", "type", "cat", "mkdir",
];
/// Programs that run the file that is named next.
const INTERPRETERS: [&str; 11] = [
    "sh", "bash", "dash", "zsh", "python", "python2", "python3", "perl", "php", "ruby", "node",
];

/// A name for a command: of the program that the line is for, and the word behind it where that says more.
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
    // A line that does nothing else is for what stands beside in others.
    let name = parts()
        .find_map(|part| named(part, &BESIDE))
        .or_else(|| parts().find_map(|part| named(part, &[])));
    let name = name.unwrap_or_else(|| "job".to_owned());
    name.chars()
        .take(60)
        .collect::<String>()
        .trim_end_matches(['-', '.'])
        .to_owned()
}

fn named(part: &str, beside: &[&str]) -> Option<String> {
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
                // Its options, and then the lock.
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
    if script.is_none() && (beside.contains(&program) || program.starts_with(['-', '$', '<', '>', '#'])) {
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
    let more = words.next().filter(|w| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        w.starts_with(|c: char| c.is_ascii_alphabetic()) && w.len() <= 20 && w.chars().all(plain)
    });
    Some(more.map_or_else(|| stem.clone(), |more| format!("{stem}-{more}")))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn clean(word: &str) -> String {
    let kept: String = word
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    kept.trim_matches(|c| matches!(c, '-' | '.')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_called_after_what_it_is_for() {
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
