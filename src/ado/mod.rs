//! x
/// What Azure DevOps delivers, and how it is read.
pub mod hooks;
mod options;
pub use options::Options;
