//! Which key of `[organization.credential]` belongs to which kind, and why not to another.
//!
//! It must never know what stands in a key.

use crate::config::section::Section;
use crate::config::suggestion;

use super::Kind::{self, ManagedIdentity, Pat, ServicePrincipal, ServiceUser, WorkloadIdentity};

/// Those that sign in as an app of Entra.
const APPS: &[Kind] = &[ServiceUser, ServicePrincipal, WorkloadIdentity];

/// Every key but `kind`, and the kinds that read it.
const KEYS: [(&str, &[Kind]); 13] = [
    ("tenant_id", APPS),
    ("client_id", &[ServiceUser, ServicePrincipal, ManagedIdentity, WorkloadIdentity]),
    ("client_secret", &[ServiceUser, ServicePrincipal]),
    ("client_secret_expires", &[ServiceUser]),
    ("client_certificate", &[ServicePrincipal]),
    ("authority_url", APPS),
    ("expected_user", &[ServiceUser]),
    // With "pat" these two are read, and warned about.
    ("pat_use", &[ServiceUser, Pat]),
    ("pat_lifetime", &[ServiceUser, Pat]),
    ("mint_ahead", &[ServiceUser]),
    ("endpoint_url", &[ManagedIdentity]),
    ("token_file", &[WorkloadIdentity]),
    ("token", &[Pat]),
];

/// About a linked user and the PATs that are minted for it.
const OF_LINKED_USERS: [&str; 4] = ["expected_user", "pat_use", "pat_lifetime", "mint_ahead"];

/// As the file has it.
pub(super) fn word(kind: Kind) -> &'static str {
    let found = super::KINDS.iter().find(|(_, other)| *other == kind);
    found.map_or("", |(word, _)| *word)
}

/// Takes note of every key, where it is not known whose it would be.
pub(super) fn pass_all(section: &mut Section<'_>) {
    for (key, _) in KEYS {
        section.value(key, "");
    }
}

/// Refuses the keys of the other kinds.
pub(super) fn refuse_others(section: &mut Section<'_>, kind: Kind) {
    for (key, kinds) in KEYS.iter().filter(|(_, kinds)| !kinds.contains(&kind)) {
        let Some(at) = section.belongs_elsewhere(key) else { continue };
        let what = format!("{key} has no place with kind = {:?}", word(kind));
        section.reader.refuse(at, what, remedy(key, kinds, kind));
    }
}

fn remedy(key: &str, kinds: &[Kind], kind: Kind) -> String {
    match (key, kind) {
        ("client_certificate", ServiceUser) => {
            "write client_secret = { env = \"ENTRA_CLIENT_SECRET\" }: a linked user's app has \
             client secrets only"
                .to_owned()
        }
        (key, Pat) if OF_LINKED_USERS.contains(&key) => {
            "leave it out: a personal access token made by hand is used as it is".to_owned()
        }
        (key, _) if OF_LINKED_USERS.contains(&key) => {
            "leave it out: only a linked user can mint personal access tokens; a service \
             principal, managed identity or workload identity uses its bearer token directly"
                .to_owned()
        }
        _ => {
            let words: Vec<_> = kinds.iter().map(|kind| word(*kind)).collect();
            format!("leave it out: it is for {}", suggestion::quoted(&words))
        }
    }
}
