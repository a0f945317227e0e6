//! x
mod options;
pub use options::{Engine, Options};
