//! x
mod options;
pub use options::{ApiToken, Options, Role};
