//! A disk that fails, for tests: SQLite's own file system, in which at a chosen operation the power is cut, or a write, sync or truncate fails.
//!
//! A power cut undoes what was written and not yet synced, all of it or a part, as a disk that writes in any order may. Each thread has a disk of
//! its own, and tests that do not arm it have the machine's.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use fastrand::Rng;
use rusqlite::{Connection, OpenFlags, ffi};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The power is cut: everything that was not synced is gone.
    PowerCut,
    /// The power is cut in the middle of a write: of what was not synced a part has reached the disk, the write itself by half.
    TornPowerCut,
    /// The operation fails, and the next ones do not.
    IoError,
    /// There is no room for it, for the next ones there is.
    Full,
}

/// A write or truncate that is not synced.
struct Unsynced {
    at: u64,
    old: Vec<u8>,
    old_size: u64,
    new: Vec<u8>,
}

/// An open file.
#[derive(Clone)]
struct Handle {
    path: PathBuf,
    /// SQLite's own methods for it.
    theirs: &'static ffi::sqlite3_io_methods,
}

#[derive(Default)]
struct Disk {
    armed: bool,
    operations: u64,
    fault: Option<(u64, Failure)>,
    is_off: bool,
    handles: HashMap<usize, Handle>,
    unsynced: HashMap<PathBuf, Vec<Unsynced>>,
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::default();
}

/// This thread's own disk, for as long as this is held; no file may be open on it when it is made or dropped.
#[must_use]
pub(crate) struct Armed(());

/// From now on the files that this thread opens are on its own disk, which fails at the so-manieth operation.
pub(crate) fn arm(fault: Option<(u64, Failure)>) -> Armed {
    DISK.replace(Disk {
        armed: true,
        fault,
        ..Disk::default()
    });
    Armed(())
}

impl Drop for Armed {
    fn drop(&mut self) {
        DISK.take();
    }
}

/// Whether this thread has a disk of its own, and the chosen operation has been reached.
pub(crate) fn has_failed() -> bool {
    DISK.with_borrow(|d| d.fault.is_some_and(|(at, _)| d.operations >= at))
}

/// How many operations there have been.
pub(crate) fn operations() -> u64 {
    DISK.with_borrow(|d| d.operations)
}

/// Whether the power is off. It comes back with [`restore`], once every connection is closed.
pub(crate) fn is_off() -> bool {
    DISK.with_borrow(|d| d.is_off)
}

/// The power comes back; what was in memory is gone.
pub(crate) fn restore(database: &Path) {
    DISK.with_borrow_mut(|d| {
        d.is_off = false;
        d.unsynced.clear();
    });
    let mut shared_memory = database.as_os_str().to_owned();
    shared_memory.push("-shm");
    let _ = std::fs::remove_file(shared_memory);
}

/// Opens a connection, on this thread's disk where it has one.
pub(super) fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    if DISK.with_borrow(|d| d.armed) {
        Connection::open_with_flags_and_vfs(path, flags, vfs())
    } else {
        Connection::open_with_flags(path, flags)
    }
}

/// What an operation comes to.
enum Step {
    Go,
    Fail(c_int),
}

/// Counts an operation; `torn` is the write that it is.
fn step(torn: Option<(&Path, u64, &[u8])>) -> Step {
    DISK.with_borrow_mut(|d| {
        d.operations += 1;
        if d.is_off {
            return Step::Fail(ffi::SQLITE_IOERR);
        }
        match d.fault {
            Some((at, fault)) if at == d.operations => match fault {
                Failure::IoError => Step::Fail(ffi::SQLITE_IOERR),
                Failure::Full => Step::Fail(ffi::SQLITE_FULL),
                Failure::PowerCut => {
                    d.cut(|_| false);
                    Step::Fail(ffi::SQLITE_IOERR)
                }
                Failure::TornPowerCut => {
                    let mut rng = Rng::with_seed(at);
                    d.cut(|_| rng.bool());
                    if let Some((path, at, bytes)) = torn {
                        write(path, at, &bytes[..bytes.len() / 2]);
                    }
                    Step::Fail(ffi::SQLITE_IOERR)
                }
            },
            Some(_) | None => Step::Go,
        }
    })
}

impl Disk {
    /// Cuts the power: of what is not synced, what `survives` says is on the disk.
    fn cut(&mut self, mut survives: impl FnMut(&Unsynced) -> bool) {
        self.is_off = true;
        for (path, writes) in self.unsynced.drain() {
            for undone in writes.iter().rev() {
                write(&path, undone.at, &undone.old);
                resize(&path, undone.old_size);
            }
            for redone in writes.iter().filter(|w| survives(w)) {
                write(&path, redone.at, &redone.new);
            }
        }
    }
}

fn writable(path: &Path) -> File {
    File::options().write(true).open(path).expect("a file of the test's own")
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    writable(path).write_all_at(bytes, at).expect("the real disk does not fail");
}

fn resize(path: &Path, size: u64) {
    writable(path).set_len(size).expect("the real disk does not fail");
}

struct Methods(ffi::sqlite3_io_methods);
struct Vfs(ffi::sqlite3_vfs);

#[expect(unsafe_code, reason = "tables of functions that are never changed once they are made")]
const _: () = {
    unsafe impl Send for Methods {}
    unsafe impl Sync for Methods {}
    unsafe impl Send for Vfs {}
    unsafe impl Sync for Vfs {}
};

/// Our methods in front of each table of SQLite's own, by its address.
static METHODS: Mutex<BTreeMap<usize, &'static Methods>> = Mutex::new(BTreeMap::new());
/// SQLite's own file system, and ours in front of it.
static VFS: OnceLock<(usize, Box<Vfs>)> = OnceLock::new();

const NAME: &CStr = c"tempo-failing_vfs";

#[expect(unsafe_code, reason = "SQLite is handed a file system through C")]
mod c {
    use super::*;

    /// Registers the file system; its name.
    pub(super) fn vfs() -> &'static CStr {
        VFS.get_or_init(|| {
            // SAFETY: the default VFS lives as long as the process, and ours is never freed.
            unsafe {
                let original = ffi::sqlite3_vfs_find(std::ptr::null());
                let mut ours = Box::new(Vfs(*original));
                ours.0.zName = NAME.as_ptr();
                ours.0.pNext = std::ptr::null_mut();
                ours.0.xOpen = Some(open);
                ours.0.xDelete = Some(delete);
                ffi::sqlite3_vfs_register(&raw mut ours.0, 0);
                (original as usize, ours)
            }
        });
        NAME
    }

    fn original() -> *mut ffi::sqlite3_vfs {
        VFS.get()
            .map_or(std::ptr::null_mut(), |(original, _)| *original as *mut ffi::sqlite3_vfs)
    }

    fn handle(file: *mut ffi::sqlite3_file) -> Handle {
        DISK.with_borrow(|d| d.handles[&(file as usize)].clone())
    }

    unsafe extern "C" fn open(
        _: *mut ffi::sqlite3_vfs,
        name: *const c_char,
        file: *mut ffi::sqlite3_file,
        flags: c_int,
        out: *mut c_int,
    ) -> c_int {
        const TRACKED: c_int = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        if is_off() {
            return ffi::SQLITE_CANTOPEN;
        }
        // SAFETY: handed on as SQLite hands it to us; the methods of the file that comes back are those of its own unix files, which ours call.
        unsafe {
            let opened = (*original()).xOpen.expect("it can open")(original(), name, file, flags, out);
            if opened != ffi::SQLITE_OK || flags & TRACKED == 0 || name.is_null() {
                return opened;
            }
            let theirs: &'static ffi::sqlite3_io_methods = &*(*file).pMethods;
            let mut known = METHODS.lock().unwrap_or_else(PoisonError::into_inner);
            let ours = *known.entry(&raw const *theirs as usize).or_insert_with(|| {
                Box::leak(Box::new(Methods(ffi::sqlite3_io_methods {
                    xClose: Some(close),
                    xRead: Some(read),
                    xWrite: Some(write),
                    xTruncate: Some(truncate),
                    xSync: Some(sync),
                    ..*theirs
                })))
            });
            (*file).pMethods = &raw const ours.0;
            let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
            DISK.with_borrow_mut(|d| d.handles.insert(file as usize, Handle { path, theirs }));
            opened
        }
    }

    unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // SAFETY: handed on as SQLite hands it to us.
        unsafe {
            let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
            DISK.with_borrow_mut(|d| d.unsynced.remove(&path));
            (*original()).xDelete.expect("it can delete")(original(), name, sync_folder)
        }
    }

    unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
        let theirs = handle(file).theirs;
        DISK.with_borrow_mut(|d| d.handles.remove(&(file as usize)));
        // SAFETY: a file that SQLite's own methods opened.
        unsafe { theirs.xClose.expect("it can close")(file) }
    }

    unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
        if is_off() {
            return ffi::SQLITE_IOERR_READ;
        }
        // SAFETY: as above.
        unsafe { handle(file).theirs.xRead.expect("it can read")(file, to, length, at) }
    }

    /// Notes what a write or truncate from `at` on changes, so that it can be undone.
    unsafe fn note(file: *mut ffi::sqlite3_file, at: u64, length: usize, new: Vec<u8>) {
        let Handle { path, theirs } = handle(file);
        let mut old_size = 0_i64;
        // SAFETY: as above; the buffer is as long as is read into it.
        let old = unsafe {
            theirs.xFileSize.expect("it has a size")(file, &raw mut old_size);
            let left = usize::try_from(old_size.unsigned_abs().saturating_sub(at)).unwrap_or(usize::MAX);
            let mut old = vec![0_u8; length.min(left)];
            let length = c_int::try_from(old.len()).expect("files of tests are small");
            theirs.xRead.expect("it can read")(file, old.as_mut_ptr().cast(), length, at.cast_signed());
            old
        };
        let unsynced = Unsynced {
            at,
            old,
            old_size: old_size.unsigned_abs(),
            new,
        };
        DISK.with_borrow_mut(|d| d.unsynced.entry(path).or_default().push(unsynced));
    }

    unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
        let size = usize::try_from(length).unwrap_or(0);
        // SAFETY: SQLite hands us so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size) };
        if let Step::Fail(code) = step(Some((&handle(file).path, at.unsigned_abs(), bytes))) {
            return code;
        }
        // SAFETY: as above.
        unsafe {
            note(file, at.unsigned_abs(), size, bytes.to_vec());
            handle(file).theirs.xWrite.expect("it can write")(file, from, length, at)
        }
    }

    unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // SAFETY: as above.
        unsafe {
            note(file, size.unsigned_abs(), usize::MAX, Vec::new());
            handle(file).theirs.xTruncate.expect("it can truncate")(file, size)
        }
    }

    unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // What is not synced is lost by a power cut alone, and that is ours: the real disk need not be waited for.
        let path = handle(file).path;
        DISK.with_borrow_mut(|d| d.unsynced.remove(&path));
        ffi::SQLITE_OK
    }
}

use c::vfs;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of rows that are written one a transaction, with the power cut at each operation in turn.
    fn lost(synchronous: &str, fault: Failure) -> (u64, u64) {
        let (mut points, mut lost) = (0, 0);
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t.db");
            points += 1;
            let _disk = arm(Some((points, fault)));
            let mut acknowledged = 0;
            let done = (|| -> rusqlite::Result<()> {
                let c = open(&path, OpenFlags::default())?;
                c.pragma_update(None, "journal_mode", "WAL")?;
                c.pragma_update(None, "synchronous", synchronous)?;
                c.pragma_update(None, "wal_autocheckpoint", 8)?;
                c.execute_batch("CREATE TABLE t (n INTEGER)")?;
                for n in 1..=20_u64 {
                    c.execute("INSERT INTO t VALUES (?)", [n])?;
                    acknowledged = n;
                }
                Ok(())
            })();
            let finished = done.is_ok() && !is_off();
            restore(&path);
            let c = open(&path, OpenFlags::default()).unwrap();
            let sound: String = c.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
            assert_eq!(sound, "ok", "{synchronous}, {fault:?}, point {points}");
            let kept: u64 = c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap_or(0);
            lost += u64::from(kept < acknowledged);
            if finished {
                return (points, lost);
            }
        }
    }

    #[test]
    fn a_power_cut_loses_what_was_not_synced_and_nothing_else() {
        let (points, losses) = lost("FULL", Failure::PowerCut);
        assert!(
            points > 50 && losses == 0,
            "{losses} of {points} points lost something acknowledged"
        );
        assert_eq!(lost("FULL", Failure::TornPowerCut).1, 0);
        // The disk does lose what may be lost: else the above would prove nothing.
        assert!(lost("NORMAL", Failure::PowerCut).1 > 0);
    }
}
