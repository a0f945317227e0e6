//! Plans: what is added, changed and removed, and that nobody else's is ever touched.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::check::Trigger;
use super::super::*;
use super::world::*;

fn kept(world: &mut World) {
    world.carry_out();
    let plan = world.plan();
    assert!(!plan.is_something_to_do(), "{plan:?}");
}

#[test]
fn one_policy_is_added_for_each_target_branch() {
    let mut world = World::of([check("unit", &["main", "release/*", "release/1"])]);
    assert_eq!(world.steps(), ["add main", "add release/*"]);
    let step = &world.plan().steps[0];
    assert_eq!(step.deed, Deed::Create(settings("main")));
    assert_eq!(
        step.to_string(),
        "add ci/unit at Webshop/web main: the check is required, and no policy makes merging wait \
         for it"
    );
    kept(&mut world);
    assert_eq!((world.plan().kept, world.ours.len()), (2, 2));
}

#[test]
fn what_drifted_is_set_back_field_by_field() {
    type Drift = fn(&mut Settings);
    let table: [(Drift, &str); 10] = [
        (|it| it.is_enabled = false, "enabled: no -> yes"),
        (|it| it.is_blocking = false, "blocking: no -> yes"),
        (|it| it.context.name = "units".into(), "status: ci/units -> ci/unit"),
        (|it| it.author_id = None, "account: anybody -> 00000000-0000-0000-0000-00000000000e"),
        (|it| it.resets_on_push = false, "reset on push: no -> yes"),
        (|it| it.is_conditional = true, "applies: after a first status -> always"),
        (|it| it.display_name = "tests".into(), "name: tests -> ci/unit"),
        (|it| it.file_patterns = vec!["/src".into()], "files: /src -> any"),
        (
            |it| it.scopes[0].branches = Branches::Default,
            "branches: the default branch of web -> main of web",
        ),
        (
            |it| it.scopes[0].repository_id = None,
            "branches: main of every repository -> main of web",
        ),
    ];
    for (drift, expected) in table {
        let mut world = World::of([check("unit", &["main"])]);
        kept(&mut world);
        drift(world.policy(1));
        assert_eq!(world.steps(), [format!("change 1 main {expected}")]);
        kept(&mut world);
        assert_eq!(world.found.len(), 1);
    }
}

#[test]
fn a_check_that_changes_takes_its_policies_with_it() {
    let mut world = World::of([check("unit", &["main"])]);
    kept(&mut world);
    world.checks = vec![check("tests", &["main"])];
    let name = "status: ci/unit -> ci/tests, name: ci/unit -> ci/tests";
    assert_eq!(world.steps(), [format!("change 1 main {name}")]);
    kept(&mut world);
    world.checks = vec![check("tests", &["trunk"])];
    assert_eq!(world.steps(), ["change 1 trunk branches: main of web -> trunk of web"]);
    kept(&mut world);
}

#[test]
fn what_nobody_requires_any_more_is_removed() {
    type Change = fn(&mut World);
    let table: [(Change, &str); 4] = [
        (|world| world.checks.clear(), "no check posts what it waits for any more"),
        (|world| world.checks[0].required = false, "the check is not required any more"),
        (|world| world.checks[0].on = vec![Trigger::Push], "shows nothing on pull requests"),
        (
            |world| world.checks[0] = check("unit", &[]),
            "the check does not want these branches any more",
        ),
    ];
    for (change, why) in table {
        let mut world = World::of([check("unit", &["main"])]);
        kept(&mut world);
        change(&mut world);
        assert_eq!(world.steps(), ["remove 1 main"]);
        assert!(world.plan().steps[0].why.contains(why), "{:?}", world.plan());
        kept(&mut world);
        assert!(world.found.is_empty() && world.ours.is_empty());
    }
}

#[test]
fn what_is_not_seen_any_more_keeps_its_protection() {
    let mut world = World::of([check("unit", &["main"])]);
    kept(&mut world);
    world.seen.clear();
    assert_eq!(world.steps(), ["leave 1 main"]);
    assert!(!world.plan().is_something_to_do());
    world.checks.clear();
    assert_eq!(world.steps(), ["remove 1 main"]);
}

#[test]
fn a_policy_that_we_do_not_remember_is_recognised_and_its_duplicate_removed() {
    let mut world = World::of([check("unit", &["main"])]);
    world.create(ME, settings("main"));
    let again = world.create(ME, settings("main"));
    world.ours.insert((PROJECT.into(), again));
    assert_eq!(world.steps(), ["remove 1 main"]);
    assert!(world.plan().steps[0].why.contains("a duplicate of policy 2"));
    kept(&mut world);
    world.ours.clear();
    assert_eq!(world.plan().adopted, [(PROJECT.to_owned(), 2)]);
    kept(&mut world);
    assert_eq!(world.ours.len(), 1);
}

#[test]
fn a_policy_that_somebody_deleted_is_forgotten_and_added_again() {
    let mut world = World::of([check("unit", &["main"])]);
    kept(&mut world);
    world.found.clear();
    assert_eq!(world.steps(), ["add main"]);
    assert_eq!(world.plan().forgotten, [(PROJECT.to_owned(), 1)]);
    kept(&mut world);
    assert_eq!(world.ours, [(PROJECT.to_owned(), 2)].into());
}

#[test]
fn somebody_elses_that_does_it_is_enough() {
    let mut world = World::of([check("unit", &["main"])]);
    let branches = Branches::Prefix("refs/heads/".into());
    let scopes = vec![Scope { repository_id: None, branches }];
    let id = world.create(JO, Settings { author_id: None, scopes, ..settings("main") });
    assert_eq!(world.steps(), ["leave 1 main"]);
    assert!(world.plan().steps[0].why.contains("policy 1 of Jo Doe does it already"));
    world.policy(id).is_blocking = false;
    assert_eq!(world.steps(), ["add main"]);
    kept(&mut world);
    // Both do it: ours stays.
    world.policy(id).is_blocking = true;
    assert!(world.steps().is_empty());
}

#[test]
fn somebody_elses_that_waits_for_what_nobody_posts_is_told() {
    type Change = fn(&mut Settings);
    let table: [(Change, &str); 4] = [
        (|it| it.author_id = Some(JO.into()), "waits for ci/unit of the account"),
        (|it| it.context.genre = "build".into(), "waits for build/unit, and we post ci/unit"),
        (
            |it| {
                it.context.genre = "unit".into();
                it.context.name = "ci".into();
            },
            "waits for unit/ci, and we post ci/unit",
        ),
        (|it| it.context.name = "units".into(), "waits for ci/units, and we post ci/unit"),
    ];
    for (change, words) in table {
        let mut world = World::of([check("unit", &["main"])]);
        let mut other = settings("main");
        change(&mut other);
        world.create(JO, other);
        assert_eq!(world.steps(), ["add main", "leave 1 main"], "{words}");
        assert!(world.plan().steps[1].why.contains(words), "{:?}", world.plan().steps[1]);
    }
    // What another check posts is no mistake.
    let mut world = World::of([check("unit", &["main"]), check("units", &[])]);
    let mut other = settings("main");
    other.context.name = "units".into();
    world.create(JO, other);
    assert_eq!(world.steps(), ["add main"]);
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let author = select(vec![None, Some(ME.to_owned()), Some(JO.to_owned())]);
    let name = select(vec!["unit", "lint", "other"]);
    let branch = select(vec!["main", "release/1", "trunk"]);
    let kind = select(vec![0, 1, 2]);
    (author, name, branch, kind, any::<[bool; 4]>()).prop_map(
        |(author_id, name, branch, kind, [is_enabled, is_blocking, resets, here])| {
            let full = format!("refs/heads/{branch}");
            let branches = match kind {
                0 => Branches::Exact(full),
                1 => Branches::Prefix("refs/heads/release/".into()),
                _ => Branches::Default,
            };
            let mut settings = Settings {
                is_enabled,
                is_blocking,
                author_id,
                resets_on_push: resets,
                scopes: vec![Scope { repository_id: here.then(|| WEB.to_owned()), branches }],
                ..settings(branch)
            };
            settings.context.name = name.into();
            settings
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is there: after one turn nothing is left to do, every required check has its
    /// policy, and nobody else's was touched.
    #[test]
    fn one_turn_is_enough_and_touches_nobody_elses(
        there in prop::collection::vec((any_settings(), any::<[bool; 2]>()), 0..6),
        targets in
            prop::collection::vec(select(vec!["main", "release/*", "release/1", "**"]), 0..3),
        required in any::<[bool; 2]>(),
    ) {
        let mut checks = vec![check("unit", &targets), check("lint", &["main"])];
        checks[0].required = required[0];
        checks[1].required = required[1];
        let mut world = World::of(checks);
        for (settings, [is_by_us, is_remembered]) in there {
            let id = world.create(if is_by_us { ME } else { JO }, settings);
            if is_by_us && is_remembered {
                world.ours.insert((PROJECT.into(), id));
            }
        }
        let wanted = wanted(&world.checks, "contoso", &world.seen, &world.defaults);
        let is_somebody_elses = |found: &&Found| {
            let is_at = |one: &Wanted| {
                let settings = one.settings(ME);
                let is_context = found.settings.context == settings.context;
                is_context && found.settings.scopes == settings.scopes
            };
            let is_by_us =
                found.created_by == ME && found.settings.author_id.as_deref() == Some(ME);
            let is_remembered = world.ours.contains(&(PROJECT.into(), found.id));
            let is_in_its_place = is_by_us && wanted.iter().any(is_at);
            !is_remembered && !is_in_its_place
        };
        let before: Vec<Found> = world.found.iter().filter(is_somebody_elses).cloned().collect();
        world.carry_out();
        for found in before {
            prop_assert!(world.found.contains(&found), "{:?}", found);
        }
        let plan = world.plan();
        prop_assert!(!plan.is_something_to_do(), "{:?}", plan.steps);
        prop_assert!(plan.adopted.is_empty() && plan.forgotten.is_empty());
        for one in wanted {
            prop_assert!(world.found.iter().any(|found| found.does(&one, ME)), "{:?}", one);
        }
    }
}
