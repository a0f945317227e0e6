//! CI kind `webhook`: a signed HTTP request starts the run, and the CI reports on it.
//!
//! Such a CI can be neither polled nor told to cancel: a runner learns from the answer to its next
//! report that its run has ended.

mod signature;
mod trigger;

pub use signature::{SigningSecret, signatures};
pub use trigger::{ATTEMPT_MAX, start};
