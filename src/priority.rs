//! Lowers the priority of every thread but those that accept deliveries: Azure DevOps waits for an
//! answer, while a decision may come a moment later.

/// The nice value of the other threads, of 19. Where both have work, about a tenth of a core is
/// left to them.
const NICE: i32 = 10;

/// Raises the nice value of this thread and of those that it starts later. Where it is not
/// permitted all threads have the same priority; `warn_where_refused` says so once.
pub fn lower_current_thread() {
    // On Linux the call applies to the calling thread (sched(7)).
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the nice value of a thread could not be raised");
    }
}

/// Warns where the nice value of a thread cannot be raised.
pub fn warn_where_refused() {
    let tried = std::thread::spawn(|| rustix::process::nice(NICE)).join();
    if let Ok(Err(error)) = tried {
        tracing::warn!(
            "threads that accept deliveries have no priority over others, since setpriority is \
             refused ({error}): under full load deliveries wait longer for their answer; with \
             systemd, write SystemCallFilter=setpriority in the service unit"
        );
    }
}
