//! What a plan does not do: cover every branch, change policies that are not recorded as ours, or
//! forget those that are hidden.

use super::super::*;
use super::world::*;

fn settle(world: &mut World) {
    world.execute();
    let plan = world.plan();
    assert!(!plan.is_something_to_do(), "{plan:?}");
}

#[test]
fn a_check_for_every_branch_gets_a_policy_that_follows_the_default_branch() {
    for globs in [["**"], ["*"], ["**/*"]] {
        let mut world = World::of([check("unit", &globs)]);
        assert_eq!(world.steps(), ["add main"], "{globs:?}");
        assert_eq!(world.plan().steps[0].action, Action::Create(settings("main")));
        settle(&mut world);
        world.defaults.insert(WEB.into(), "refs/heads/trunk".into());
        assert_eq!(world.steps(), ["change 1 trunk branches: main of web -> trunk of web"]);
        settle(&mut world);
    }
}

#[test]
fn without_a_default_branch_no_policy_is_added_or_removed() {
    let mut world = World::of([check("unit", &["**"])]);
    let defaults = std::mem::take(&mut world.defaults);
    assert_eq!(world.steps(), ["leave the default branch"]);
    assert!(world.plan().steps[0].reason.contains("has no default branch"), "{:?}", world.plan());
    assert!(verdicts(&world.view()).is_empty());
    world.defaults = defaults;
    settle(&mut world);
    world.defaults.clear();
    assert_eq!(world.steps(), ["leave 1 main", "leave the default branch"]);
    world.checks[0].required = false;
    assert_eq!(world.steps(), ["remove 1 main"]);
}

#[test]
fn a_glob_that_no_policy_can_express_is_reported() {
    let mut world = World::of([check("unit", &["{main,dev}"])]);
    assert_eq!(world.steps(), ["add main", "leave all branches"]);
    assert!(world.plan().steps[1].reason.starts_with("`{main,dev}` begins with a wildcard"));
    settle(&mut world);
    let problems: Vec<String> =
        verdicts(&world.view()).into_iter().filter_map(|verdict| verdict.problem).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("list the branches in `target_branches` by name"), "{problems:?}");
}

#[test]
fn an_unrecorded_policy_of_our_account_is_left_unless_it_is_where_one_is_desired() {
    type Change = fn(&mut Settings);
    let elsewhere: [Change; 5] = [
        |it| it.scopes[0].branches = Branches::Exact("refs/heads/trunk".into()),
        |it| it.scopes[0].repository_id = Some("22222222-0000-0000-0000-000000000001".into()),
        |it| it.scopes[0].repository_id = None,
        |it| it.scopes[0].branches = Branches::Default,
        |it| it.scopes.push(settings("trunk").scopes.remove(0)),
    ];
    for (at, change) in elsewhere.into_iter().enumerate() {
        let mut world = World::of([check("unit", &["main"])]);
        let mut made = settings("main");
        // It does not enforce the check.
        made.is_blocking = false;
        change(&mut made);
        let id = world.create(ME, made.clone());
        let steps = world.plan().steps;
        let kinds: Vec<_> = steps.iter().map(|step| (step.kind, step.policy)).collect();
        assert_eq!(kinds, [(Kind::Addition, None), (Kind::Report, Some(id))], "{at}: {steps:?}");
        assert!(steps[1].reason.contains("this gateway has no record of it"), "{at}: {steps:?}");
        settle(&mut world);
        // It is not removed with the check either.
        world.checks[0].required = false;
        assert_eq!(world.steps()[0], "remove 2 main", "{at}");
        settle(&mut world);
        assert_eq!((world.found.len(), &*world.policy(id)), (1, &made), "{at}");
    }
    // Where one is desired it is adopted and repaired.
    let mut world = World::of([check("unit", &["main"])]);
    world.create(ME, Settings { is_blocking: false, ..settings("main") });
    assert_eq!(world.steps(), ["change 1 main blocking: no -> yes"]);
    assert_eq!(world.plan().adopted, [(PROJECT.to_owned(), 1)]);
}

#[test]
fn an_unrecorded_policy_that_enforces_the_check_is_enough() {
    let mut world = World::of([check("unit", &["release/1"])]);
    let mut made = settings("main");
    made.scopes[0].branches = Branches::Prefix("refs/heads/release/".into());
    world.create(ME, made);
    assert_eq!(world.steps(), ["leave 1 release/1"]);
    assert!(world.plan().steps[0].reason.contains("does it already"), "{:?}", world.plan());
}

#[test]
fn a_policy_is_not_moved_to_where_a_foreign_one_enforces_the_check() {
    let mut world = World::of([check("unit", &["main"])]);
    settle(&mut world);
    world.create(JO, settings("trunk"));
    world.checks = vec![check("unit", &["trunk"])];
    assert_eq!(world.steps(), ["leave 2 trunk", "remove 1 main"]);
    settle(&mut world);
    assert_eq!(world.found.len(), 1);
}

#[test]
fn policies_of_a_project_that_was_not_read_are_not_forgotten() {
    let mut world = World::of([check("unit", &["main"])]);
    settle(&mut world);
    let found = std::mem::take(&mut world.found);
    world.seen.clear();
    world.read.clear();
    let plan = world.plan();
    assert!(plan.forgotten.is_empty() && plan.steps.is_empty(), "{plan:?}");
    settle(&mut world);
    // The project is visible again, and the check is gone.
    world.found = found;
    world.seen = vec![web()];
    world.read = [PROJECT.to_owned()].into();
    world.checks.clear();
    assert_eq!(world.steps(), ["remove 1 main"]);
}
