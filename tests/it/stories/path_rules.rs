//! `paths` and `paths_ignore`: which checks run, what that costs at Azure DevOps, and what happens
//! where it does not say which files change.

use fakes::ado::NewPullRequest;
use fakes::faults::{Action, Rule, unavailable_503};

use crate::harness::{Env, Gateway, WAIT_MAX, check};

const SOURCE: &str = r#"paths = ["src/**"]"#;

/// The calls that ask which files change.
fn asked(env: &Env) -> usize {
    env.shell.ado(|ado| ado.journal.count("GET", "/diffs/commits"))
}

async fn with_checks(env: &Env, checks: String) -> Gateway {
    Gateway::start_with(env, |settings| settings.checks = checks).await
}

/// Pushes a commit with these files and opens a pull request. Returns its number and the commit.
fn open_with(env: &Env, branch: &str, files: &[&str]) -> (u64, String) {
    env.shell.ado(|ado| {
        let commit = ado.push_files(&env.repository, branch, "Work", files);
        let new = NewPullRequest::new(&env.repository, branch, "main");
        (ado.open_pull_request(&new), commit)
    })
}

/// So many files in one folder.
fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("/bulk/{number:05}.txt")).collect()
}

fn borrowed(files: &[String]) -> Vec<&str> {
    files.iter().map(String::as_str).collect()
}

/// The reasons of the deliveries that started a run.
async fn reasons(gateway: &Gateway) -> String {
    let deliveries = gateway.api.items("/v1/deliveries?outcome=started").await;
    deliveries.iter().map(|delivery| delivery["reason"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_runs_where_the_pull_request_changes_its_files_for_one_request_per_push() {
    let env = Env::new(9_201);
    let checks = check("source", SOURCE)
        + &check("docs", "paths = [\"docs/**\"]\nrequired = true")
        + &check("code", r#"paths_ignore = ["**/*.md"]"#)
        + &check("any", "");
    let gateway = with_checks(&env, checks).await;
    let (id, first) = open_with(&env, "topic", &["/src/a.rs", "/README.md"]);
    for name in ["source", "code", "any"] {
        env.until_status(id, &first, name, "succeeded").await;
    }
    env.until_status(id, &first, "docs", "notApplicable").await;
    assert_eq!(asked(&env), 1);
    // What the first push changed still counts: the pull request is looked at as a whole.
    let second =
        env.shell.ado(|ado| ado.push_files(&env.repository, "topic", "More", &["/docs/guide.md"]));
    for name in ["source", "docs", "code", "any"] {
        env.until_status(id, &second, name, "succeeded").await;
    }
    assert_eq!(asked(&env), 2);
    env.until_idle(&gateway.api).await;
    let reasons = reasons(&gateway).await;
    let why = "docs not started (shown as not applicable): none of its 2 changed files matches \
               paths [docs/**]";
    assert!(reasons.contains(why), "{reasons}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_counts_under_both_names() {
    let env = Env::new(9_202);
    let checks = check("source", SOURCE) + &check("docs", r#"paths = ["docs/**"]"#);
    let gateway = with_checks(&env, checks).await;
    let (id, commit) = env.shell.ado(|ado| {
        let moved = ("/src/notes.md", "/docs/notes.md");
        let commit = ado.push_rename(&env.repository, "topic", moved);
        let new = NewPullRequest::new(&env.repository, "topic", "main");
        (ado.open_pull_request(&new), commit)
    });
    env.until_status(id, &commit, "source", "succeeded").await;
    env.until_status(id, &commit, "docs", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_runs_where_azure_devops_does_not_say_which_files_change() {
    let env = Env::new(9_203);
    let gateway = with_checks(&env, check("docs", "paths = [\"docs/**\"]\nrequired = true")).await;
    env.shell.ado(|ado| ado.faults.add(Rule::new("GET", "/diffs/commits", unavailable_503(1))));
    let (id, commit) = open_with(&env, "topic", &["/src/a.rs"]);
    env.until_status(id, &commit, "docs", "succeeded").await;
    let states: Vec<_> = env.statuses(id, "docs").into_iter().map(|it| it.state).collect();
    assert!(!states.contains(&"notApplicable".to_owned()), "{states:?}");
    let reason = reasons(&gateway).await;
    assert!(reason.contains("(which files change is not known: "), "{reason}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_runs_for_what_it_changes_and_on_a_new_branch() {
    let env = Env::new(9_204);
    let keys = format!("on = [\"push\", \"tag\"]\n{SOURCE}");
    let gateway = with_checks(&env, check("source", &keys)).await;
    let push = |branch: &str, files: &[&str]| {
        env.shell.ado(|ado| ado.push_files(&env.repository, branch, "Work", files))
    };
    let docs = push("main", &["/docs/a.md"]);
    let source = push("main", &["/src/a.rs"]);
    env.until_commit_status(&source, "source", "succeeded").await;
    assert_eq!(asked(&env), 2);
    let new = push("fresh", &["/docs/b.md"]);
    env.until_commit_status(&new, "source", "succeeded").await;
    // Nobody can compare with a branch that was not there.
    assert_eq!(asked(&env), 2);
    env.until_idle(&gateway.api).await;
    assert!(env.commit_statuses(&docs, "source").is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_5000_files_is_read_page_by_page_and_an_endless_one_runs() {
    let env = Env::new(9_205);
    let gateway = with_checks(&env, check("source", SOURCE)).await;
    let mut files = many(5_000);
    let (id, commit) = open_with(&env, "large", &borrowed(&files));
    env.until_decided(&gateway.api).await;
    assert_eq!(asked(&env), 3);
    assert!(env.statuses(id, "source").is_empty());
    files.push("/src/last.rs".to_owned());
    let (with_source, commit_with_source) = open_with(&env, "with-source", &borrowed(&files));
    env.until_status(with_source, &commit_with_source, "source", "succeeded").await;
    assert_eq!(asked(&env), 6);
    let (endless, commit_endless) = open_with(&env, "endless", &borrowed(&many(10_001)));
    env.until_status(endless, &commit_endless, "source", "succeeded").await;
    assert_eq!(asked(&env), 11);
    let reason = reasons(&gateway).await;
    assert!(reason.contains("there are more than 10000"), "{reason}");
    assert!(env.commit_statuses(&commit, "source").is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_that_of_one_moment_although_the_branch_moves_while_it_is_read() {
    let env = Env::new(9_206);
    let keys = format!("target_branches = [\"release\"]\n{SOURCE}");
    let gateway = with_checks(&env, check("source", &keys)).await;
    let mut files = many(2_500);
    files.push("/src/last.rs".to_owned());
    let (id, commit) = open_with(&env, "topic", &borrowed(&files));
    env.until_decided(&gateway.api).await;
    let hold = Action::Hold { before: true };
    env.shell.ado(|ado| {
        let main = ado.head(&env.repository, "main").unwrap().to_owned();
        ado.create_branch(&env.repository, "release", &main);
        ado.faults.add(Rule::new("GET", "/diffs/commits", hold).nth(2));
        ado.retarget(id, "release");
    });
    // Whether a hook tells of another target is not known: the next delivery of it does.
    env.shell.ado(|ado| ado.vote(id, &env.identity, 10));
    assert!(env.shell.wait_for_held(WAIT_MAX, 1).await.is_some(), "the second page is asked for");
    // Compared with the branch as it is from now on, nothing would differ.
    env.shell.ado(|ado| ado.force_push_to(&env.repository, "release", &commit));
    env.shell.release();
    env.until_status(id, &commit, "source", "succeeded").await;
    let reason = reasons(&gateway).await;
    assert!(!reason.contains("not known"), "{reason}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_delays_no_other_pull_request_and_keeps_the_order_of_its_own() {
    let env = Env::new(9_207);
    let gateway = with_checks(&env, check("source", SOURCE) + &check("any", "")).await;
    let hold = Action::Hold { before: true };
    env.shell.ado(|ado| ado.faults.add(Rule::new("GET", "/diffs/commits", hold).next(1)));
    let (slow, first) = open_with(&env, "slow", &["/src/a.rs"]);
    assert!(env.shell.wait_for_held(WAIT_MAX, 1).await.is_some(), "it is asked");
    let (other, commit) = open_with(&env, "other", &["/src/b.rs"]);
    env.until_status(other, &commit, "source", "succeeded").await;
    let second =
        env.shell.ado(|ado| ado.push_files(&env.repository, "slow", "More", &["/src/c.rs"]));
    env.until_delivered().await;
    assert!(env.statuses(slow, "any").is_empty());
    env.shell.release();
    env.until_status(slow, &second, "source", "succeeded").await;
    // The first one was decided first.
    let runs = gateway.api.items("/v1/runs").await;
    let commits: Vec<_> = runs.iter().filter(|run| run["check"] == "any").collect();
    assert!(commits.iter().any(|run| run["commit"] == first.as_str()), "{commits:?}");
    gateway.stop().await;
}
