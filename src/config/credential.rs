//! `[organization.credential]`: who the gateway is to one organization.
//!
//! It must never know the organization, nor show what it fetched.

use crate::credentials::Options;

use super::kind;
use super::secrets;
use super::section::Section;
use super::value::Range;

#[derive(Clone, Copy)]
enum Kind {
    Pat,
}

const LATER: [&str; 4] =
    ["service_user", "service_principal", "managed_identity", "workload_identity"];

/// The table below one `[[organization]]`.
pub(super) fn read(above: &mut Section<'_>) -> Option<Options> {
    let needed = "kind = \"pat\" and token = { env = \"AZDO_GATEWAY_PAT\" }";
    let mut section = above.required_table("credential", "organization.credential", needed)?;
    let kind = kind::read(&mut section, "\"pat\"", &[("pat", Kind::Pat)], &LATER);
    pat_upkeep(&mut section, kind);
    match kind? {
        Kind::Pat => {
            let token = section.required("token", "{ env = \"AZDO_GATEWAY_PAT\" }");
            let to = " to a personal access token of Azure DevOps";
            let token = token.and_then(|value| secrets::found(&value, to));
            section.finish();
            Some(Options::Pat { token: token?.secret })
        }
    }
}

/// How minted PATs are used; a PAT made by hand is used as it is.
fn pat_upkeep(section: &mut Section<'_>, kind: Option<Kind>) {
    let pat_use = section.value("pat_use", "\"single\"");
    let pat_lifetime = section.value("pat_lifetime", "5m");
    if let Some(value) = pat_use {
        value.word(&[("single", ()), ("window", ())]);
    }
    if let Some(value) = pat_lifetime {
        value.duration(Range {
            least: "1s",
            most: "5m",
            because: ": a stolen PAT must soon be worth nothing",
        });
    }
    for value in [pat_use, pat_lifetime].into_iter().flatten() {
        if let Some(Kind::Pat) = kind {
            let what = format!("{} has no effect with kind = \"pat\"", value.key);
            value.reader.warn(value.at, what, "leave it out: no PAT is minted");
        }
    }
}
