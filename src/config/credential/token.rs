//! `kind = "pat"`: a personal access token that was created by hand.

use crate::config::secrets;
use crate::config::section::Section;
use crate::credentials::Options;

use super::service_user;

pub(super) fn read(section: &mut Section<'_>) -> Option<Options> {
    warn_without_effect(section);
    let value = section.required("token", "{ env = \"AZDO_GATEWAY_PAT\" }")?;
    let token = secrets::load(&value, " to a personal access token of Azure DevOps")?;
    Some(Options::Pat { token: token.secret })
}

/// Accepts the keys about minting with a warning, so that a file can keep them while a PAT replaces
/// a linked user for a while.
fn warn_without_effect(section: &mut Section<'_>) {
    let pat_use = service_user::pat_use_value(section);
    let pat_lifetime = service_user::pat_lifetime_value(section);
    if let Some(value) = pat_use {
        service_user::pat_use(&value);
    }
    if let Some(value) = pat_lifetime {
        service_user::pat_lifetime(&value);
    }
    for value in [pat_use, pat_lifetime].into_iter().flatten() {
        let what = format!("{} has no effect with kind = \"pat\"", value.key);
        value.reader.warn(value.offset, what, "leave it out: no PAT is minted");
    }
}
