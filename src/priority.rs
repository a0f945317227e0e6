//! Who goes first where there are fewer cores than work: whoever Azure DevOps waits for.
//!
//! What is decided a moment later is late by a moment; what is not accepted in time is lost. It
//! must never know what a thread does.

/// How far behind others go, of 19: where both have work, about a tenth of a core is theirs.
const NICE: i32 = 10;

/// Has this thread, and what it starts, go after those that accept. Where that is not permitted all
/// are equal.
pub fn give_way() {
    // On Linux the call is about the thread that makes it (sched(7)).
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a thread does not give way");
    }
}
