//! NEIGHBOUR CI systems: how each kind is started, and what its answers mean.
//!
//! Each kind has a folder with the same files: trigger, poll, cancel, as far as the system can do
//! it.

mod error;
mod options;
mod systems;
mod trigger;
/// Kind `webhook`: a signed HTTP request starts the run, and the CI reports on it.
pub mod webhook;

pub use error::Error;
pub use options::Options;
pub use systems::Systems;
pub use trigger::Trigger;
