//! Which kinds have which keys of `[organization.credential]`, and why other kinds lack a key.

use crate::config::section::Section;
use crate::config::suggestion;

use super::Kind::{self, ManagedIdentity, Pat, ServicePrincipal, ServiceUser, WorkloadIdentity};

/// The kinds that sign in as an app registration of Entra.
const APPS: &[Kind] = &[ServiceUser, ServicePrincipal, WorkloadIdentity];

/// Every key but `kind`, and the kinds that have it.
const KEYS: [(&str, &[Kind]); 13] = [
    ("tenant_id", APPS),
    ("client_id", &[ServiceUser, ServicePrincipal, ManagedIdentity, WorkloadIdentity]),
    ("client_secret", &[ServiceUser, ServicePrincipal]),
    ("client_secret_expires", &[ServiceUser]),
    ("client_certificate", &[ServicePrincipal]),
    ("authority_url", APPS),
    ("expected_user", &[ServiceUser]),
    // "pat" accepts these two with a warning.
    ("pat_use", &[ServiceUser, Pat]),
    ("pat_lifetime", &[ServiceUser, Pat]),
    ("mint_ahead", &[ServiceUser]),
    ("endpoint_url", &[ManagedIdentity]),
    ("token_file", &[WorkloadIdentity]),
    ("token", &[Pat]),
];

/// Keys about a linked user and the PATs that are minted for it.
const LINKED_USER_KEYS: [&str; 4] = ["expected_user", "pat_use", "pat_lifetime", "mint_ahead"];

/// The value of `kind` in the file.
pub(super) fn name(kind: Kind) -> &'static str {
    let found = super::KINDS.iter().find(|(_, other)| *other == kind);
    found.map_or("", |(word, _)| *word)
}

/// Accepts every key without reading its value, where the kind is unknown.
pub(super) fn accept_all(section: &mut Section<'_>) {
    for (key, _) in KEYS {
        section.value(key, "");
    }
}

/// Refuses the keys that only other kinds have.
pub(super) fn refuse_keys_of_other_kinds(section: &mut Section<'_>, kind: Kind) {
    for (key, kinds) in KEYS.iter().filter(|(_, kinds)| !kinds.contains(&kind)) {
        let Some(offset) = section.key_of_other_kind(key) else { continue };
        let what = format!("{key} does not apply to kind = {:?}", name(kind));
        section.reader.refuse(offset, what, remedy(key, kinds, kind));
    }
}

fn remedy(key: &str, kinds: &[Kind], kind: Kind) -> String {
    match (key, kind) {
        ("client_certificate", ServiceUser) => {
            "write client_secret = { env = \"ENTRA_CLIENT_SECRET\" }: a linked user's app has \
             client secrets only"
                .to_owned()
        }
        (key, Pat) if LINKED_USER_KEYS.contains(&key) => {
            "leave it out: a personal access token that was created by hand is used as it is"
                .to_owned()
        }
        (key, _) if LINKED_USER_KEYS.contains(&key) => {
            "leave it out: only a linked user can mint personal access tokens; a service \
             principal, managed identity or workload identity uses its bearer token directly"
                .to_owned()
        }
        _ => {
            let names: Vec<_> = kinds.iter().map(|kind| name(*kind)).collect();
            format!("leave it out: it applies to {}", suggestion::quoted(&names))
        }
    }
}
