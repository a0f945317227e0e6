//! One mode for one round: a gateway and neighbours of its own, started, linked, warmed up, loaded
//! and stopped. It must never compare modes.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::accounts::{self, Requests, Tokens};
use super::linking::link;
use super::mode::Mode;
use super::place::Place;
use super::posting::{Posting, Took};
use crate::children::{Server, free_address};
use crate::fakes::{Fakes, ORGANIZATION};
use crate::gateway::{Gateway, Setting};
use crate::tally::as_float;

const STOP_MAX: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(300);
/// So often it is looked whether it is quiet.
const LOOKS_MAX: usize = 20;

/// How a mode is loaded.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) burst: u32,
    pub(crate) seconds: u64,
    pub(crate) warm_up_seconds: u64,
    pub(crate) delay_ms: u64,
    pub(crate) pull_request: bool,
}

/// The programs.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) gateway: std::path::PathBuf,
    pub(super) fakes: std::path::PathBuf,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) mode: Mode,
    /// While it was loaded; what came before is not counted.
    pub(crate) statuses: u64,
    pub(crate) latency: Took,
    pub(crate) requests: Requests,
    /// From the start to the end of the process.
    pub(crate) tokens: Tokens,
    /// Access tokens that Entra gave out.
    pub(crate) signed_in: u64,
    /// What must not be; empty if everything is as it should be.
    pub(crate) problems: Vec<String>,
}

impl Turn {
    pub(crate) fn per_status(&self, count: u64) -> f64 {
        as_float(count) / as_float(self.statuses.max(1))
    }
}

/// Measures one mode in `folder`.
pub(super) async fn measure(
    mode: Mode,
    load: &Load,
    programs: &Programs,
    folder: &Path,
) -> anyhow::Result<Turn> {
    let address = free_address()?;
    let delay = Duration::from_millis(load.delay_ms);
    let fakes = Fakes::start(&programs.fakes, folder, address, delay).await?;
    accounts::expect_single_use(&fakes, mode.is_single()).await?;
    let setting = Setting {
        address,
        organization: ORGANIZATION,
        azure_devops_url: format!("{}/{ORGANIZATION}", fakes.url()),
        credential: mode.credential(&fakes.app().await?, &fakes.url()),
        more: String::new(),
        environment: mode.environment(),
    };
    let gateway = Gateway::prepare(&programs.gateway, folder, setting)?;
    let mut server = gateway.serve(false)?;
    let loaded = loaded(mode, load, &fakes, &mut server).await.with_context(|| {
        let log = std::fs::read_to_string(gateway.log()).unwrap_or_default();
        let last = log.trim_end().lines().next_back().unwrap_or("nothing");
        format!("{} ended early; the gateway said last: {last}", mode.name())
    })?;
    let ended = server.stop(STOP_MAX).await?;
    let mut turn = Turn { tokens: accounts::tokens(&fakes).await?, ..loaded };
    if !ended.success() {
        turn.problems.push(format!("the gateway ended with {ended} after SIGTERM"));
    }
    if turn.tokens.left_over > 0 {
        turn.problems.push(format!("{} tokens were left over", turn.tokens.left_over));
    }
    turn.problems.extend(turn.tokens.violations.iter().take(3).cloned());
    Ok(turn)
}

/// Everything but the end.
async fn loaded(
    mode: Mode,
    load: &Load,
    fakes: &Fakes,
    server: &mut Server,
) -> anyhow::Result<Turn> {
    server.wait_until_alive().await?;
    if mode.is_linked() {
        link(server.address, ORGANIZATION).await?;
    }
    let place = Place::new(fakes, load.pull_request).await?;
    let mut posting = Posting::start(server.address, &place, load).await?;
    let warm_up = posting.load(Duration::from_secs(load.warm_up_seconds)).await?;
    let mut problems = posting.settle().await?;
    let begun = quiet(fakes).await?;
    let sent = posting.load(Duration::from_secs(load.seconds)).await?;
    problems.extend(posting.settle().await?);
    quiet(fakes).await?;
    let shown = place.shown(fakes).await?;
    if shown != warm_up.len() + sent.len() {
        let all = warm_up.len() + sent.len();
        problems.push(format!("{all} statuses were accepted, Azure DevOps was told {shown}"));
    }
    let entra = fakes.control.get("/_fake/entra").await?;
    let count = |key| entra.get(key).and_then(Value::as_u64).unwrap_or_default();
    Ok(Turn {
        mode,
        statuses: sent.len() as u64,
        latency: posting.took(&sent).await?,
        requests: accounts::requests_since(fakes, begun).await?,
        tokens: Tokens::default(),
        signed_in: count("codes_redeemed") + count("refreshed"),
        problems,
    })
}

/// Waits until nobody asks Azure DevOps for anything, and says how much was asked so far.
async fn quiet(fakes: &Fakes) -> anyhow::Result<u64> {
    let mut before = accounts::seen(fakes).await?;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(QUIET).await;
        let now = accounts::seen(fakes).await?;
        if now == before {
            break;
        }
        before = now;
    }
    Ok(before)
}
