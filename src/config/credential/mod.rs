//! `[organization.credential]`: the gateway's identity at one organization.
//!
//! Each kind has its own keys. A key of another kind is refused with a reason rather than ignored,
//! since the operator expects it to have an effect.

use crate::credentials::Options;

use super::kind;
use super::section::Section;

/// An app registration in Entra: ids, client secrets, certificate.
pub(super) mod app;
/// The keys of each kind.
mod keys;
/// Identities whose tokens the platform issues.
mod platform;
/// A linked user, and the PATs minted for it.
mod service_user;
/// A PAT that was created by hand.
mod token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ServiceUser,
    ServicePrincipal,
    ManagedIdentity,
    WorkloadIdentity,
    Pat,
}

use Kind::{ManagedIdentity, Pat, ServicePrincipal, ServiceUser, WorkloadIdentity};

const KINDS: [(&str, Kind); 5] = [
    ("service_user", ServiceUser),
    ("service_principal", ServicePrincipal),
    ("managed_identity", ManagedIdentity),
    ("workload_identity", WorkloadIdentity),
    ("pat", Pat),
];

/// The words of `kind`.
pub fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|(word, _)| *word).collect()
}

/// The table below one `[[organization]]`; `is_server` says that this is an Azure DevOps Server.
pub(super) fn read(above: &mut Section<'_>, is_server: bool) -> Option<Options> {
    let needed = "kind = \"pat\" and token = { env = \"AZDO_GATEWAY_PAT\" }";
    let mut section = above.required_table("credential", "organization.credential", needed)?;
    let Some((kind, offset)) = kind::read(&mut section, "\"service_user\"", &KINDS) else {
        keys::accept_all(&mut section);
        section.finish();
        return None;
    };
    let is_supported = kind == Pat || !is_server;
    if !is_supported {
        let what = format!("kind {:?} is for Azure DevOps Services", keys::name(kind));
        let help = "Azure DevOps Server does not support Entra: use kind = \"pat\"";
        section.reader.refuse(offset, what, help);
    }
    let options = match kind {
        ServiceUser => service_user::read(&mut section),
        ServicePrincipal => app::service_principal(&mut section),
        ManagedIdentity => platform::managed_identity(&mut section),
        WorkloadIdentity => platform::workload_identity(&mut section),
        Pat => token::read(&mut section),
    };
    keys::refuse_keys_of_other_kinds(&mut section, kind);
    section.finish();
    options.filter(|_| is_supported)
}
