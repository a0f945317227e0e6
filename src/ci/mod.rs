//! NEIGHBOUR CI systems.
mod options;
pub mod webhook;
pub use options::Options;
