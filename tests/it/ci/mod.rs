//! The same stories for every kind of CI that has an API: each kind gives a row of `kinds`, and
//! each story is a test for each row.

/// Kind `http`, configured by the files in config/examples.
mod examples;
mod kinds;
/// A CI that cannot be asked.
mod listener;
mod stories;
mod world;

/// A test for each kind, of one story.
macro_rules! for_each_kind {
    ($($story:ident)*) => {
        $(mod $story {
            use crate::ci::{examples, kinds, stories};

            #[tokio::test(flavor = "multi_thread")]
            async fn buildkite() {
                stories::$story(&kinds::BUILDKITE).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn teamcity_by_http() {
                stories::$story(&examples::TEAMCITY).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn airflow_by_http() {
                stories::$story(&examples::AIRFLOW).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn woodpecker_by_http() {
                stories::$story(&examples::WOODPECKER).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn tekton_by_http() {
                stories::$story(&examples::TEKTON).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn argo_by_http() {
                stories::$story(&examples::ARGO).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn prefect_by_http() {
                stories::$story(&examples::PREFECT).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn dbt_cloud() {
                stories::$story(&kinds::DBT_CLOUD).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn jenkins() {
                stories::$story(&kinds::JENKINS).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn github_actions() {
                stories::$story(&kinds::GITHUB_ACTIONS).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn gitlab() {
                stories::$story(&kinds::GITLAB).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn azure_pipelines() {
                stories::$story(&kinds::AZURE_PIPELINES).await;
            }
        })*
    };
}

for_each_kind! {
    a_run_is_started_and_succeeds
    each_result_is_shown
    a_start_whose_answer_is_lost_is_found
    a_start_that_did_not_arrive_is_repeated
    a_refused_token_is_told
    a_newer_commit_cancels_the_older_run
    an_operator_cancels_a_run
    a_cancel_that_comes_too_late_changes_nothing
    a_closed_pull_request_cancels_its_run
    a_cancel_is_repeated
    a_callback_is_a_hint
    a_callback_that_is_not_proved_is_refused
    a_rate_limit_is_obeyed
    a_page_in_place_of_an_answer_is_no_result
    a_gateway_killed_during_a_start_does_not_start_twice
    a_gateway_killed_during_a_run_goes_on_with_it
}
