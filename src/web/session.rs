//! Who may use the page: a session token, and one-time codes by which `tempo open` hands it to a browser. Both are kept beside the database, in files
//! that only its owner can read.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;

use crate::error::{Error, Kind};
use crate::machine;

/// Number of random bytes in a token or code.
const TOKEN_BYTES: usize = 16;
/// Minimum length of a token from a file.
const MIN_TOKEN: usize = 16;
/// How long a one-time code can be used.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(5);

/// The session token of a server, and the key from which the tokens for heartbeats are made.
pub(crate) struct Session {
    token: String,
    beats: hmac::Key,
    code_file: PathBuf,
}

impl Session {
    /// The token kept beside a database, which is created if there is none.
    ///
    /// # Errors
    /// `System` when it can be neither read nor written.
    pub(crate) fn of(database: &Path) -> Result<Self, Error> {
        let token = kept_token(database)?;
        Ok(Self {
            beats: beat_key(&token),
            token,
            code_file: beside(database, ".web-code"),
        })
    }

    /// The token in a file, in place of the one beside the database.
    ///
    /// # Errors
    /// `System` when the file cannot be read; `Usage` when the token is too short.
    pub(crate) fn with_token_file(database: &Path, file: &Path) -> Result<Self, Error> {
        let token = read(file)?.ok_or_else(|| {
            Error::new(
                Kind::System,
                format_args!("the token file `{}` does not exist", file.display()),
            )
            .hint("Create it with a long random string, readable only by you: for example `(umask 077; openssl rand -hex 16 > FILE)`.")
        })?;
        if !is_usable(&token) {
            return Err(
                Error::new(Kind::Usage, format_args!("the token in `{}` is not usable", file.display()))
                    .hint("A token has at least 16 characters: letters, digits and `-._~+/=`."),
            );
        }
        Ok(Self {
            token,
            // The commands do not know that file.
            beats: beat_key(&kept_token(database)?),
            code_file: beside(database, ".web-code"),
        })
    }

    /// The token, for the cookie.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a text is the token; takes the same time whatever the text is.
    pub(super) fn admits(&self, text: &str) -> bool {
        same(self.token.as_bytes(), text.as_bytes())
    }

    /// Whether a text is the token for heartbeats of a schedule.
    pub(super) fn admits_beat(&self, schedule_id: &str, text: &str) -> bool {
        same(token_for_beats(&self.beats, schedule_id).as_bytes(), text.as_bytes())
    }

    /// Whether a code is the current one-time code, which is used up by this.
    pub(super) fn redeem(&self, code: &str, now: DateTime<Utc>) -> bool {
        let Ok(Some(kept)) = read(&self.code_file) else { return false };
        let Some((current, until)) = kept.split_once(' ') else {
            return false;
        };
        let is_valid = until.parse::<i64>().is_ok_and(|until| now.timestamp_millis() <= until);
        // Whoever removes the file has used the code.
        is_valid && same(current.as_bytes(), code.as_bytes()) && std::fs::remove_file(&self.code_file).is_ok()
    }
}

/// The token beside a database, which is created if there is none.
fn kept_token(database: &Path) -> Result<String, Error> {
    let path = beside(database, ".web-token");
    if let Some(token) = read(&path)?.filter(|token| is_usable(token)) {
        return Ok(token);
    }
    // An unusable one is replaced; of several processes that find none, the first creates it.
    let how = if path.exists() { Existing::Replace } else { Existing::Keep };
    let token = machine::random_hex(TOKEN_BYTES)?;
    write(&path, &token, how)?;
    Ok(read(&path)?.filter(|token| is_usable(token)).unwrap_or(token))
}

/// What to do with an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

/// The token with which heartbeats of one schedule, and nothing else, can be sent over HTTP to a server on a database.
///
/// # Errors
/// `System` when the token beside the database, from which it is made, can be neither read nor written.
pub(crate) fn beat_token(database: &Path, schedule_id: &str) -> Result<String, Error> {
    Ok(token_for_beats(&beat_key(&kept_token(database)?), schedule_id))
}

fn beat_key(token: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes())
}

fn token_for_beats(key: &hmac::Key, schedule_id: &str) -> String {
    let tag = hmac::sign(key, format!("heartbeats of {schedule_id}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag)
}

/// Whether a text can be a token: long enough, and fit for a cookie.
fn is_usable(token: &str) -> bool {
    token.len() >= MIN_TOKEN
        && token
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\\'))
}

/// Creates a one-time code for the page of the server on a database; an earlier code becomes invalid.
///
/// # Errors
/// `System` when it cannot be written.
pub(crate) fn one_time_code(database: &Path, now: DateTime<Utc>) -> Result<String, Error> {
    let code = machine::random_hex(TOKEN_BYTES)?;
    let until = (now + CODE_LIFE).timestamp_millis();
    write(&beside(database, ".web-code"), &format!("{code} {until}"), Existing::Replace)?;
    Ok(code)
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let database = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = database.into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads a file that only its owner can read, and that this user or root owns; `None` if there is none. Nobody else may choose a token.
///
/// # Errors
/// `System` when it cannot be read, or others could have written it or can read it.
fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot read `{}`", path.display())).because(e);
    let opened = std::fs::File::options()
        .read(true)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()).cast_signed())
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || ![machine::user_id(), 0].contains(&metadata.uid()) || metadata.mode() & 0o077 != 0 {
        return Err(Error::new(
            Kind::System,
            format_args!(
                "`{}` must be a regular file that you own and nobody else can read",
                path.display()
            ),
        )
        .hint(format_args!("Check who wrote it, then run `chmod 600 {0}`.", path.display())));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text.trim().to_owned()))
}

/// Writes a file that only its owner can read, in one step.
fn write(path: &Path, text: &str, existing: Existing) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write `{}`", path.display())).because(e);
    let directory = path.parent().unwrap_or(Path::new("."));
    // Created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let written = match existing {
        Existing::Replace => file.persist(path),
        Existing::Keep => file.persist_noclobber(path),
    };
    match written {
        Err(e) if existing == Existing::Keep && e.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        written => written.map(|_| ()).map_err(|e| failed(e.error)),
    }
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_code_works_once_and_expires() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        let session = Session::of(&database).unwrap();
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let code = one_time_code(&database, now).unwrap();
        assert!(!session.redeem("0000", now) && !session.redeem("", now));
        assert!(session.redeem(&code, now));
        assert!(!session.redeem(&code, now), "a second time");
        let late = one_time_code(&database, now).unwrap();
        assert!(!session.redeem(&late, now + TimeDelta::minutes(6)));
        let again = Session::of(&database).unwrap();
        assert!(again.admits(session.token()) && !again.admits("") && !again.admits(&session.token()[1..]));
        for file in ["t.db.web-token", "t.db.web-code"] {
            let mode = std::fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
