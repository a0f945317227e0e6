//! What connects the fake ADO to the fake Entra: accounts that both know, and access tokens that
//! Entra issued and ADO accepts.
//!
//! The two worlds do not know each other. Code that has both calls these functions.

use crate::{ado, entra};

/// Makes ADO accept every access token that Entra has issued since the last call.
pub fn pass_on_issued(entra: &mut entra::World, ado: &mut ado::World) {
    for token in entra.take_issued() {
        ado.accept_access_token(token);
    }
}

/// A person whom both worlds know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// GUID of the identity in ADO.
    pub identity: String,
    /// GUID of the user in Entra.
    pub object_id: String,
}

/// Adds a person to both worlds, under one user principal name, and signs the person in to the
/// browser.
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
