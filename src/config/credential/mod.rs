//! `[organization.credential]`: who the gateway is to one organization.
//!
//! Each kind has keys of its own; a key of another kind is refused with the reason, because it
//! shows that somebody expects what will not happen. It must never know the organization, nor show
//! what it fetched.

use crate::credentials::Options;

use super::kind;
use super::section::Section;

/// An app in Entra, and how it proves itself.
mod app;
/// Which keys belong to which kind.
mod keys;
/// Identities that the platform vouches for.
mod platform;
/// A linked user, and the PATs minted for it.
mod service_user;
/// A PAT made by hand.
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

/// The table below one `[[organization]]`; `is_server` says that this is an Azure DevOps Server.
pub(super) fn read(above: &mut Section<'_>, is_server: bool) -> Option<Options> {
    let needed = "kind = \"pat\" and token = { env = \"AZDO_GATEWAY_PAT\" }";
    let mut section = above.required_table("credential", "organization.credential", needed)?;
    let Some((kind, at)) = kind::read(&mut section, "\"service_user\"", &KINDS, &[]) else {
        keys::pass_all(&mut section);
        section.finish();
        return None;
    };
    let is_known_there = kind == Pat || !is_server;
    if !is_known_there {
        let what = format!("kind {:?} is for Azure DevOps Services", keys::word(kind));
        let help = "Azure DevOps Server knows no Entra: use kind = \"pat\"";
        section.reader.refuse(at, what, help);
    }
    let options = match kind {
        ServiceUser => service_user::read(&mut section),
        ServicePrincipal => app::service_principal(&mut section),
        ManagedIdentity => platform::managed_identity(&mut section),
        WorkloadIdentity => platform::workload_identity(&mut section),
        Pat => token::read(&mut section),
    };
    keys::refuse_others(&mut section, kind);
    section.finish();
    options.filter(|_| is_known_there)
}
