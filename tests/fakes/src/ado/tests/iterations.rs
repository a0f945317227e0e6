//! Iterations and merge attempts.

use super::Scene;

#[test]
fn pushes_make_iterations_and_say_whether_they_were_forced() {
    let mut scene = Scene::new();
    let id = scene.pull_request();
    let base = scene.world.head(&scene.repository, "main").unwrap().to_owned();
    scene.world.push(&scene.repository, "topic", "More");
    let forced = scene.world.force_push(&scene.repository, "topic", "Anew");
    scene.world.push(&scene.repository, "release", "Branch off");
    scene.world.retarget(id, "release");
    let pull_request = scene.world.pull_request(id);
    let reasons: Vec<_> = pull_request.iterations.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, ["create", "push", "forcePush", "retarget"]);
    let last = pull_request.iterations.last().unwrap();
    assert_eq!((last.id, &last.source, &last.common), (4, &forced, &base));
}

#[test]
fn going_back_by_force_makes_an_iteration_of_the_old_commit() {
    let mut scene = Scene::new();
    let id = scene.pull_request();
    let first = scene.world.head(&scene.repository, "topic").unwrap().to_owned();
    scene.world.push(&scene.repository, "topic", "More");
    scene.world.force_push_to(&scene.repository, "topic", &first);
    let iterations = &scene.world.pull_request(id).iterations;
    assert_eq!(iterations.len(), 3);
    assert_eq!((iterations[2].reason, &iterations[2].source), ("forcePush", &first));
}

#[test]
fn a_merge_attempt_follows_each_push_and_may_be_slow_or_conflict() {
    let mut scene = Scene::new();
    scene.world.options.merge_delay_ms = 500;
    let merged = scene.subscribe("git.pullrequest.merged", ("branch", ""));
    let id = scene.pull_request();
    assert_eq!(scene.world.pull_request(id).merge_status, "queued");
    assert_eq!(scene.world.pull_request(id).merge_commit, None);
    scene.world.set_now(scene.world.now_ms() + 500);
    assert_eq!(scene.world.pull_request(id).merge_status, "succeeded");
    let reference = format!("refs/pull/{id}/merge");
    assert!(scene.world.head(&scene.repository, &reference).is_some());
    scene.world.set_conflicts(id, true);
    scene.world.push(&scene.repository, "topic", "More");
    scene.world.set_now(scene.world.now_ms() + 500);
    assert_eq!(scene.world.pull_request(id).merge_status, "conflicts");
    assert_eq!(scene.world.pull_request(id).merge_commit, None);
    assert_eq!(scene.world.notifications(&merged).len(), 2);
}

#[test]
fn a_closed_pull_request_gets_no_iterations() {
    let mut scene = Scene::new();
    let id = scene.pull_request();
    scene.world.abandon(id);
    scene.world.push(&scene.repository, "topic", "More");
    assert_eq!(scene.world.pull_request(id).iterations.len(), 1);
}

#[test]
fn completing_pushes_to_the_target() {
    let mut scene = Scene::new();
    let id = scene.pull_request();
    let merged = scene.world.complete(id);
    assert_eq!(scene.world.head(&scene.repository, "main"), Some(merged.as_str()));
}
