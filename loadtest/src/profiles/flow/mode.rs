//! The ways in which the gateway gets a token for a call to Azure DevOps.

use std::fmt;

use clap::ValueEnum;

use crate::fakes::{App, CLIENT_SECRET, PAT, SERVICE_USER};
use crate::verdict::Limit;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// A PAT made by hand: no call but the one that needs it.
    ByHand,
    /// One token for one call, minted ahead.
    Ahead,
    /// One token for one call, minted on demand.
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
    /// Whether somebody has to sign in first.
    pub(super) fn is_linked(self) -> bool {
        self != Self::ByHand
    }

    /// Whether each token is good for one call.
    pub(super) fn is_single_use(self) -> bool {
        matches!(self, Self::Ahead | Self::OnDemand)
    }

    /// The keys of `[organization.credential]`, and the secret that they name.
    pub(super) fn credential(self, app: &App, url: &str) -> (String, (&'static str, String)) {
        let keys = match self {
            Self::ByHand => {
                let keys = "kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n";
                return (keys.to_owned(), ("AZDO_GATEWAY_PAT", PAT.to_owned()));
            }
            Self::Ahead => "pat_use = \"single\"\nmint_ahead = true\n",
            Self::OnDemand => "pat_use = \"single\"\nmint_ahead = false\n",
            Self::Window => "pat_use = \"window\"\n",
        };
        let App { tenant_id, client_id } = app;
        let keys = format!(
            "kind = \"service_user\"\ntenant_id = \"{tenant_id}\"\nclient_id = \"{client_id}\"\n\
             client_secret = {{ env = \"ENTRA_CLIENT_SECRET\" }}\n\
             authority_url = \"{url}\"\nexpected_user = \"{SERVICE_USER}\"\n{keys}"
        );
        (keys, ("ENTRA_CLIENT_SECRET", CLIENT_SECRET.to_owned()))
    }

    /// The budget of flows per second, as a ratio to the bare handler.
    pub(super) fn ratio_to_bare(self) -> Limit {
        match self {
            Self::ByHand => Limit::AtLeast(0.012),
            Self::Ahead => Limit::AtLeast(0.006),
            _ => Limit::None,
        }
    }

    /// The budget of requests to Azure DevOps for each status.
    pub(super) fn requests_per_status(self) -> Limit {
        if self.is_single_use() { Limit::AtMost(3.0) } else { Limit::None }
    }

    /// The budget of the time until a status is shown, as a ratio to the call alone. Minting on
    /// demand takes a call more, and there is no budget for it.
    pub(super) fn ratio_to_call(self) -> Limit {
        if self == Self::Ahead { Limit::AtMost(1.2) } else { Limit::None }
    }
}
