//! What a refusal of Entra means in plain words, who has to act, and what exactly to do.
//!
//! Entra documents its numbers as diagnostic, so an unknown one falls back on the OAuth error
//! (docs/azure-devops.md §4.4). Pure: it must never ask anybody anything.

mod rows;

use std::fmt;

use super::App;
use rows::{ERRORS, NUMBERS, Row, UNKNOWN};

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Whoever knows the service user signs in again at `/connect/{organization}`.
    SignIn,
    /// An administrator of the tenant.
    Administrator,
    /// Whoever runs the gateway: its configuration, or the app registration.
    Configuration,
    /// Nobody: it passes.
    Wait,
    /// Us: the gateway does something wrong.
    Defect,
}

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

/// What advice may name.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub app: &'a App,
    pub organization: Option<&'a str>,
}

/// The advice on a number, or where it is unknown on the OAuth error beside it.
pub fn advise(code: Option<u32>, error: &str, context: &Context<'_>) -> Advice {
    let authority = context.app.authority.url.as_str().trim_end_matches('/');
    let names = Names {
        authority,
        tenant: &context.app.authority.tenant_id,
        client: &context.app.client_id,
        organization: context.organization.unwrap_or("{organization}"),
    };
    if let Some(row) = code.and_then(by_number) {
        return names.advice(row);
    }
    let row = ERRORS.iter().find(|(known, _)| *known == error).map_or(&UNKNOWN, |(_, row)| row);
    let mut advice = names.advice(row);
    if let Some(code) = code {
        let page = format!("; what AADSTS{code} means stands at {authority}/error?code={code}");
        advice.action.push_str(&page);
    }
    advice
}

/// Every number that has advice of its own, with placeholders for what is not known here.
pub fn table() -> impl Iterator<Item = (u32, Advice)> {
    let names = Names {
        authority: "https://login.microsoftonline.com",
        tenant: "{tenant}",
        client: "{client_id}",
        organization: "{organization}",
    };
    NUMBERS.iter().map(move |(code, row)| (*code, names.advice(row)))
}

/// Whether the number has advice of its own.
pub(super) fn is_known(code: u32) -> bool {
    by_number(code).is_some()
}

fn by_number(code: u32) -> Option<&'static Row> {
    NUMBERS.iter().find(|(known, _)| *known == code).map(|(_, row)| row)
}

/// What stands for the placeholders of the rows.
struct Names<'a> {
    authority: &'a str,
    tenant: &'a str,
    client: &'a str,
    organization: &'a str,
}

impl Names<'_> {
    fn advice(&self, row: &Row) -> Advice {
        let (remedy, wrong, action) = row;
        Advice { remedy: *remedy, wrong: self.filled(wrong), action: self.filled(action) }
    }

    /// The consent page first: it is itself made of names.
    fn filled(&self, text: &str) -> String {
        text.replace("<consent>", "<authority>/<tenant>/adminconsent?client_id=<client>")
            .replace("<connect>", "/connect/<organization>")
            .replace("<authority>", self.authority)
            .replace("<tenant>", self.tenant)
            .replace("<client>", self.client)
            .replace("<organization>", self.organization)
    }
}
