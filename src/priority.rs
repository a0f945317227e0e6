//! Lowers the priority of every thread but those that accept deliveries: Azure DevOps waits for an
//! answer, while a decision may come a moment later.

/// The nice value of the other threads, of 19. Where both have work, about a tenth of a core is
/// left to them.
const NICE: i32 = 10;

/// Raises the nice value of this thread and of those that it starts later. Ignored where it is not
/// permitted: all threads then have the same priority.
pub fn lower_current_thread() {
    // On Linux the call applies to the calling thread (sched(7)).
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the nice value of a thread could not be raised");
    }
}
