//! What a plan keeps its hands off: every branch at once, what we do not remember, and what cannot
//! be seen.

use super::super::*;
use super::world::*;

fn kept(world: &mut World) {
    world.carry_out();
    let plan = world.plan();
    assert!(!plan.is_something_to_do(), "{plan:?}");
}

#[test]
fn a_check_for_every_branch_is_kept_on_the_default_one_and_follows_it() {
    for globs in [["**"], ["*"], ["**/*"]] {
        let mut world = World::of([check("unit", &globs)]);
        assert_eq!(world.steps(), ["add main"], "{globs:?}");
        assert_eq!(world.plan().steps[0].deed, Deed::Create(settings("main")));
        kept(&mut world);
        world.defaults.insert(WEB.into(), "refs/heads/trunk".into());
        assert_eq!(world.steps(), ["change 1 trunk branches: main of web -> trunk of web"]);
        kept(&mut world);
    }
}

#[test]
fn without_a_default_branch_nothing_is_added_and_nothing_taken_away() {
    let mut world = World::of([check("unit", &["**"])]);
    let defaults = std::mem::take(&mut world.defaults);
    assert_eq!(world.steps(), ["leave the default branch"]);
    assert!(world.plan().steps[0].why.contains("has no default branch"), "{:?}", world.plan());
    assert!(verdicts(&world.view()).is_empty());
    world.defaults = defaults;
    kept(&mut world);
    world.defaults.clear();
    assert_eq!(world.steps(), ["leave 1 main", "leave the default branch"]);
    world.checks[0].required = false;
    assert_eq!(world.steps(), ["remove 1 main"]);
}

#[test]
fn a_glob_that_no_policy_can_name_is_told() {
    let mut world = World::of([check("unit", &["{main,dev}"])]);
    assert_eq!(world.steps(), ["add main", "leave all branches"]);
    assert!(world.plan().steps[1].why.starts_with("`{main,dev}` begins with a wildcard"));
    kept(&mut world);
    let problems: Vec<String> =
        verdicts(&world.view()).into_iter().filter_map(|verdict| verdict.problem).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("name its `target_branches` one by one"), "{problems:?}");
}

#[test]
fn what_looks_like_ours_and_is_not_remembered_is_left_unless_it_is_in_its_place() {
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
        // It does not do our work.
        made.is_blocking = false;
        change(&mut made);
        let id = world.create(ME, made.clone());
        let steps = world.plan().steps;
        let told: Vec<_> = steps.iter().map(|step| (step.kind, step.policy)).collect();
        assert_eq!(told, [(Kind::Addition, None), (Kind::Report, Some(id))], "{at}: {steps:?}");
        assert!(steps[1].why.contains("we do not remember it"), "{at}: {steps:?}");
        kept(&mut world);
        // Nor is it taken away with the check.
        world.checks[0].required = false;
        assert_eq!(world.steps()[0], "remove 2 main", "{at}");
        kept(&mut world);
        assert_eq!((world.found.len(), &*world.policy(id)), (1, &made), "{at}");
    }
    // In its place it is adopted, and repaired.
    let mut world = World::of([check("unit", &["main"])]);
    world.create(ME, Settings { is_blocking: false, ..settings("main") });
    assert_eq!(world.steps(), ["change 1 main blocking: no -> yes"]);
    assert_eq!(world.plan().adopted, [(PROJECT.to_owned(), 1)]);
}

#[test]
fn what_looks_like_ours_and_does_the_work_is_enough() {
    let mut world = World::of([check("unit", &["release/1"])]);
    let mut made = settings("main");
    made.scopes[0].branches = Branches::Prefix("refs/heads/release/".into());
    world.create(ME, made);
    assert_eq!(world.steps(), ["leave 1 release/1"]);
    assert!(world.plan().steps[0].why.contains("does it already"), "{:?}", world.plan());
}

#[test]
fn ours_is_not_moved_to_where_somebody_elses_does_the_work() {
    let mut world = World::of([check("unit", &["main"])]);
    kept(&mut world);
    world.create(JO, settings("trunk"));
    world.checks = vec![check("unit", &["trunk"])];
    assert_eq!(world.steps(), ["leave 2 trunk", "remove 1 main"]);
    kept(&mut world);
    assert_eq!(world.found.len(), 1);
}

#[test]
fn policies_of_a_project_that_was_not_read_are_not_forgotten() {
    let mut world = World::of([check("unit", &["main"])]);
    kept(&mut world);
    let found = std::mem::take(&mut world.found);
    world.seen.clear();
    world.read.clear();
    let plan = world.plan();
    assert!(plan.forgotten.is_empty() && plan.steps.is_empty(), "{plan:?}");
    kept(&mut world);
    // It can be seen again, and the check is gone.
    world.found = found;
    world.seen = vec![web()];
    world.read = [PROJECT.to_owned()].into();
    world.checks.clear();
    assert_eq!(world.steps(), ["remove 1 main"]);
}
