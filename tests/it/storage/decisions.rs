//! Decisions: stored whole or not at all, and only while the state that they are based on is
//! unchanged.

use azdo_gateway::domain::decision::{Decision, Outcome};
use azdo_gateway::domain::event::{Event, Repository};
use azdo_gateway::domain::run::State;
use azdo_gateway::storage::{Commit, DecisionCommit, Lease, RunFilter};

use super::{Bench, LEASE, at, claim, make};

/// Everything that a decision may store.
async fn traces(bench: &Bench) -> (usize, usize, bool, u64) {
    let page = azdo_gateway::storage::Page { limit: 100, before: None };
    let runs = bench.store.runs(RunFilter::default(), page).await.unwrap().items.len();
    let known = bench
        .store
        .known_pull_request(make::ORGANIZATION, &make::repository().id, 7)
        .await
        .unwrap();
    let backlog = bench.store.backlog().await.unwrap();
    (runs, bench.statuses().await.len(), known.value.remembered.is_some(), backlog.undecided)
}

#[tokio::test]
async fn a_decision_stores_everything_that_it_contains() {
    for bench in Bench::all().await {
        let leased = bench.delivered(1).await;
        let mut commit = make::decision(&leased, &[make::run(1, "lint", 'a')], &[]);
        commit.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
        commit.decision.refs = vec![make::remembered_ref("main", 'b')];
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let delivery = bench.store.delivery(leased.lease.id).await.unwrap().unwrap();
        assert_eq!((delivery.outcome, delivery.decided_at), (Outcome::Started, Some(at(1))));
        assert_eq!(delivery.event.as_deref(), Some(Event::PullRequestPushed.as_str()));
        assert_eq!(delivery.runs, [make::run(1, "lint", 'a').id]);
        let id = make::repository().id;
        let known = bench.store.known_pull_request(make::ORGANIZATION, &id, 7).await.unwrap();
        assert_eq!(known.revision, 1);
        assert_eq!(known.value.remembered, Some(make::remembered(7, "Add search", at(3))));
        assert_eq!(known.value.runs, [bench.run(make::run(1, "lint", 'a').id).await]);
        let names = ["refs/heads/none", "refs/heads/main"].map(str::to_owned).to_vec();
        let refs = bench.store.known_refs(make::ORGANIZATION, &id, names).await.unwrap();
        assert_eq!((refs[0].revision, &refs[0].value.remembered), (0, &None));
        let expected = Some(make::remembered_ref("main", 'b'));
        assert_eq!((refs[1].revision, &refs[1].value.remembered), (1, &expected));
    }
}

#[tokio::test]
async fn a_decision_under_an_old_lease_changes_nothing() {
    for bench in Bench::all().await {
        let stale = bench.delivered(1).await;
        let second = LEASE.as_secs().try_into().unwrap();
        let holder = bench.store.claim_deliveries(claim(second, 1)).await.unwrap().remove(0);
        let runs = [make::run(1, "lint", 'a')];
        let commit = make::decision(&stale, &runs, &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::LeaseLost);
        assert_eq!(traces(&bench).await, (0, 0, false, 1));
        let commit = make::decision(&holder, &runs, &[]);
        assert_eq!(bench.store.commit_decision(commit.clone()).await.unwrap(), Commit::Committed);
        // A decided delivery cannot be decided again, not even by the holder of its lease.
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::LeaseLost);
        assert_eq!(traces(&bench).await, (1, 1, false, 0));
    }
}

#[tokio::test]
async fn a_decision_on_changed_state_is_a_conflict_and_can_be_repeated() {
    for bench in Bench::all().await {
        let remember = |lease, revision| {
            let decision = Decision {
                pull_request: Some(make::remembered(7, "Add search", at(3))),
                refs: vec![make::remembered_ref("main", 'b')],
                planned: vec![make::run(u128::try_from(revision).unwrap(), "lint", 'a')],
                ..Decision::nothing(Outcome::Started, Event::PullRequestOpened, "")
            };
            DecisionCommit {
                lease,
                organization: make::ORGANIZATION.into(),
                decision,
                repository: None,
                former_name: None,
                about: Vec::new(),
                pull_request_revision: revision,
                ref_revisions: vec![("refs/heads/main".into(), revision)],
                now: at(1),
            }
        };
        let first = bench.delivered(1).await;
        let commit = remember(first.lease, 0);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let second = bench.delivered(2).await;
        let before = traces(&bench).await;
        for stale in [
            remember(second.lease, 0),
            remember(second.lease, 2),
            DecisionCommit { ref_revisions: vec![], ..remember(second.lease, 1) },
            DecisionCommit { pull_request_revision: 0, ..remember(second.lease, 1) },
        ] {
            assert_eq!(bench.store.commit_decision(stale).await.unwrap(), Commit::Conflict);
        }
        assert_eq!(traces(&bench).await, before);
        let again = bench.store.claim_deliveries(claim(60, 1)).await.unwrap().remove(0);
        let commit = remember(again.lease, 1);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    }
}

#[tokio::test]
async fn of_a_ref_that_a_decision_names_twice_the_last_one_is_remembered() {
    for bench in Bench::all().await {
        let leased = bench.delivered(1).await;
        let mut commit = make::decision(&leased, &[], &[]);
        commit.decision.refs = ['a', 'b'].map(|head| make::remembered_ref("main", head)).to_vec();
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let (id, names) = (make::repository().id, vec!["refs/heads/main".to_owned()]);
        let known = bench.store.known_refs(make::ORGANIZATION, &id, names).await.unwrap();
        assert_eq!(known[0].value.remembered, Some(make::remembered_ref("main", 'b')));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_decisions_that_remember_the_same_for_the_first_time_one_is_committed() {
    for bench in Bench::all().await {
        let mut commits = Vec::new();
        for number in 1..=8 {
            let leased = bench.delivered(number).await;
            let run = make::run(u128::try_from(number).unwrap(), "lint", 'a');
            let mut commit = make::decision(&leased, &[run], &[]);
            commit.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
            commit.decision.refs =
                ["main", "next"].map(|name| make::remembered_ref(name, 'b')).to_vec();
            let store = std::sync::Arc::clone(&bench.store);
            commits.push(tokio::spawn(async move { store.commit_decision(commit).await.unwrap() }));
        }
        let mut answers = Vec::new();
        for commit in commits {
            answers.push(commit.await.unwrap());
        }
        let committed = answers.iter().filter(|answer| **answer == Commit::Committed).count();
        let conflicts = answers.iter().filter(|answer| **answer == Commit::Conflict).count();
        assert_eq!((committed, conflicts), (1, 7));
        assert_eq!(traces(&bench).await, (1, 1, true, 7));
    }
}

#[tokio::test]
async fn a_decision_based_on_an_old_revision_does_not_end_a_run() {
    for bench in Bench::all().await {
        let old = bench.plan(1, &[make::run(1, "lint", 'a')]).await.remove(0);
        assert_eq!(bench.change(make::moved(&old, State::Succeeded, 2)).await, Commit::Committed);
        let leased = bench.delivered(2).await;
        let ended = [make::moved(&old, State::Superseded, 3)];
        let commit = make::decision(&leased, &[make::run(2, "lint", 'b')], &ended);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Conflict);
        assert_eq!(bench.run(old.id).await.state, State::Succeeded);
        let current = bench.run(old.id).await;
        let ended = [make::moved(&current, State::Superseded, 3)];
        let commit = make::decision(&leased, &[make::run(2, "lint", 'b')], &ended);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    }
}

#[tokio::test]
async fn a_decision_that_cannot_be_stored_whole_is_not_stored_in_part() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "lint", 'a')]).await;
        let leased = bench.delivered(2).await;
        let before = traces(&bench).await;
        let same_id_twice = [make::run(2, "lint", 'b'), make::run(1, "lint", 'a')];
        let begun =
            [make::run(3, "lint", 'b'), make::moved(&make::run(4, "x", 'b'), State::Running, 1)];
        for impossible in [&same_id_twice, &begun] {
            let mut commit = make::decision(&leased, impossible, &[]);
            commit.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
            assert!(bench.store.commit_decision(commit).await.is_err());
            assert_eq!(traces(&bench).await, before);
        }
        let commit = make::decision(&leased, &[make::run(2, "lint", 'b')], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    }
}

#[tokio::test]
async fn former_names_of_a_repository_are_stored() {
    for bench in Bench::all().await {
        let named = |name: &str| Repository { name: name.into(), ..make::repository() };
        let names = [("web", None), ("store", None), ("shop", Some("Fabrikam/store"))];
        for (number, (name, former)) in (1..).zip(names) {
            let leased = bench.delivered(number).await;
            let mut commit = make::decision(&leased, &[], &[]);
            commit.repository = Some(named(name));
            commit.former_name = former.map(str::to_owned);
            assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        }
        let former =
            async |name| bench.store.former_names(make::ORGANIZATION, &named(name)).await.unwrap();
        assert_eq!(former("shop").await, ["Fabrikam/web", "Fabrikam/store"]);
        assert_eq!(former("next").await, ["Fabrikam/web", "Fabrikam/store", "Fabrikam/shop"]);
        let other = bench.store.former_names("contoso", &named("shop")).await.unwrap();
        assert!(other.is_empty());
    }
}

#[tokio::test]
async fn a_lease_that_was_never_given_is_lost() {
    for bench in Bench::all().await {
        let mut leased = bench.delivered(1).await;
        leased.lease = Lease { number: leased.lease.number + 1, ..leased.lease };
        let commit = make::decision(&leased, &[], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::LeaseLost);
    }
}
