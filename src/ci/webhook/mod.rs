//! CI kind `webhook`: a signed HTTP request starts the run, reports tell the rest.
//!
//! Such a CI can neither be polled nor told to cancel; a runner learns from the answer to its next
//! report that its run is over. It must never follow a redirect.

mod signature;
mod trigger;

pub use signature::{SigningSecret, signatures};
pub use trigger::{ATTEMPT_MAX, start};
