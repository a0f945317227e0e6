//! What `permissions check` reports about required checks.

use super::super::super::check::Trigger;
use super::super::*;
use super::world::*;

fn problems(world: &World) -> Vec<String> {
    verdicts(&world.view()).into_iter().filter_map(|verdict| verdict.problem).collect()
}

#[test]
fn a_required_check_with_its_policy_is_fine() {
    let mut world = World::of([check("unit", &["main"])]);
    world.execute();
    let found = verdicts(&world.view());
    assert_eq!(found.len(), 1);
    let Verdict { context, project, repository, branches, policy, problem } = &found[0];
    assert_eq!((context.as_str(), project.as_str()), ("ci/unit", "Webshop"));
    assert_eq!((repository.as_str(), branches.as_deref()), ("web", Some("main")));
    assert_eq!((*policy, problem), (Some(1), &None));
}

#[test]
fn each_defect_of_a_policy_is_reported_with_what_to_do() {
    type Change = fn(&mut World);
    let table: [(Change, &str); 8] = [
        (|world| world.found.clear(), "no policy makes main wait for it: run `azdo-gateway hooks"),
        (|world| world.policy(1).is_enabled = false, "it is switched off: run"),
        (|world| world.policy(1).is_blocking = false, "it does not block merging: run"),
        (|world| world.policy(1).author_id = Some(JO.into()), "statuses of another account: run"),
        (|world| world.policy(1).resets_on_push = false, "the status of an older commit: run"),
        (|world| world.policy(1).is_conditional = true, "only after a first status: run"),
        (|world| world.checks[0].on = vec![Trigger::Push], "add \"pull_request\" to its `on`"),
        (
            |world| world.checks[0].targets.pull_request = false,
            "add \"pull_request\" to its `statuses`",
        ),
    ];
    for (change, words) in table {
        let mut world = World::of([check("unit", &["main"])]);
        world.execute();
        change(&mut world);
        let problems = problems(&world);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
    }
}

#[test]
fn a_policy_that_waits_for_nothing_is_reported_beside_the_one_that_works() {
    let mut world = World::of([check("unit", &["main"])]);
    world.execute();
    let mut other = settings("main");
    other.context.genre = "build".into();
    world.create(JO, other);
    let found = verdicts(&world.view());
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].policy, found[1].policy), (Some(1), Some(2)));
    assert!(found[1].problem.as_ref().unwrap().contains("waits for build/unit"), "{found:?}");
}

#[test]
fn a_check_that_is_not_required_gets_no_verdict() {
    let mut world = World::of([check("unit", &["main"])]);
    world.checks[0].required = false;
    assert!(verdicts(&world.view()).is_empty());
}
