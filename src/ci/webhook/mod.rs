//! CI kind `webhook`: a signed HTTP request starts the run, reports tell the rest.

mod signature;

pub use signature::{SigningSecret, signatures};
