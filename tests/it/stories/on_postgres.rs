//! The stories that run on PostgreSQL as well, with two replicas behind a load balancer: the one
//! list of them, a third of all. Of each promise those in which replicas meet: what one has done
//! the other has to know. The others depend on SQLite's files, count what one process has in
//! memory, or are about parts that do not know the engine.

use crate::harness::on_postgres;

/// For each file of stories the reason, and the stories.
macro_rules! on_postgres {
    ($($(#[$reason:meta])+ $file:ident { $($story:ident),+ $(,)? })+) => {
        $(
            $(#[$reason])+
            mod $file {
                $(
                    #[test]
                    fn $story() {
                        super::on_postgres(super::super::$file::$story);
                    }
                )+
            }
        )+
    };
}

on_postgres! {
    /// What one replica has accepted the other knows: a secret, and which notification it has seen.
    accepting {
        a_wrong_secret_gets_401_and_an_empty_body,
        the_same_notification_twice_is_one_delivery,
    }
    /// Pushes: several runs of one delivery, several deliveries of one branch, and an end.
    branches_and_tags {
        deleting_a_branch_cancels_its_run,
        one_push_of_three_branches_starts_three_runs,
        each_of_several_quick_pushes_to_a_branch_starts_a_run,
    }
    /// One replica hears of the end of a build, and whichever follows the run asks about it.
    build_hints {
        the_end_of_a_build_is_noticed_long_before_it_would_be_polled,
        a_forged_end_of_a_build_changes_nothing,
    }
    /// Scans: one replica at a time, watermarks in the store, nothing twice.
    catch_up {
        without_hooks_catch_up_finds_pull_requests_and_pushes,
        events_while_the_gateway_was_stopped_run_after_its_start,
        an_event_found_by_a_hook_and_by_catch_up_runs_once,
        failures_of_azure_devops_during_catch_up_lose_and_repeat_nothing,
    }
    /// Who watches one replica learns what the other has changed.
    changes {
        a_watcher_learns_of_each_delivery_run_and_status,
    }
    /// A comment is acted on once, whichever replica hears of it; approvals are part of what is
    /// known of a pull request, and answers of what waits to be posted.
    commanding {
        a_comment_repeats_a_failed_check_once_and_its_status_says_who_asked,
        strangers_and_the_gateway_itself_are_not_obeyed,
        a_cancelled_run_names_who_cancelled_it,
        answers_are_posted_once_in_the_thread_of_the_comment,
        a_fork_waits_for_its_approval_and_a_push_for_another_one,
    }
    /// What a decision knows of earlier events: labels, and names of repositories.
    check_matching {
        deliveries_are_found_by_what_they_are_about_also_those_that_started_nothing,
        a_check_with_labels_starts_when_the_pull_request_gets_one,
        a_check_applies_to_its_repository_after_a_rename,
    }
    /// Repeated and late deliveries that come to different replicas.
    event_sources {
        a_delivery_that_azure_devops_repeats_starts_one_run,
        deliveries_that_are_late_and_out_of_order_start_each_check_once,
    }
    /// Statuses of others share the slots of runs.
    foreign {
        a_status_is_posted_on_the_iteration_of_its_commit,
        a_run_of_the_gateway_replaces_the_status_of_its_context,
    }
    /// Passes that end early, whichever replica runs the next one.
    healing {
        a_pass_that_cannot_read_everything_creates_nothing,
        a_hook_deleted_by_hand_during_a_rotation_is_created_again,
    }
    /// What a hook may say is checked by the replica that decides.
    hook_scopes {
        a_repository_that_azure_devops_lists_elsewhere_is_not_believed,
        numbers_that_another_hook_used_up_do_not_make_a_delivery_a_duplicate,
    }
    /// Secrets that one replica makes and retires, and the others accept and refuse.
    hook_secret_rotation {
        rotating_hook_secrets_under_load_refuses_no_delivery_and_loses_none,
        every_replica_refuses_a_secret_that_one_has_retired,
    }
    /// Hooks: made once, healed, changed, removed, and planned by any replica.
    hooking {
        the_hooks_that_the_checks_need_are_created_and_deliver,
        removed_hooks_are_created_again_when_somebody_asks,
        a_rotation_changes_every_secret_and_refuses_nothing,
    }
    /// Every stage once, each by whichever replica is first.
    lifecycle {
        opening_a_pull_request_starts_a_run_and_shows_its_result,
        a_status_is_pending_from_the_start_until_the_final_report,
        ten_pull_requests_at_once_all_show_their_result,
    }
    /// Sign-ins that begin at one replica and end at the other.
    linking {
        an_operator_links_the_service_user_and_sees_who_it_is,
        hooks_are_created_as_soon_as_an_account_is_linked,
        a_one_time_link_works_once_and_for_its_organization,
        a_sign_in_can_only_be_completed_in_the_browser_that_started_it,
        a_redirect_that_is_replayed_is_refused,
        statuses_wait_until_a_user_is_linked,
        unlinking_revokes_all_pats_and_statuses_wait_for_the_next_link,
    }
    /// Bytes that are no text are stored as they came.
    malformed_deliveries {
        a_body_that_is_no_json_object_is_quarantined,
    }
    /// Tokens of each replica: used once, recorded, and revoked.
    minting {
        every_call_has_a_pat_of_its_own_whose_name_says_what_it_is_for,
        the_audit_log_has_the_mint_use_and_revocation_of_a_pat,
        a_policy_that_forbids_pats_is_named_and_statuses_wait,
        a_pat_whose_mint_answer_was_lost_is_found_and_revoked,
        a_failed_revocation_is_repeated,
        a_burst_of_statuses_takes_one_pat_each,
        in_steady_traffic_pats_are_minted_ahead_and_the_unused_ones_are_revoked,
    }
    /// Any replica lists what all have done.
    operators {
        each_role_may_make_its_calls,
        a_long_list_has_pages,
        lists_can_be_filtered,
        a_delivery_is_shown_with_its_body_and_its_runs,
        what_people_do_is_in_the_audit_log_with_who_did_it,
    }
    /// Required checks, from the policy to the merge.
    policies {
        a_required_check_is_satisfied_and_reset_by_the_next_push,
    }
    /// The order of the statuses of one slot, and posts without an answer.
    publishing {
        a_status_that_changes_nothing_is_not_posted,
        of_the_statuses_that_wait_for_a_slow_post_only_the_newest_is_posted,
        a_post_without_an_answer_is_looked_up_and_not_repeated_if_it_was_applied,
        the_checks_of_one_push_look_its_iteration_up_once,
        a_status_of_a_commit_is_shown_on_its_pull_request,
    }
    /// Events of one pull request, decided in their order.
    pull_requests {
        publishing_a_draft_starts_its_check_once,
        retargeting_to_a_matching_branch_starts_a_run_and_away_from_it_cancels_the_run,
        abandoning_a_pull_request_cancels_its_run_and_reactivating_starts_another,
        completing_a_pull_request_starts_a_run_on_the_merge_commit,
    }
    /// One renewal for all replicas, and a token that outlives them.
    renewing {
        concurrent_calls_renew_the_token_once,
        a_short_lived_token_is_renewed_before_it_expires,
        after_a_restart_the_stored_access_token_is_used,
    }
    /// A replay that one replica takes and the other decides.
    replaying {
        replaying_a_pull_request_starts_a_run_only_where_none_has_a_verdict,
        replaying_a_push_starts_a_run_only_where_none_has_a_verdict,
        replaying_starts_a_check_that_was_added_after_the_delivery,
    }
    /// Reports on one run that come to different replicas.
    reporting {
        a_report_token_is_accepted_for_its_own_run_only,
        a_reporter_may_report_on_any_run_and_a_viewer_on_none,
        reports_after_the_final_one_are_answered_200_and_not_applied,
        concurrent_reports_on_one_run_are_all_answered_200,
    }
    /// Policies: made once, repaired and removed by whichever replica is first.
    requiring {
        merging_waits_for_a_required_check,
        a_policy_that_drifted_is_repaired_and_a_deleted_one_is_created_again,
        without_required_checks_policies_are_removed_and_no_call_is_made,
        no_policy_is_created_twice_when_answers_are_lost,
        an_open_pull_request_is_decided_again_when_a_check_becomes_required,
    }
    /// Secrets of the configuration that change with a restart.
    rotating {
        hooks_with_passwords_of_the_previous_root_key_still_deliver,
        while_a_ci_secret_is_replaced_a_ci_with_either_secret_is_started,
    }
    /// A lease that one replica gives, and another renews, takes back and ends.
    runners {
        a_runner_that_waits_gets_the_run_and_reports_how_it_ends,
        runners_that_died_while_they_waited_get_no_run,
        a_runner_without_the_labels_gets_nothing_and_the_status_says_what_is_missing,
        a_run_whose_runner_is_lost_goes_to_another_one_and_ends_the_second_time,
        a_run_that_is_given_back_goes_to_the_next_runner_and_is_no_loss,
        the_heartbeat_of_a_run_that_is_over_says_so_and_why,
        runners_are_shared_fairly_between_checks_in_the_order_of_planning,
        many_runners_that_ask_at_once_get_one_run_each_and_nobody_gets_two,
        a_run_that_no_runner_takes_is_timed_out_and_the_status_says_so,
    }
    /// Time-outs, cancellations and runs that are started again.
    run_endings {
        a_run_without_a_final_report_is_timed_out_and_the_status_says_so,
        a_run_that_its_ci_never_accepts_is_timed_out_and_the_status_says_so,
        a_report_on_a_cancelled_run_is_answered_that_the_run_is_cancelled,
        a_planned_run_can_be_cancelled_and_is_never_started,
        rerunning_a_failed_run_starts_a_new_run,
        rerunning_a_live_run_supersedes_it,
    }
    /// One trigger for each run, and the limit of runs at a time.
    starting_runs {
        a_ci_that_is_unavailable_is_asked_again_with_the_same_key,
        a_trigger_whose_answer_is_lost_starts_one_run,
        a_report_is_applied_that_arrives_before_the_answer_to_the_trigger,
        with_concurrency_1_a_run_starts_when_the_one_before_has_ended,
        with_concurrency_1_a_ci_has_one_run_of_all_checks,
    }
    /// Statuses of one pull request that different replicas post.
    summaries {
        the_summary_is_pending_until_every_check_is_green,
    }
    /// The order within one pull request, whichever replica decides.
    superseding {
        a_newer_commit_supersedes_the_run_of_the_older,
        a_force_push_back_to_the_first_commit_runs_it_again_on_the_newest_iteration,
        without_supersede_the_newest_run_of_a_commit_owns_its_status,
        after_many_pushes_in_a_row_the_last_one_has_succeeded_and_no_run_is_live,
    }
    /// Calls that fail are repeated, and no status is lost.
    throttling {
        a_rate_limited_call_is_repeated_after_its_retry_after,
        runs_are_started_while_azure_devops_limits_the_rate,
        statuses_wait_while_the_token_is_refused,
    }
}
