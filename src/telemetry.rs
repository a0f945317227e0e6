//! Logs and metrics: one readable line per decision, with fields that machines can query. It must
//! never be given a secret.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Seconds. From a fast local answer to the longest attempt.
const BUCKETS_S: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Log lines for people on a terminal, JSON otherwise; `AZDO_GATEWAY_LOG` filters, as in
/// `info,azdo_gateway=debug`.
pub fn log() {
    let filter = EnvFilter::try_from_env("AZDO_GATEWAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in a test, changes nothing.
    if std::io::stderr().is_terminal() {
        drop(format.with_target(false).try_init());
    } else {
        drop(format.json().flatten_event(true).with_current_span(false).try_init());
    }
}

/// The recorder of this process, installed on first use.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS_S)
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder stays: then ours shows nothing, and nothing breaks.
        drop(metrics::set_global_recorder(recorder));
        describe();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("azdo_gateway_deliveries_total", "Deliveries answered with 202");
    describe_counter!("azdo_gateway_deliveries_refused_total", "Deliveries refused, by cause");
    describe_counter!("azdo_gateway_decisions_total", "Decisions, by outcome");
    describe_counter!("azdo_gateway_dispatches_total", "Attempts at starting a run, by answer");
    describe_counter!("azdo_gateway_reports_total", "Reports of runners, by whether they counted");
    describe_counter!("azdo_gateway_statuses_total", "Attempts at posting a status, by outcome");
    describe_counter!("azdo_gateway_ado_requests_total", "Calls to Azure DevOps, by outcome");
    describe_counter!("azdo_gateway_rows_deleted_total", "Rows deleted by retention");
    describe_counter!("azdo_gateway_panics_total", "Panics that were contained");
    describe_counter!("azdo_gateway_audit_total", "What was done with our identities, by outcome");
    describe_counter!("azdo_gateway_pats_left_over_total", "Tokens found that nobody held");
    describe_gauge!("azdo_gateway_linked", "1 while the service user's link works");
    describe_gauge!("azdo_gateway_backlog", "Rows that wait, by stage");
    describe_gauge!("azdo_gateway_oldest_undecided_seconds", "Age of the oldest in the inbox");
    describe_gauge!("azdo_gateway_credential_accepted", "0 while we are not let in");
    describe_gauge!("azdo_gateway_store_writable", "1 while deliveries can be stored");
    describe_gauge!("azdo_gateway_ado_rate_limit_remaining", "As last told by Azure DevOps");
    describe_gauge!("azdo_gateway_ado_rate_limit_share", "Of the limit, 0 to 1; NaN: not told");
    describe_counter!("azdo_gateway_ado_pauses_total", "Times Azure DevOps was spared, by cause");
    describe_gauge!("azdo_gateway_subscriptions", "Hooks of ours, by state");
    describe_counter!("azdo_gateway_subscription_changes_total", "Hooks changed, by kind");
    describe_gauge!("azdo_gateway_hook_last_delivery_age_seconds", "Since each hook last spoke");
    describe_counter!("azdo_gateway_catch_up_found_total", "Deliveries that no hook made");
    describe_gauge!("azdo_gateway_catch_up_requests", "Calls of the last whole pass");
    describe_gauge!("azdo_gateway_catch_up_age_seconds", "Of what was read longest ago");
    describe_counter!("azdo_gateway_upkeep_requests_total", "Calls of the upkeep, by reconciler");
    describe_counter!("azdo_gateway_policy_changes_total", "Policies changed, by kind, outcome");
    describe_gauge!(
        "azdo_gateway_required_checks_without_policy",
        "Policies that lack or differ from what a required check needs"
    );
    describe_histogram!("azdo_gateway_status_seconds", "From a change to its status posted");
}
