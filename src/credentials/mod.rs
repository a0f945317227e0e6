//! x
mod options;
pub use options::Options;
