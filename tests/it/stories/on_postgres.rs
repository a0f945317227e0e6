//! The stories that hold on PostgreSQL as well, with two replicas behind a load balancer: the one
//! list of them. The others depend on SQLite's files, on one process, or on parts that do not know
//! the engine.

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
    /// Every stage once, each by whichever replica is first.
    lifecycle {
        opening_a_pull_request_starts_a_run_and_shows_its_result,
        ten_pull_requests_at_once_all_show_their_result,
    }
    /// The order within one pull request, whichever replica decides.
    superseding {
        a_newer_commit_supersedes_the_run_of_the_older,
    }
}
