//! Watched repositories: since when, their names, how far they were read, and what is known of
//! them.

use azdo_gateway::domain::decision::{Outcome, Remembered, RememberedRef, Source};
use azdo_gateway::domain::event::Repository;
use azdo_gateway::domain::pull_request::{PullRequest, Status};
use azdo_gateway::domain::subscription::KnownProject;
use azdo_gateway::storage::{CatchUpDelivery, Commit, Error, WatchRow, Watermark};
use rusqlite::Connection;

use super::make::{ORGANIZATION, found, remembered, remembered_ref, repository};
use super::{Bench, Engine, at, claim, make};

impl Bench {
    async fn watched(&self, repositories: &[Repository], second: i64) -> Vec<WatchRow> {
        self.store.watch(ORGANIZATION, repositories.to_vec(), at(second)).await.unwrap()
    }

    async fn known_project(&self, repository: &Repository) -> KnownProject {
        self.store.known_project(ORGANIZATION, repository).await.unwrap()
    }

    async fn since(&self, organization: &str, repository: &str) -> Option<i64> {
        let since = self.store.watched_since(organization, repository).await.unwrap();
        since.map(|since| since.since(at(0)).as_secs().try_into().unwrap())
    }
}

/// The repository of that number under that name.
fn named(number: u8, name: &str) -> Repository {
    Repository { id: format!("repository-{number}"), name: name.into(), ..repository() }
}

fn row(repository: Repository, since: i64, read_until: Option<i64>, former: &[&str]) -> WatchRow {
    let former_names = former.iter().map(|name| (*name).to_owned()).collect();
    WatchRow { repository, since: at(since), read_until: read_until.map(at), former_names }
}

fn read(number: u8, second: i64) -> Watermark {
    let (organization, repository) = (ORGANIZATION.into(), format!("repository-{number}"));
    Watermark { organization, repository, read_until: at(second) }
}

#[tokio::test]
async fn a_repository_keeps_the_time_since_which_it_is_watched() {
    for bench in Bench::all().await {
        assert_eq!(bench.since(ORGANIZATION, "repository-1").await, None);
        let (web, api) = (named(1, "web"), named(2, "api"));
        let rows = bench.watched(std::slice::from_ref(&web), 10).await;
        assert_eq!(rows, [row(web.clone(), 10, None, &[])]);
        let bench = bench.reopened().await;
        let rows = bench.watched(&[api.clone(), web.clone()], 20).await;
        let expected = [row(api.clone(), 20, None, &[]), row(web.clone(), 10, None, &[])];
        assert_eq!(rows, expected, "in the order asked for");
        // Neither a clock that was set back nor a pass without the repository changes it.
        bench.watched(std::slice::from_ref(&web), 5).await;
        bench.watched(&[], 30).await;
        assert_eq!(bench.watched(&[api, web], 40).await, expected);
        assert_eq!(bench.since("Fabrikam", "repository-1").await, Some(10));
        assert_eq!(bench.since("contoso", "repository-1").await, None);
    }
}

#[tokio::test]
async fn former_names_are_stored() {
    for bench in Bench::all().await {
        let api = named(2, "api");
        for (name, former) in [
            ("web", vec![]),
            ("site", vec!["Fabrikam/web"]),
            ("site", vec!["Fabrikam/web"]),
            ("shop", vec!["Fabrikam/web", "Fabrikam/site"]),
            ("web", vec!["Fabrikam/site", "Fabrikam/shop"]),
        ] {
            let rows = bench.watched(&[named(1, name), api.clone()], 1).await;
            let expected = [row(named(1, name), 1, None, &former), row(api.clone(), 1, None, &[])];
            assert_eq!(rows, expected);
            let known = bench.store.former_names(ORGANIZATION, &named(1, name)).await.unwrap();
            assert_eq!(known, former, "a decision is based on the same names");
        }
    }
}

#[tokio::test]
async fn only_lists_of_azure_devops_say_which_project_a_repository_belongs_to() {
    for bench in Bench::all().await {
        let web = repository();
        let commit = make::decision(&bench.delivered(1).await, &[], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        assert_eq!(bench.known_project(&web).await, KnownProject::default());
        bench.watched(std::slice::from_ref(&web), 1).await;
        let of_repository = Some(web.project_id.clone());
        let name = Some(web.project.clone());
        let of_name = Some(web.project_id.clone());
        let expected = KnownProject { of_repository, name, of_name };
        assert_eq!(bench.known_project(&web).await, expected);
        let renamed = Repository { project: "Tools".into(), ..web.clone() };
        bench.watched(std::slice::from_ref(&renamed), 2).await;
        let bench = bench.reopened().await;
        let expected = KnownProject { name: Some("Tools".into()), of_name: None, ..expected };
        assert_eq!(bench.known_project(&web).await, expected);
        let (project_id, project) = ("another".into(), "tools".into());
        let claimed = Repository { project_id, project, ..web.clone() };
        let expected = KnownProject { name: None, of_name: Some(web.project_id), ..expected };
        assert_eq!(bench.known_project(&claimed).await, expected);
    }
}

#[tokio::test]
async fn a_name_from_a_delivery_becomes_a_former_name() {
    for bench in Bench::all().await {
        let mut commit = make::decision(&bench.delivered(1).await, &[], &[]);
        commit.former_name = Some("Fabrikam/old".into());
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let moved = Repository { project: "Contoso".into(), ..repository() };
        let rows = bench.watched(std::slice::from_ref(&moved), 1).await;
        assert_eq!(rows, [row(moved, 1, None, &["Fabrikam/old", "Fabrikam/web"])]);
    }
}

#[tokio::test]
async fn deliveries_of_catch_up_are_claimed_in_order_with_what_was_found_beside_them() {
    for bench in Bench::all().await {
        let (web, api) = (named(1, "web"), named(2, "api"));
        bench.watched(&[web.clone(), api.clone()], 1).await;
        let ids = bench
            .store
            .commit_catch_up((1..=3).map(found).collect(), vec![read(1, 50)])
            .await
            .unwrap();
        assert_eq!(ids.len(), 3);
        assert!(ids.is_sorted(), "{ids:?}");
        let bench = bench.reopened().await;
        let claimed = bench.store.claim_deliveries(claim(2, 10)).await.unwrap();
        for ((one, id), number) in claimed.iter().zip(&ids).zip(1..) {
            assert_eq!((one.lease.id, one.source), (*id, Source::CatchUp));
            let CatchUpDelivery { body, meta, .. } = found(number);
            assert_eq!((&one.body, one.catch_up.as_ref()), (&body, Some(&meta)));
        }
        assert_eq!(claimed.len(), ids.len());
        // A replay is decided like a hook call.
        let replay = bench.store.replay(ids[0], 1, at(3)).await.unwrap().unwrap().id;
        let claimed = bench.store.claim_deliveries(claim(3, 10)).await.unwrap();
        assert_eq!((claimed[0].lease.id, &claimed[0].catch_up), (replay, &None));
        let rows = bench.watched(&[web.clone(), api.clone()], 60).await;
        assert_eq!(rows, [row(web, 1, Some(50), &[]), row(api, 1, None, &[])]);
    }
}

#[tokio::test]
async fn the_same_fact_may_be_found_twice() {
    for bench in Bench::all().await {
        let ids = bench.store.commit_catch_up(vec![found(1), found(1)], vec![]).await.unwrap();
        for id in &ids {
            let stored = bench.store.delivery(*id).await.unwrap().unwrap();
            assert_eq!((stored.outcome, stored.subscription), (Outcome::Pending, None));
        }
        assert_eq!(bench.store.backlog().await.unwrap().undecided, 2);
    }
}

#[tokio::test]
async fn a_watermark_never_goes_back() {
    for bench in Bench::all().await {
        let web = named(1, "web");
        bench.watched(std::slice::from_ref(&web), 1).await;
        for (second, expected) in [(50, 50), (40, 50), (50, 50), (60, 60)] {
            let ids = bench.store.commit_catch_up(vec![], vec![read(1, second)]).await.unwrap();
            assert_eq!(ids, []);
            let rows = bench.watched(std::slice::from_ref(&web), 70).await;
            assert_eq!(rows, [row(web.clone(), 1, Some(expected), &[])]);
        }
        let elsewhere = Watermark { organization: "FABRIKAM".into(), ..read(1, 80) };
        bench.store.commit_catch_up(vec![], vec![elsewhere]).await.unwrap();
        let rows = bench.watched(std::slice::from_ref(&web), 90).await;
        assert_eq!(rows, [row(web, 1, Some(80), &[])], "in any spelling");
    }
}

#[tokio::test]
async fn a_watermark_alone_does_not_watch_a_repository() {
    for bench in Bench::all().await {
        bench.store.commit_catch_up(vec![], vec![read(1, 50)]).await.unwrap();
        assert_eq!(bench.since(ORGANIZATION, "repository-1").await, None);
        let rows = bench.watched(&[named(1, "web")], 60).await;
        assert_eq!(rows, [row(named(1, "web"), 60, Some(50), &[])]);
    }
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_as_a_whole() {
    for bench in Bench::all().await {
        let web = named(1, "web");
        bench.watched(std::slice::from_ref(&web), 1).await;
        // Random bytes, since a body is compressed before it waits.
        let mut random = fakes::random::Random::seeded(1);
        let body = std::iter::repeat_with(|| random.below(u64::MAX).to_le_bytes());
        let body: Vec<u8> = body.take(5 * 1024 * 1024).flatten().collect();
        let large = |number| CatchUpDelivery { body: body.clone(), ..found(number) };
        let entered =
            bench.store.commit_catch_up(vec![large(1), large(2)], vec![read(1, 50)]).await;
        assert!(matches!(entered, Err(Error::Busy { .. })), "{entered:?}");
        assert_eq!(bench.store.backlog().await.unwrap().undecided, 0);
        let rows = bench.watched(std::slice::from_ref(&web), 2).await;
        assert_eq!(rows, [row(web, 1, None, &[])]);
    }
}

/// SQLite only: a trigger makes a write fail half way.
#[tokio::test]
async fn deliveries_and_watermarks_are_stored_together_or_not_at_all() {
    let bench = Bench::of(Engine::Sqlite).await;
    let (web, api) = (named(1, "web"), named(2, "api"));
    bench.watched(&[web.clone(), api.clone()], 1).await;
    let other = Connection::open(bench.location.folder().join("gateway.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE UPDATE ON watched_repository
        WHEN old.repository = 'repository-2'
        BEGIN SELECT raise(ABORT, 'a test wants it so'); END";
    other.execute_batch(fails).unwrap();
    let enter = || {
        let found = (1..=2).map(found).collect();
        bench.store.commit_catch_up(found, vec![read(1, 50), read(2, 50)])
    };
    assert!(enter().await.is_err());
    assert_eq!(bench.store.backlog().await.unwrap().undecided, 0);
    let rows = bench.watched(&[web.clone(), api.clone()], 2).await;
    assert_eq!(rows, [row(web.clone(), 1, None, &[]), row(api.clone(), 1, None, &[])]);
    other.execute_batch("DROP TRIGGER fails").unwrap();
    assert_eq!(enter().await.unwrap().len(), 2);
    let rows = bench.watched(&[web.clone(), api.clone()], 2).await;
    assert_eq!(rows, [row(web, 1, Some(50), &[]), row(api, 1, Some(50), &[])]);
}

#[tokio::test]
async fn active_pull_requests_and_existing_refs_are_known() {
    for bench in Bench::all().await {
        let in_state = |id, status| {
            let known = remembered(id, "Add search", at(3));
            let pull_request = PullRequest { status, ..known.pull_request.clone() };
            Remembered { pull_request, ..known }
        };
        let mut notes = vec![
            in_state(9, Status::Active),
            in_state(7, Status::Active),
            in_state(8, Status::Abandoned),
            in_state(6, Status::Completed),
        ];
        let tag = RememberedRef { name: "refs/tags/v1".into(), ..remembered_ref("", 'b') };
        let refs = [
            remembered_ref("main", 'a'),
            tag.clone(),
            RememberedRef { head: None, ..remembered_ref("gone", 'a') },
            RememberedRef { name: "refs/pull/7/merge".into(), ..remembered_ref("", 'c') },
            RememberedRef { name: "refs/headstrong".into(), ..remembered_ref("", 'c') },
            remembered_ref("feature/search", 'd'),
        ];
        for (number, note) in (1..).zip(notes.clone()) {
            let mut commit = make::decision(&bench.delivered(number).await, &[], &[]);
            commit.decision.pull_request = Some(note);
            commit.decision.refs = if number == 1 { refs.to_vec() } else { Vec::new() };
            assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        }
        let at_head = async |organization: &str, commit: &str| {
            let found = bench.store.pull_requests_at(organization, commit).await.unwrap();
            found.iter().map(|found| found.id).collect::<Vec<_>>()
        };
        let head = notes[0].pull_request.source_commit.clone().expect("it has a head");
        assert_eq!(at_head(ORGANIZATION, &head).await, [7, 9], "the active ones");
        assert_eq!(at_head("contoso", &head).await, [0; 0]);
        assert_eq!(at_head(ORGANIZATION, &make::sha('f')).await, [0; 0]);
        let id = repository().id;
        let known = bench.store.known_repository(ORGANIZATION, &id).await.unwrap();
        assert_eq!(known.pull_requests, [notes.remove(1), notes.remove(0)], "by number");
        let expected = [remembered_ref("feature/search", 'd'), remembered_ref("main", 'a'), tag];
        assert_eq!(known.refs, expected, "by name");
        for (organization, repository) in [("contoso", id.as_str()), (ORGANIZATION, "another")] {
            let known = bench.store.known_repository(organization, repository).await.unwrap();
            assert_eq!(known, Default::default());
        }
        // A completed pull request is no longer among the active ones; a reactivated one is again.
        for (number, id, status, expected) in
            [(11, 7, Status::Completed, vec![9]), (12, 8, Status::Active, vec![8, 9])]
        {
            let mut commit = make::decision(&bench.delivered(number).await, &[], &[]);
            commit.decision.pull_request = Some(in_state(id, status));
            commit.pull_request_revision = 1;
            assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
            let known = bench.store.known_repository(ORGANIZATION, &repository().id).await.unwrap();
            let ids: Vec<_> = known.pull_requests.iter().map(|one| one.pull_request.id).collect();
            assert_eq!(ids, expected);
        }
    }
}
