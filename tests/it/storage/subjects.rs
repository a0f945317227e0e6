//! Repositories, pull requests, branches and commits are found by what people have at hand.

use azdo_gateway::domain::run::{OfPullRequest, Run, State};
use azdo_gateway::domain::run_keys::subject;
use azdo_gateway::storage::{Commit, Named, Page, RepositoryRow, Watermark};

use super::make::{ORGANIZATION, repository};
use super::{Bench, at, make};

impl Bench {
    async fn called(&self, project: &str, name: &str) -> Option<RepositoryRow> {
        self.store.repository_called(ORGANIZATION, project, name).await.unwrap()
    }

    /// Decides a delivery that plans these runs, and remembers pull request 7 and the branch main.
    async fn remember(&self, number: i64, runs: &[Run]) {
        let leased = self.delivered(number).await;
        let mut commit = make::decision(&leased, runs, &[]);
        commit.decision.pull_request = Some(make::remembered(7, "Add search", at(number)));
        commit.decision.refs = vec![make::remembered_ref("main", 'a')];
        commit.ref_revisions = vec![("refs/heads/main".into(), 0)];
        assert_eq!(self.store.commit_decision(commit).await.unwrap(), Commit::Committed);
    }
}

/// A run of the pull request of that number.
fn of_pull_request(number: u128, id: i64, commit: char) -> Run {
    let run = make::run(number, "unit", commit);
    let of = run.pull_request.clone().map(|of| OfPullRequest { id, ..of });
    Run { pull_request: of, ..run }
}

#[tokio::test]
async fn a_repository_is_found_by_its_names_and_by_its_guids() {
    for bench in Bench::all().await {
        assert_eq!(bench.called("Fabrikam", "web").await, None);
        bench.remember(1, &[]).await;
        // A delivery stores its full name, and not the GUID of its project.
        let found = bench.called("fabrikam", "WEB").await.expect("it is known");
        assert_eq!((found.since, found.read_until), (None, None));
        let listed = repository();
        assert!(bench.called(&listed.project_id, &listed.id).await.is_some());
        assert_eq!(bench.called(&listed.project_id, "web").await, None);
        bench.store.watch(ORGANIZATION, vec![listed.clone()], at(5)).await.unwrap();
        let mark = Watermark {
            organization: ORGANIZATION.into(),
            repository: listed.id.clone(),
            read_until: at(9),
        };
        bench.store.commit_catch_up(Vec::new(), vec![mark]).await.unwrap();
        let expected = RepositoryRow {
            repository: listed.clone(),
            former_names: Vec::new(),
            since: Some(at(5)),
            read_until: Some(at(9)),
        };
        for project in ["Fabrikam", "FABRIKAM", &listed.project_id] {
            for name in ["web", "Web", &listed.id, &listed.id.to_uppercase()] {
                let found = bench.called(project, name).await;
                assert_eq!(found, Some(expected.clone()), "{project}/{name}");
            }
        }
        for (project, name) in [("Tools", "web"), ("Fabrikam", "we"), ("Fabrikam", "%"), ("", "")] {
            assert_eq!(bench.called(project, name).await, None, "{project}/{name}");
        }
        let other = bench.store.repository_called("contoso", "Fabrikam", "web").await;
        assert_eq!(other.unwrap(), None);
    }
}

#[tokio::test]
async fn pull_requests_and_branches_are_found_that_started_nothing() {
    for bench in Bench::all().await {
        bench.remember(1, &[]).await;
        bench.store.watch(ORGANIZATION, vec![repository()], at(5)).await.unwrap();
        let organization = ORGANIZATION.to_owned();
        let expected = Named { organization, repository: repository(), value: 7 };
        assert_eq!(bench.store.pull_requests_numbered(7).await.unwrap(), [expected]);
        assert!(bench.store.pull_requests_numbered(8).await.unwrap().is_empty());
        let found = bench.store.refs_named("refs/heads/main").await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].value.as_str(), &found[0].repository),
            ("refs/heads/main", &repository())
        );
        assert!(bench.store.refs_named("refs/heads/mai").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn runs_are_found_by_the_beginning_of_their_commit() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "unit", 'a'), make::run(2, "unit", 'b')]).await;
        let checks = async |beginning: &str| {
            let found = bench.store.runs_of_commits(beginning).await.unwrap();
            found.iter().map(|run| run.commit.clone()).collect::<Vec<_>>()
        };
        assert_eq!(checks("aaaaaaa").await, [make::sha('a')]);
        assert_eq!(checks("bbbbbbbbbbbbbbbb").await, [make::sha('b')]);
        assert!(checks("aaaaaab").await.is_empty());
        assert!(checks("fffffff").await.is_empty());
    }
}

#[tokio::test]
async fn each_pull_request_is_listed_once_by_its_newest_run() {
    for bench in Bench::all().await {
        let runs = [
            of_pull_request(1, 7, 'a'),
            of_pull_request(2, 8, 'a'),
            make::push_run(3, "unit", 'a'),
            of_pull_request(4, 7, 'b'),
            Run { organization: "contoso".into(), ..of_pull_request(5, 7, 'a') },
        ];
        bench.plan(1, &runs).await;
        let list = async |organization: Option<&str>, repository: Option<String>, page| {
            let organization = organization.map(str::to_owned);
            let found = bench.store.newest_runs(organization, repository, page).await.unwrap();
            let ids: Vec<u128> = found.items.iter().map(|run| run.id.0.as_u128()).collect();
            (ids, found.next)
        };
        let page = Page { limit: 9, before: None };
        assert_eq!(list(None, None, page).await.0, [5, 4, 2]);
        assert_eq!(list(Some("FABRIKAM"), None, page).await.0, [4, 2]);
        assert_eq!(list(None, Some("other".into()), page).await.0, []);
        assert_eq!(list(Some("contoso"), Some(repository().id), page).await.0, [5]);
        let (first, next) = list(None, None, Page { limit: 2, before: None }).await;
        assert_eq!(first, [5, 4]);
        assert_eq!(list(None, None, Page { limit: 2, before: next }).await, (vec![2], None));
        let of = |run: &Run| (run.organization.clone(), subject(run));
        let asked = vec![of(&runs[1]), of(&runs[0]), (ORGANIZATION.into(), "ref/x".into())];
        let found = bench.store.runs_of_subjects(asked.clone(), 5).await.unwrap();
        let ids: Vec<u128> = found.iter().map(|run| run.id.0.as_u128()).collect();
        assert_eq!(ids, [2, 4, 1], "each subject in turn, newest first");
        let found = bench.store.runs_of_subjects(asked, 1).await.unwrap();
        assert_eq!(found.len(), 2);
    }
}

#[tokio::test]
async fn statuses_of_several_runs_are_read_at_once() {
    for bench in Bench::all().await {
        let runs = bench.plan(1, &[make::run(1, "a", 'a'), make::run(2, "b", 'a')]).await;
        bench.plan(2, &[make::run(3, "c", 'a')]).await;
        bench.change(make::moved(&runs[0], State::Failed, 2)).await;
        let ids = runs.iter().map(|run| run.id).collect();
        let found = bench.store.statuses_of_runs(ids).await.unwrap();
        let names: Vec<_> = found.iter().map(|row| row.status.context.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "a"]);
        assert!(bench.store.statuses_of_runs(Vec::new()).await.unwrap().is_empty());
    }
}
