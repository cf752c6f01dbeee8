//! Users of this machine, from `/etc/passwd` and `/etc/group`.

/// A user of this machine, from `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The home directory, which may not exist.
    pub home: String,
}

impl User {
    /// The user named `name`.
    ///
    /// # Errors
    /// A fragment that states why the user cannot be found.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::find(|user| user.name == name)?.ok_or_else(|| format!("no user is named `{name}`"))
    }

    /// The user that runs this process, if listed.
    #[must_use]
    pub fn this() -> Option<Self> {
        let uid = rustix::process::geteuid().as_raw();
        Self::find(|user| user.uid == uid).ok().flatten()
    }

    /// Runs `work` on a thread that runs as this user, with all the user's groups, as cron does (`initgroups(3)`).
    ///
    /// # Errors
    /// When this process may not run as the user, or `work` fails.
    pub fn do_as<T: Send>(&self, work: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
        use rustix::thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_uid};
        // Without the file, the user has only the primary group.
        let group_file = match std::fs::read_to_string("/etc/group") {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let groups: Vec<Gid> = groups_of(&group_file, &self.name, self.gid)
            .into_iter()
            .map(Gid::from_raw)
            .collect();
        let run_as_user = || {
            set_thread_groups(&groups)?;
            set_thread_gid(Gid::from_raw(self.gid))?;
            set_thread_uid(Uid::from_raw(self.uid))?;
            work()
        };
        // In Linux each thread has its own credentials; this thread keeps the new ones until it ends.
        std::thread::scope(|s| {
            let result = std::thread::Builder::new().spawn_scoped(s, run_as_user)?.join();
            result.unwrap_or_else(|_| Err(std::io::Error::other("the thread that runs as the user panicked")))
        })
    }

    fn find(matches: impl Fn(&Self) -> bool) -> Result<Option<Self>, String> {
        let users = std::fs::read_to_string("/etc/passwd").map_err(|e| format!("cannot read `/etc/passwd`: {e}"))?;
        let read = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(Self {
                name: (*fields.first()?).to_owned(),
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
                home: (*fields.get(5)?).to_owned(),
            })
        };
        Ok(users.lines().filter_map(read).find(|user| matches(user)))
    }
}

/// The groups of a user: the primary group, then the groups that list the user.
fn groups_of(group_file: &str, name: &str, primary: u32) -> Vec<u32> {
    let others = group_file.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields.get(3)?.split(',').any(|member| member == name);
        fields.get(2)?.parse().ok().filter(|gid| is_member && *gid != primary)
    });
    std::iter::once(primary).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_primary_one_and_those_that_list_the_user() {
        let group_file = "root:x:0:\nadm:x:4:syslog,me\nme:x:1000:\ndocker:x:999:me\nmeme:x:7:meme\nbroken\nown:x:1000:me\n";
        assert_eq!(groups_of(group_file, "me", 1000), [1000, 4, 999]);
        assert_eq!(groups_of("", "me", 1000), [1000]);
    }
}
