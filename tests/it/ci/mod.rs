//! The same stories for every kind of CI that has an API: each kind gives a row of `kinds`, and
//! each story is a test for each row that has what the story is about.

/// A CI that is not there.
mod absent;
/// What only Azure Pipelines has: the trial merge of a pull request.
mod azure_pipelines;
/// Callbacks of CIs.
mod callbacks;
/// Cancelling, from before the start until after the end.
mod cancelling;
/// Kind `http`, configured by the files in config/examples.
mod examples;
mod kinds;
/// A CI that cannot be asked.
mod listener;
/// Runs that are polled.
mod polling;
/// Starts: sure, in doubt, refused.
mod starting;
mod world;

/// A test for each row, of each story of a file.
macro_rules! table {
    ($file:ident: $($story:ident)*; for $rows:tt) => {
        $(mod $story {
            $crate::ci::rows! { $file $story $rows }
        })*
    };
}

/// A test for each row, of one story.
macro_rules! rows {
    ($file:ident $story:ident [$($test:ident: $rows:ident::$row:ident,)*]) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            $crate::ci::$file::$story(&$crate::ci::$rows::$row).await;
        })*
    };
}

pub(crate) use rows;

/// The stories of a file, for all rows.
macro_rules! for_each_kind {
    ($file:ident: $($story:ident)*) => {
        table! { $file: $($story)*; for [
            buildkite: kinds::BUILDKITE,
            teamcity_by_http: examples::TEAMCITY,
            airflow_by_http: examples::AIRFLOW,
            woodpecker_by_http: examples::WOODPECKER,
            tekton_by_http: examples::TEKTON,
            argo_by_http: examples::ARGO,
            prefect_by_http: examples::PREFECT,
            dbt_cloud: kinds::DBT_CLOUD,
            jenkins: kinds::JENKINS,
            github_actions: kinds::GITHUB_ACTIONS,
            gitlab: kinds::GITLAB,
            azure_pipelines: kinds::AZURE_PIPELINES,
        ] }
    };
}

for_each_kind! { starting:
    a_run_is_started_and_succeeds
    a_start_in_doubt_happens_once
    a_start_that_the_ci_refuses_ends_the_run
    a_start_that_is_answered_badly_is_told_plainly
    a_refused_token_is_told
    a_poisoned_link_is_neither_called_nor_shown
    a_rate_limit_is_obeyed
    a_quota_without_a_time_pauses_the_account_over_a_restart
    the_pace_of_calls_is_kept
    a_gateway_killed_during_a_start_does_not_start_twice
}

for_each_kind! { polling:
    each_result_is_shown
    what_is_no_answer_is_no_result
    a_run_that_the_ci_has_forgotten_does_not_stay_pending
    a_gateway_killed_during_a_run_goes_on_with_it
}

for_each_kind! { cancelling:
    a_run_is_cancelled_before_and_during_its_start
    an_operator_cancels_a_run
    an_answer_that_comes_late_changes_nothing
    a_cancel_that_comes_too_late_changes_nothing
    a_newer_commit_cancels_the_older_run
    a_closed_pull_request_cancels_its_run
    a_cancel_is_repeated
}

table! { callbacks:
    a_callback_is_a_hint
    a_callback_during_a_poll_is_not_lost
    a_callback_that_is_not_proved_is_refused
    a_callback_about_an_unknown_run_changes_nothing
; for [
    buildkite: kinds::BUILDKITE,
    teamcity_by_http: examples::TEAMCITY,
    dbt_cloud: kinds::DBT_CLOUD,
    github_actions: kinds::GITHUB_ACTIONS,
    gitlab: kinds::GITLAB,
] }
