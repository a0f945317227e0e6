//! Tickets and sign-ins: each is used once, for its organization or browser, before it expires; a
//! flood of them does not fill the disk.

use std::sync::Arc;

use azdo_gateway::storage::Ticket;

use super::make::{ORGANIZATION, digest, login};
use super::{Bench, at};

fn ticket(number: u32, until: i64) -> Ticket {
    let (organization, actor) = (ORGANIZATION.into(), "ops".into());
    Ticket { digest: digest(number), organization, actor, expires_at: at(until) }
}

async fn take(bench: &Bench, number: u32, organization: &str, second: i64) -> bool {
    bench.store.take_ticket(digest(number), organization, at(second)).await.unwrap()
        == Some("ops".into())
}

#[tokio::test]
async fn a_ticket_works_once_for_its_organization() {
    for bench in Bench::all().await {
        bench.store.issue_ticket(ticket(1, 60)).await.unwrap();
        assert!(!take(&bench, 2, ORGANIZATION, 0).await, "there is no such ticket");
        assert!(!take(&bench, 1, "contoso", 0).await);
        assert!(
            take(&bench, 1, "Fabrikam", 0).await,
            "a use for another organization does not use it up"
        );
        assert!(!take(&bench, 1, ORGANIZATION, 0).await);
    }
}

#[tokio::test]
async fn tickets_and_sign_ins_are_known_until_they_are_used() {
    for bench in Bench::all().await {
        let is_known = async |number| bench.store.is_known(digest(number)).await.unwrap();
        assert!(!is_known(1).await);
        bench.store.issue_ticket(ticket(1, 60)).await.unwrap();
        bench.store.begin_login(login(2, 5, 60), at(0)).await.unwrap();
        assert!(
            is_known(1).await && is_known(2).await && is_known(1).await,
            "a look changes nothing"
        );
        assert!(!is_known(5).await, "a browser alone is no sign-in");
        assert!(take(&bench, 1, ORGANIZATION, 0).await);
        assert!(bench.store.take_login(digest(2), digest(5), at(0)).await.unwrap().is_some());
        assert!(!is_known(1).await && !is_known(2).await);
    }
}

#[tokio::test]
async fn an_expired_ticket_is_refused() {
    for bench in Bench::all().await {
        bench.store.issue_ticket(ticket(1, 60)).await.unwrap();
        bench.store.issue_ticket(ticket(2, 60)).await.unwrap();
        assert!(take(&bench, 1, ORGANIZATION, 59).await);
        assert!(!take(&bench, 2, ORGANIZATION, 60).await);
        assert!(!take(&bench, 2, ORGANIZATION, 0).await, "it has expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_of_one_ticket_one_succeeds() {
    for bench in Bench::all().await {
        bench.store.issue_ticket(ticket(1, 60)).await.unwrap();
        let takes = (0..8).map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { store.take_ticket(digest(1), ORGANIZATION, at(0)).await })
        });
        let taken = futures_util::future::join_all(takes.collect::<Vec<_>>()).await;
        let count =
            taken.into_iter().filter(|one| one.as_ref().unwrap().as_ref().unwrap().is_some());
        assert_eq!(count.count(), 1);
    }
}

#[tokio::test]
async fn a_sign_in_ends_once_in_the_browser_that_began_it() {
    for bench in Bench::all().await {
        let begun = login(1, 5, 60);
        bench.store.begin_login(begun.clone(), at(0)).await.unwrap();
        let take = |state, browser| bench.store.take_login(digest(state), digest(browser), at(1));
        assert_eq!(take(1, 6).await.unwrap(), None, "another browser");
        assert_eq!(take(2, 5).await.unwrap(), None, "another sign-in");
        assert_eq!(take(1, 5).await.unwrap(), Some(begun), "the other attempts do not use it up");
        assert_eq!(take(1, 5).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_ends_of_one_sign_in_one_succeeds() {
    for bench in Bench::all().await {
        bench.store.begin_login(login(1, 5, 60), at(0)).await.unwrap();
        let takes = (0..8).map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { store.take_login(digest(1), digest(5), at(0)).await })
        });
        let taken = futures_util::future::join_all(takes.collect::<Vec<_>>()).await;
        let count =
            taken.into_iter().filter(|one| one.as_ref().unwrap().as_ref().unwrap().is_some());
        assert_eq!(count.count(), 1);
    }
}

#[tokio::test]
async fn an_expired_sign_in_is_deleted() {
    for bench in Bench::all().await {
        bench.store.begin_login(login(1, 5, 60), at(0)).await.unwrap();
        bench.store.begin_login(login(2, 5, 60), at(0)).await.unwrap();
        assert_eq!(bench.store.take_login(digest(1), digest(5), at(60)).await.unwrap(), None);
        bench.store.begin_login(login(3, 5, 120), at(61)).await.unwrap();
        assert_eq!(bench.store.take_login(digest(2), digest(5), at(0)).await.unwrap(), None);
        assert!(bench.store.take_login(digest(3), digest(5), at(62)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_flood_of_sign_ins_deletes_those_that_expire_first() {
    for bench in Bench::all().await {
        for number in 0..1_010 {
            let until = 60 + i64::from(number);
            bench.store.issue_ticket(ticket(number, until)).await.unwrap();
            bench.store.begin_login(login(number, 5, until), at(0)).await.unwrap();
        }
        for number in 0..1_010 {
            let is_kept = number >= 10;
            assert_eq!(take(&bench, number, ORGANIZATION, 0).await, is_kept, "{number}");
            let taken = bench.store.take_login(digest(number), digest(5), at(0)).await.unwrap();
            assert_eq!(taken.is_some(), is_kept, "{number}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_survives_a_restart() {
    for bench in Bench::all().await {
        bench.store.issue_ticket(ticket(1, 60)).await.unwrap();
        bench.store.begin_login(login(1, 5, 60), at(0)).await.unwrap();
        let bench = bench.reopened().await;
        assert!(take(&bench, 1, ORGANIZATION, 1).await);
        let taken = bench.store.take_login(digest(1), digest(5), at(1)).await.unwrap();
        assert_eq!(taken, Some(login(1, 5, 60)));
    }
}

#[tokio::test]
async fn an_ended_session_is_known_until_its_time_is_over() {
    for bench in Bench::all().await {
        let end = async |id: &str, until, now| {
            bench.store.end_session(id.into(), at(until), at(now)).await.unwrap();
        };
        end("a", 100, 0).await;
        end("b", 200, 0).await;
        end("a", 100, 1).await;
        let bench = bench.reopened().await;
        let ended = async |now| bench.store.ended_sessions(at(now)).await.unwrap();
        assert_eq!(ended(1).await, [("a".to_owned(), at(100)), ("b".to_owned(), at(200))]);
        assert_eq!(ended(100).await, [("b".to_owned(), at(200))]);
        bench.store.end_session("c".into(), at(900), at(500)).await.unwrap();
        assert_eq!(ended(0).await, [("c".to_owned(), at(900))], "the others were deleted");
    }
}
