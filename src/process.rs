//! What this process may do, set once at its start: no core dump, and as many open files as the
//! system permits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are enough for every connection that the server accepts.
const OPEN_FILES_WANTED: u64 = 65_536;

/// Keeps the memory of this process, which holds the root key, out of core dumps and from other
/// processes of the same user. What the platform does not allow is left as it is.
pub fn forbid_dumps() {
    // Programs that collect dumps through a pipe ignore the limit.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
}

/// Raises the limit of open files to the hard limit, as far as more files are of use.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES_WANTED, |hard| hard.min(OPEN_FILES_WANTED));
    if limit.current.is_some_and(|soft| soft < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).ok();
    }
}

/// How many files this process may have open, connections included.
pub fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES_WANTED)
}
