//! The gateway's identities at Azure DevOps: each issues a credential for one call at a time.
//!
//! All kinds of identity implement `Source`, so that callers need not tell them apart. The map:
//! `identities` makes a source from the options of each organization; `pat` mints, revokes and
//! sweeps personal access tokens; `service_user` links a user account and keeps its access token
//! valid; `sign_in` signs people in to the pages; `callback` is what both do when a browser
//! returns; `bearer_token` serves identities that need no PAT; `entra` speaks OAuth.

mod audit_log;
mod bearer_token;
mod call;
mod callback;
/// OAuth 2.0 and OpenID Connect with Microsoft Entra.
pub mod entra;
mod error;
mod identities;
mod options;
mod pat;
mod rights;
mod service_user;
mod sign_in;
mod source;

pub use audit_log::AuditLog;
pub use call::{CallError, call};
pub use callback::{SignInCallback, SignInError, StartedSignIn};
pub use error::Error;
pub use identities::{Identities, Identity};
pub use options::{App, AppCredential, Options, PatUse, ServiceUser, SignInOptions};
pub use rights::{Person, Right, Rights};
pub use service_user::{LinkError, LinkedUser, Linking};
pub use sign_in::{SignIn, SignedIn};
pub use source::{Purpose, Source};
