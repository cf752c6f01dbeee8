//! Users of this machine, from `/etc/passwd` and `/etc/group`.

/// A user of this machine, as `/etc/passwd` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What they are called.
    pub name: String,
    /// Their id.
    pub uid: u32,
    /// The id of their group.
    pub gid: u32,
    /// Their home, which need not exist.
    pub home: String,
}

impl User {
    /// The user of that name.
    ///
    /// # Errors
    /// A fragment that says why it cannot be told.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::find(|user| user.name == name)?.ok_or_else(|| format!("no user is named `{name}`"))
    }

    /// Whoever runs this process, where that is told.
    #[must_use]
    pub fn this() -> Option<Self> {
        let uid = rustix::process::geteuid().as_raw();
        Self::find(|user| user.uid == uid).ok().flatten()
    }

    /// Does something on a thread that has become this user, with all their groups, as cron's commands have (`initgroups(3)`).
    ///
    /// # Errors
    /// When this process may not become them, and what `work` comes to.
    pub fn do_as<T: Send>(&self, work: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
        use rustix::thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_uid};
        // Where there is no list, their own group is all.
        let listed = match std::fs::read_to_string("/etc/group") {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            listed => listed?,
        };
        let groups: Vec<Gid> = groups_of(&listed, &self.name, self.gid)
            .into_iter()
            .map(Gid::from_raw)
            .collect();
        let become_them = || {
            set_thread_groups(&groups)?;
            set_thread_gid(Gid::from_raw(self.gid))?;
            set_thread_uid(Uid::from_raw(self.uid))?;
            work()
        };
        // To the kernel each thread has a user of its own; this one ends as that user.
        std::thread::scope(|s| {
            let done = std::thread::Builder::new().spawn_scoped(s, become_them)?.join();
            done.unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it has panicked")))
        })
    }

    fn find(is_it: impl Fn(&Self) -> bool) -> Result<Option<Self>, String> {
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
        Ok(users.lines().filter_map(read).find(|user| is_it(user)))
    }
}

/// The groups that somebody is in: their own, and those that list them.
fn groups_of(listed: &str, name: &str, own: u32) -> Vec<u32> {
    let others = listed.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_in = fields.get(3)?.split(',').any(|member| member == name);
        fields.get(2)?.parse().ok().filter(|gid| is_in && *gid != own)
    });
    std::iter::once(own).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_in_their_own_group_and_in_those_that_list_them() {
        let listed = "root:x:0:\nadm:x:4:syslog,me\nme:x:1000:\ndocker:x:999:me\nmeme:x:7:meme\nbroken\nown:x:1000:me\n";
        assert_eq!(groups_of(listed, "me", 1000), [1000, 4, 999]);
        assert_eq!(groups_of("", "me", 1000), [1000]);
    }
}
