//! Iterations and merge attempts.

use super::Fixture;

#[test]
fn each_push_adds_an_iteration_with_its_reason() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    let base = fixture.world.head(&fixture.repository, "main").unwrap().to_owned();
    fixture.world.push(&fixture.repository, "topic", "More");
    let forced = fixture.world.force_push(&fixture.repository, "topic", "Anew");
    fixture.world.push(&fixture.repository, "release", "Branch off");
    fixture.world.retarget(id, "release");
    let pull_request = fixture.world.pull_request(id);
    let reasons: Vec<_> = pull_request.iterations.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, ["create", "push", "forcePush", "retarget"]);
    let last = pull_request.iterations.last().unwrap();
    assert_eq!((last.id, &last.source, &last.common), (4, &forced, &base));
}

#[test]
fn a_force_push_to_an_old_commit_adds_an_iteration() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    let first = fixture.world.head(&fixture.repository, "topic").unwrap().to_owned();
    fixture.world.push(&fixture.repository, "topic", "More");
    fixture.world.force_push_to(&fixture.repository, "topic", &first);
    let iterations = &fixture.world.pull_request(id).iterations;
    assert_eq!(iterations.len(), 3);
    assert_eq!((iterations[2].reason, &iterations[2].source), ("forcePush", &first));
}

#[test]
fn each_push_attempts_a_merge_that_may_be_delayed_or_conflict() {
    let mut fixture = Fixture::new();
    fixture.world.options.merge_delay_ms = 500;
    let merged = fixture.subscribe("git.pullrequest.merged", ("branch", ""));
    let id = fixture.pull_request();
    assert_eq!(fixture.world.pull_request(id).merge_status, "queued");
    assert_eq!(fixture.world.pull_request(id).merge_commit, None);
    fixture.world.set_now(fixture.world.now_ms() + 500);
    assert_eq!(fixture.world.pull_request(id).merge_status, "succeeded");
    let reference = format!("refs/pull/{id}/merge");
    assert!(fixture.world.head(&fixture.repository, &reference).is_some());
    fixture.world.set_conflicts(id, true);
    fixture.world.push(&fixture.repository, "topic", "More");
    fixture.world.set_now(fixture.world.now_ms() + 500);
    assert_eq!(fixture.world.pull_request(id).merge_status, "conflicts");
    assert_eq!(fixture.world.pull_request(id).merge_commit, None);
    assert_eq!(fixture.world.notifications(&merged).len(), 2);
}

#[test]
fn a_closed_pull_request_gets_no_iterations() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    fixture.world.abandon(id);
    fixture.world.push(&fixture.repository, "topic", "More");
    assert_eq!(fixture.world.pull_request(id).iterations.len(), 1);
}

#[test]
fn completing_a_pull_request_pushes_to_the_target_branch() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    let merged = fixture.world.complete(id);
    assert_eq!(fixture.world.head(&fixture.repository, "main"), Some(merged.as_str()));
}
