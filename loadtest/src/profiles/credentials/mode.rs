//! The ways in which the gateway can come by a token. It must never know how fast they are.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use crate::fakes::{App, CLIENT_SECRET, PAT, SERVICE_USER};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Made by hand: the call alone, with which the others are compared.
    ByHand,
    /// One token, one call; minted before it is asked for.
    Ahead,
    /// One token, one call; minted when it is asked for.
    OnDemand,
    /// One token for many calls.
    Window,
}

impl fmt::Display for Mode {
    /// As the command line takes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        out.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Mode {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 4] = [Self::ByHand, Self::Ahead, Self::OnDemand, Self::Window];

    /// For the reader.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByHand => "made by hand",
            Self::Ahead => "single use, minted ahead",
            Self::OnDemand => "single use, on demand",
            Self::Window => "window",
        }
    }

    /// Whether somebody has to sign in first.
    pub(crate) fn is_linked(self) -> bool {
        self != Self::ByHand
    }

    /// Whether each token is good for one call.
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::Ahead | Self::OnDemand)
    }

    /// The keys of `[organization.credential]`.
    pub(crate) fn credential(self, app: &App, authority_url: &str) -> String {
        let keys = match self {
            Self::ByHand => {
                return "kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n".to_owned();
            }
            Self::Ahead => "pat_use = \"single\"\nmint_ahead = true\n",
            Self::OnDemand => "pat_use = \"single\"\nmint_ahead = false\n",
            Self::Window => "pat_use = \"window\"\n",
        };
        let App { tenant_id, client_id } = app;
        format!(
            "kind = \"service_user\"\ntenant_id = \"{tenant_id}\"\nclient_id = \"{client_id}\"\n\
             client_secret = {{ env = \"ENTRA_CLIENT_SECRET\" }}\n\
             authority_url = \"{authority_url}\"\nexpected_user = \"{SERVICE_USER}\"\n{keys}"
        )
    }

    /// The secrets that those keys name.
    pub(crate) fn environment(self) -> Vec<(&'static str, String)> {
        match self {
            Self::ByHand => vec![("AZDO_GATEWAY_PAT", PAT.to_owned())],
            _ => vec![("ENTRA_CLIENT_SECRET", CLIENT_SECRET.to_owned())],
        }
    }
}
