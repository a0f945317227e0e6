//! Logs and metrics: one readable line per decision with fields that machines can query, and the
//! recorder behind `/metrics`.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::printable::{escaped, is_harmful};

/// Upper bounds of the buckets of histograms, in seconds: from a fast local answer to a run that
/// waited for its CI.
const BUCKETS_S: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Samples of histograms are gathered until then; more often where somebody reads the metrics.
const EMPTIED_EVERY: Duration = Duration::from_secs(5);

/// Sets up logging to standard error: text on a terminal, JSON otherwise. `AZDO_GATEWAY_LOG` sets
/// the filter, for example `info,azdo_gateway=debug`.
pub fn log() {
    let filter = EnvFilter::try_from_env("AZDO_GATEWAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let is_terminal = io::stderr().is_terminal();
    let writer = move || Escaping { out: io::stderr(), keeps_colours: is_terminal };
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second call, as in a test, fails and changes nothing.
    if is_terminal {
        drop(format.with_target(false).try_init());
    } else {
        drop(format.json().flatten_event(true).with_current_span(false).try_init());
    }
}

/// Writes each entry as one line, with escapes for what a terminal would obey. The formatter writes
/// an entry at once, and in JSON such characters are inside of texts only.
struct Escaping<W> {
    out: W,
    /// Leaves the escape character: the formatter colours with it, and escapes it in messages.
    keeps_colours: bool,
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let is_colour = |letter| self.keeps_colours && letter == '\x1b';
        let line = escaped(line, |letter| is_harmful(letter) && !is_colour(letter));
        self.out.write_all(format!("{line}{end}").as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The version of this program with its commit, where the program knows it.
static VERSION: OnceLock<&str> = OnceLock::new();

/// Says which version this program is, before the metrics are read first.
pub fn set_version(version: &'static str) {
    VERSION.get_or_init(|| version);
}

/// The metrics recorder of this process, installed on first use.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS_S)
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        // Fails where another recorder is installed already: `/metrics` then stays empty.
        drop(metrics::set_global_recorder(recorder));
        describe();
        begin();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Puts the samples of histograms into their buckets, again and again: they would take up memory
/// until somebody reads the metrics.
pub async fn empty_histograms() {
    let mut every = tokio::time::interval(EMPTIED_EVERY);
    loop {
        every.tick().await;
        metrics().run_upkeep();
    }
}

fn describe() {
    for (name, text) in COUNTERS {
        metrics::describe_counter!(name, text);
    }
    for (name, text) in GAUGES {
        metrics::describe_gauge!(name, text);
    }
    for (name, text) in HISTOGRAMS {
        metrics::describe_histogram!(name, text);
    }
}

/// Sets counters to 0 whose first increase has to be seen: Prometheus sees none where a series
/// begins with 1. Those of a CI, an organization or a worker begin where these are made.
fn begin() {
    let version = *VERSION.get_or_init(|| env!("CARGO_PKG_VERSION"));
    metrics::gauge!("azdo_gateway_build_info", "version" => version).set(1.0);
    metrics::gauge!("azdo_gateway_pats_alive").set(0.0);
    metrics::counter!("azdo_gateway_damaged_places_total").increment(0);
    metrics::counter!("azdo_gateway_pats_left_over_total").increment(0);
    for (name, label, values) in FROM_ZERO {
        for value in values {
            metrics::counter!(name, label => *value).increment(0);
        }
    }
}

/// Counters with one label and all of its values.
const FROM_ZERO: [(&str, &str, &[&str]); 4] = [
    ("azdo_gateway_deliveries_total", "result", &["stored", "already_there"]),
    (
        "azdo_gateway_deliveries_refused_total",
        "cause",
        &[
            "wrong_secret",
            "too_large",
            "busy",
            "memory",
            "store",
            "slow_body",
            "broken_body",
            "panic",
        ],
    ),
    (
        "azdo_gateway_decisions_total",
        "outcome",
        &["started", "ignored", "stale", "duplicate", "quarantined"],
    ),
    ("azdo_gateway_statuses_total", "outcome", &["posted", "unchanged", "refused", "later"]),
];

const COUNTERS: [(&str, &str); 19] = [
    ("azdo_gateway_deliveries_total", "Deliveries answered with 202"),
    ("azdo_gateway_deliveries_refused_total", "Deliveries refused, by cause"),
    ("azdo_gateway_damaged_places_total", "Places on disk where deliveries were damaged"),
    ("azdo_gateway_decisions_total", "Decisions, by outcome"),
    ("azdo_gateway_dispatches_total", "Attempts at starting a run, by answer"),
    ("azdo_gateway_ci_questions_total", "Questions to a CI about runs that it has, by answer"),
    ("azdo_gateway_reports_total", "Reports of runners, by whether they were applied"),
    ("azdo_gateway_runner_leases_total", "Leases of runners, by what becomes of them"),
    ("azdo_gateway_statuses_total", "Attempts at posting a status, by outcome"),
    ("azdo_gateway_ado_requests_total", "Calls to Azure DevOps, by outcome"),
    ("azdo_gateway_rows_deleted_total", "Rows deleted by retention"),
    ("azdo_gateway_panics_total", "Panics that were caught, by place"),
    ("azdo_gateway_audit_total", "Uses of the gateway's identities, by action and outcome"),
    ("azdo_gateway_pats_left_over_total", "Tokens found at Azure DevOps that no process held"),
    ("azdo_gateway_ado_pauses_total", "Pauses in calls to Azure DevOps, by cause"),
    ("azdo_gateway_subscription_changes_total", "Changes to hooks, by kind"),
    ("azdo_gateway_catch_up_found_total", "Missed events that catch-up found"),
    ("azdo_gateway_reconcile_requests_total", "Calls to Azure DevOps, by reconciler"),
    ("azdo_gateway_policy_changes_total", "Changes to policies, by kind and outcome"),
];

const HISTOGRAMS: [(&str, &str); 9] = [
    ("azdo_gateway_delivered_seconds", "Time from an event at Azure DevOps until its delivery"),
    ("azdo_gateway_accept_seconds", "Time from the head of a delivery until it is on disk"),
    ("azdo_gateway_decided_seconds", "Time from a delivery until it is decided"),
    ("azdo_gateway_started_seconds", "Time from planning a run until its CI has taken it"),
    ("azdo_gateway_status_seconds", "Time from the change of a run until its status is posted"),
    (
        "azdo_gateway_event_to_status_seconds",
        "Time from an event at Azure DevOps until the first status of its run is posted",
    ),
    ("azdo_gateway_ado_request_seconds", "Time that calls to Azure DevOps take, by operation"),
    ("azdo_gateway_ci_request_seconds", "Time that calls to a CI take"),
    ("azdo_gateway_commit_seconds", "Time that transactions of the store take"),
];

const GAUGES: [(&str, &str); 19] = [
    ("azdo_gateway_build_info", "1; which version this is"),
    ("azdo_gateway_runs", "Runs that have not ended, by CI and state"),
    ("azdo_gateway_problems", "1 while there is this problem or warning"),
    ("azdo_gateway_pats_alive", "Tokens that this process has minted and not yet revoked"),
    ("azdo_gateway_expires_timestamp_seconds", "When a credential ends, in seconds since 1970"),
    ("azdo_gateway_oldest_planned_seconds", "Age of the oldest run that waits for its CI"),
    ("azdo_gateway_store_waiting", "What waits in this process for the database, by queue"),
    ("azdo_gateway_linked", "1 while the service user is linked and its link works"),
    ("azdo_gateway_backlog", "Rows that wait to be processed, by stage"),
    ("azdo_gateway_oldest_undecided_seconds", "Age of the oldest delivery without a decision"),
    ("azdo_gateway_credential_accepted", "0 while the credential is refused"),
    ("azdo_gateway_store_writable", "1 while deliveries can be stored"),
    (
        "azdo_gateway_ado_rate_limit_remaining",
        "Remaining rate limit, as last reported by Azure DevOps",
    ),
    (
        "azdo_gateway_ado_rate_limit_share",
        "Remaining share of the rate limit, 0 to 1; NaN: unknown",
    ),
    ("azdo_gateway_subscriptions", "Hooks of the gateway, by state"),
    ("azdo_gateway_hook_last_delivery_age_seconds", "Time since the last delivery of each hook"),
    ("azdo_gateway_catch_up_requests", "Calls of the last complete catch-up pass"),
    ("azdo_gateway_catch_up_age_seconds", "Time since the repository read longest ago was read"),
    (
        "azdo_gateway_required_checks_without_policy",
        "Branches of required checks without a policy, or with one that differs",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn written(entry: &str, keeps_colours: bool) -> String {
        let mut out = Vec::new();
        Escaping { out: &mut out, keeps_colours }.write_all(entry.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_entry_of_the_log_is_one_line_without_control_characters() {
        let entry = "a\u{7f}\u{9b}\u{202e}\nforged\n";
        assert_eq!(written(entry, false), "a\\u007f\\u009b\\u202e\\nforged\n");
        assert_eq!(written("\x1b[2mINFO\x1b[0m a\n", true), "\x1b[2mINFO\x1b[0m a\n");
        assert_eq!(written("\x1b[2m\n", false), "\\u001b[2m\n");
    }
}
