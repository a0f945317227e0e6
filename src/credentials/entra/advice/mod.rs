//! What an error code of Entra means, who has to act, and what to do.
//!
//! Entra documents its codes as diagnostic, so for an unknown one the OAuth error decides
//! (docs/azure-devops.md §4.4).

mod rows;

use std::fmt;

use super::app::App;
pub use rows::Remedy;
use rows::{BY_CODE, BY_ERROR, Row, UNKNOWN};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    pub remedy: Remedy,
    pub wrong: String,
    pub action: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; {}", self.wrong, self.action)
    }
}

/// The names that advice contains.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub app: &'a App,
    /// Whose service user signs in; none where people sign in to the pages.
    pub organization: Option<&'a str>,
}

/// The advice for a code; if the code is unknown, for the OAuth error.
pub fn advise(code: Option<u32>, error: &str, context: &Context<'_>) -> Advice {
    let authority = context.app.authority.url.as_str().trim_end_matches('/');
    let names = Names {
        authority,
        tenant: &context.app.authority.tenant_id,
        client: &context.app.client_id,
        organization: context.organization,
    };
    if let Some(row) = code.and_then(by_code) {
        return names.advice(row);
    }
    let row = BY_ERROR.iter().find(|(known, _)| *known == error).map_or(&UNKNOWN, |(_, row)| row);
    let mut advice = names.advice(row);
    if let Some(code) = code {
        let page = format!("; AADSTS{code} is described at {authority}/error?code={code}");
        advice.action.push_str(&page);
    }
    advice
}

/// The advice for every known code, with placeholders for names.
pub fn table() -> impl Iterator<Item = (u32, Advice)> {
    let names = Names {
        authority: "https://login.microsoftonline.com",
        tenant: "{tenant}",
        client: "{client_id}",
        organization: Some("{organization}"),
    };
    BY_CODE.iter().map(move |(code, row)| (*code, names.advice(row)))
}

/// Whether the code has advice of its own.
pub(super) fn is_known(code: u32) -> bool {
    by_code(code).is_some()
}

fn by_code(code: u32) -> Option<&'static Row> {
    BY_CODE.iter().find(|(known, _)| *known == code).map(|(_, row)| row)
}

/// The values of the placeholders in the rows.
struct Names<'a> {
    authority: &'a str,
    tenant: &'a str,
    client: &'a str,
    organization: Option<&'a str>,
}

impl Names<'_> {
    fn advice(&self, row: &Row) -> Advice {
        let (remedy, wrong, action) = row;
        Advice { remedy: *remedy, wrong: self.fill(wrong), action: self.fill(action) }
    }

    /// `<consent>` and `<connect>` come first: their values contain other placeholders.
    fn fill(&self, text: &str) -> String {
        let text =
            text.replace("<consent>", "<authority>/<tenant>/adminconsent?client_id=<client>");
        let text = match self.organization {
            Some(name) => {
                text.replace("<connect>", "/connect/<organization>").replace("<organization>", name)
            }
            None => text
                .replace("<connect>", "/login")
                .replace(" as the service user", "")
                .replace("the service user", "the account"),
        };
        text.replace("<authority>", self.authority)
            .replace("<tenant>", self.tenant)
            .replace("<client>", self.client)
    }
}
