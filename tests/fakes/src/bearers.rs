//! Bearer tokens on their way from Entra, which issues them, to ADO, which accepts them.
//!
//! The two worlds are pure and never see each other: whoever runs both carries these records over.
//! Nothing here decides what a bearer may do.

use crate::{ado, entra};

/// Whom a bearer speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person who signed in, by user principal name; the token carries these delegated scopes.
    User {
        /// `svc-ci@fabrikam.example`.
        principal_name: String,
        /// Wire names without the resource: `vso.pats`.
        scopes: Vec<String>,
    },
    /// An application or managed identity, by the object id of its service principal.
    Application {
        /// GUID in the tenant.
        object_id: String,
    },
}

/// One access token that Entra has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// What the caller will present.
    pub secret: String,
    /// Whom it speaks for.
    pub subject: Subject,
    /// When it ends, in milliseconds since 1970.
    pub valid_until_ms: i64,
}

/// Tells ADO of every access token that Entra has issued since the last call.
pub fn carry(entra: &mut entra::World, ado: &mut ado::World) {
    for bearer in entra.take_issued() {
        ado.accept_bearer(bearer);
    }
}

/// A person known to both worlds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// GUID of the identity in ADO.
    pub identity: String,
    /// GUID of the user in Entra.
    pub object_id: String,
}

/// Adds a person to both worlds, tied by the user principal name, and signed in to the browser.
pub fn add_service_user(
    ado: &mut ado::World,
    entra: &mut entra::World,
    display_name: &str,
    principal_name: &str,
) -> KnownUser {
    let object_id = entra.add_user(display_name, principal_name);
    entra.sign_in(principal_name);
    ado.set_tenant(entra.tenant());
    let identity = ado.create_identity(display_name, principal_name);
    KnownUser { identity, object_id }
}

/// Adds an application's service principal to both worlds; the application must exist in Entra.
pub fn add_service_principal(
    ado: &mut ado::World,
    entra: &entra::World,
    display_name: &str,
    client_id: &str,
) -> String {
    ado.set_tenant(entra.tenant());
    ado.create_identity(display_name, entra.object_id_of(client_id))
}
