//! Secret values, what is derived from the root key, and encryption at rest.

mod keyring;
mod seal;
mod value;

pub use keyring::{Keyring, RootKey, project_of};
pub use seal::{Opened, Sealed, Unreadable};
pub use value::Secret;
