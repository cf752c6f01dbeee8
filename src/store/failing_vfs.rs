//! A failing disk for tests: a wrapper around SQLite's VFS in which, at a chosen operation, the power is cut, or a write, sync or truncate fails.
//!
//! A power cut undoes all or part of the unsynced writes, like a disk that may write in any order. Each thread can arm a simulated disk; other
//! threads use the real one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use fastrand::Rng;
use rusqlite::{Connection, OpenFlags, ffi};

/// The failure at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The power is cut: all unsynced writes are lost.
    PowerCut,
    /// The power is cut during a write: some of the unsynced writes have reached the disk, and half of this one.
    TornPowerCut,
    /// The operation fails with an I/O error; later ones succeed.
    IoError,
    /// The operation fails because the disk is full; later ones succeed.
    Full,
}

/// An unsynced write or truncate.
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
    /// SQLite's original methods for the file.
    original_methods: &'static ffi::sqlite3_io_methods,
}

#[derive(Default)]
struct Disk {
    armed: bool,
    operations: u64,
    failure: Option<(u64, Failure)>,
    is_off: bool,
    handles: HashMap<usize, Handle>,
    unsynced: HashMap<PathBuf, Vec<Unsynced>>,
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::default();
}

/// Keeps this thread's simulated disk armed until dropped. No file may be open on the disk when this is created or dropped.
#[must_use]
pub(crate) struct Armed(());

/// Arms a simulated disk for the files that this thread opens from now on. The disk fails at the operation with the given number, counted from 1.
pub(crate) fn arm(failure: Option<(u64, Failure)>) -> Armed {
    DISK.replace(Disk {
        armed: true,
        failure,
        ..Disk::default()
    });
    Armed(())
}

impl Drop for Armed {
    fn drop(&mut self) {
        DISK.take();
    }
}

/// Whether this thread has a simulated disk that has reached its failure.
pub(crate) fn has_failed() -> bool {
    DISK.with_borrow(|d| d.failure.is_some_and(|(at, _)| d.operations >= at))
}

/// The number of operations so far.
pub(crate) fn operations() -> u64 {
    DISK.with_borrow(|d| d.operations)
}

/// Whether the power is off. Close all connections, then turn it on again with [`restore`].
pub(crate) fn is_off() -> bool {
    DISK.with_borrow(|d| d.is_off)
}

/// Turns the power on again; the contents of memory are lost.
pub(crate) fn restore(database: &Path) {
    DISK.with_borrow_mut(|d| {
        d.is_off = false;
        d.unsynced.clear();
    });
    let mut shared_memory = database.as_os_str().to_owned();
    shared_memory.push("-shm");
    let _ = std::fs::remove_file(shared_memory);
}

/// Opens a connection, on this thread's simulated disk if it has one.
pub(super) fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    if DISK.with_borrow(|d| d.armed) {
        Connection::open_with_flags_and_vfs(path, flags, vfs())
    } else {
        Connection::open_with_flags(path, flags)
    }
}

/// Whether an operation proceeds or fails.
enum Step {
    Go,
    Fail(c_int),
}

/// Counts an operation; `torn` is its data, if it is a write that can be torn.
fn step(torn: Option<(&Path, u64, &[u8])>) -> Step {
    DISK.with_borrow_mut(|d| {
        d.operations += 1;
        if d.is_off {
            return Step::Fail(ffi::SQLITE_IOERR);
        }
        match d.failure {
            Some((at, failure)) if at == d.operations => match failure {
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
    /// Cuts the power; of the unsynced writes, those for which `survives` is true reach the disk.
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
    File::options().write(true).open(path).expect("the test created the file")
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    writable(path).write_all_at(bytes, at).expect("the real disk does not fail");
}

fn resize(path: &Path, size: u64) {
    writable(path).set_len(size).expect("the real disk does not fail");
}

struct Methods(ffi::sqlite3_io_methods);
struct Vfs(ffi::sqlite3_vfs);

#[expect(unsafe_code, reason = "tables of functions that are never changed after creation")]
const _: () = {
    unsafe impl Send for Methods {}
    unsafe impl Sync for Methods {}
    unsafe impl Send for Vfs {}
    unsafe impl Sync for Vfs {}
};

/// Our methods for each of SQLite's method tables, by the address of the table.
static METHODS: Mutex<BTreeMap<usize, &'static Methods>> = Mutex::new(BTreeMap::new());
/// SQLite's default VFS and our wrapper.
static VFS: OnceLock<(usize, Box<Vfs>)> = OnceLock::new();

const NAME: &CStr = c"tempo-failing_vfs";

#[expect(unsafe_code, reason = "SQLite takes a VFS through its C interface")]
mod c {
    use super::*;

    /// Registers the VFS and returns its name.
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
        // SAFETY: the arguments are passed on unchanged; the opened file has SQLite's own unix methods, which ours call.
        unsafe {
            let opened = (*original()).xOpen.expect("a VFS can open files")(original(), name, file, flags, out);
            if opened != ffi::SQLITE_OK || flags & TRACKED == 0 || name.is_null() {
                return opened;
            }
            let original_methods: &'static ffi::sqlite3_io_methods = &*(*file).pMethods;
            let mut known = METHODS.lock().unwrap_or_else(PoisonError::into_inner);
            let ours = *known.entry(&raw const *original_methods as usize).or_insert_with(|| {
                Box::leak(Box::new(Methods(ffi::sqlite3_io_methods {
                    xClose: Some(close),
                    xRead: Some(read),
                    xWrite: Some(write),
                    xTruncate: Some(truncate),
                    xSync: Some(sync),
                    ..*original_methods
                })))
            });
            (*file).pMethods = &raw const ours.0;
            let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
            DISK.with_borrow_mut(|d| d.handles.insert(file as usize, Handle { path, original_methods }));
            opened
        }
    }

    unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // SAFETY: the arguments are passed on unchanged.
        unsafe {
            let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
            DISK.with_borrow_mut(|d| d.unsynced.remove(&path));
            (*original()).xDelete.expect("a VFS can delete files")(original(), name, sync_directory)
        }
    }

    unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
        let original_methods = handle(file).original_methods;
        DISK.with_borrow_mut(|d| d.handles.remove(&(file as usize)));
        // SAFETY: SQLite's own methods opened the file.
        unsafe { original_methods.xClose.expect("a file has xClose")(file) }
    }

    unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
        if is_off() {
            return ffi::SQLITE_IOERR_READ;
        }
        // SAFETY: as above.
        unsafe { handle(file).original_methods.xRead.expect("a file has xRead")(file, to, length, at) }
    }

    /// Records the bytes that a write or truncate at `at` changes, so that it can be undone.
    unsafe fn record(file: *mut ffi::sqlite3_file, at: u64, length: usize, new: Vec<u8>) {
        let Handle { path, original_methods } = handle(file);
        let mut old_size = 0_i64;
        // SAFETY: as above; the buffer has the length of the read.
        let old = unsafe {
            original_methods.xFileSize.expect("a file has xFileSize")(file, &raw mut old_size);
            let available = usize::try_from(old_size.unsigned_abs().saturating_sub(at)).unwrap_or(usize::MAX);
            let mut old = vec![0_u8; length.min(available)];
            let length = c_int::try_from(old.len()).expect("test files are small");
            original_methods.xRead.expect("a file has xRead")(file, old.as_mut_ptr().cast(), length, at.cast_signed());
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
        // SAFETY: SQLite passes a buffer of this length.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size) };
        if let Step::Fail(code) = step(Some((&handle(file).path, at.unsigned_abs(), bytes))) {
            return code;
        }
        // SAFETY: as above.
        unsafe {
            record(file, at.unsigned_abs(), size, bytes.to_vec());
            handle(file).original_methods.xWrite.expect("a file has xWrite")(file, from, length, at)
        }
    }

    unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // SAFETY: as above.
        unsafe {
            record(file, size.unsigned_abs(), usize::MAX, Vec::new());
            handle(file).original_methods.xTruncate.expect("a file has xTruncate")(file, size)
        }
    }

    unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
        if let Step::Fail(code) = step(None) {
            return code;
        }
        // Only the simulated power cut loses unsynced data, so there is no need to sync the real disk.
        let path = handle(file).path;
        DISK.with_borrow_mut(|d| d.unsynced.remove(&path));
        ffi::SQLITE_OK
    }
}

use c::vfs;

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes one row per transaction, with `failure` at each operation in turn. Returns the number of operations, and of those at which acknowledged
    /// rows were lost.
    fn count_losses(synchronous: &str, failure: Failure) -> (u64, u64) {
        let (mut points, mut lost) = (0, 0);
        loop {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("t.db");
            points += 1;
            let _disk = arm(Some((points, failure)));
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
            let integrity: String = c.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
            assert_eq!(integrity, "ok", "{synchronous}, {failure:?}, point {points}");
            let kept: u64 = c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap_or(0);
            lost += u64::from(kept < acknowledged);
            if finished {
                return (points, lost);
            }
        }
    }

    #[test]
    fn a_power_cut_loses_only_unsynced_writes() {
        let (points, losses) = count_losses("FULL", Failure::PowerCut);
        assert!(
            points > 50 && losses == 0,
            "acknowledged writes lost at {losses} of {points} points"
        );
        assert_eq!(count_losses("FULL", Failure::TornPowerCut).1, 0);
        // The simulated disk does lose unsynced writes; otherwise the assertions above would prove nothing.
        assert!(count_losses("NORMAL", Failure::PowerCut).1 > 0);
    }
}
