//! Plans: what is added, changed and removed, and that policies of others are never changed.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::check::Trigger;
use super::super::*;
use super::world::*;

fn settle(world: &mut World) {
    world.execute();
    let plan = world.plan();
    assert!(!plan.is_something_to_do(), "{plan:?}");
}

#[test]
fn one_policy_is_added_for_each_target_branch() {
    let mut world = World::of([check("unit", &["main", "release/*", "release/1"])]);
    assert_eq!(world.steps(), ["add main", "add release/*"]);
    let step = &world.plan().steps[0];
    assert_eq!(step.action, Action::Create(settings("main")));
    assert_eq!(
        step.to_string(),
        "add ci/unit at Webshop/web main: the check is required, and no policy makes merging wait \
         for it"
    );
    settle(&mut world);
    assert_eq!((world.plan().unchanged, world.owned.len()), (2, 2));
}

#[test]
fn a_policy_that_drifted_is_changed_field_by_field() {
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
        settle(&mut world);
        drift(world.policy(1));
        assert_eq!(world.steps(), [format!("change 1 main {expected}")]);
        settle(&mut world);
        assert_eq!(world.found.len(), 1);
    }
}

#[test]
fn a_check_that_changes_changes_its_policies() {
    let mut world = World::of([check("unit", &["main"])]);
    settle(&mut world);
    world.checks = vec![check("tests", &["main"])];
    let name = "status: ci/unit -> ci/tests, name: ci/unit -> ci/tests";
    assert_eq!(world.steps(), [format!("change 1 main {name}")]);
    settle(&mut world);
    world.checks = vec![check("tests", &["trunk"])];
    assert_eq!(world.steps(), ["change 1 trunk branches: main of web -> trunk of web"]);
    settle(&mut world);
}

#[test]
fn a_policy_that_no_check_requires_any_more_is_removed() {
    type Change = fn(&mut World);
    let table: [(Change, &str); 4] = [
        (|world| world.checks.clear(), "no check posts its status any more"),
        (|world| world.checks[0].required = false, "the check is not required any more"),
        (|world| world.checks[0].on = vec![Trigger::Push], "posts no status on pull requests"),
        (
            |world| world.checks[0] = check("unit", &[]),
            "these are no target branches of the check any more",
        ),
    ];
    for (change, why) in table {
        let mut world = World::of([check("unit", &["main"])]);
        settle(&mut world);
        change(&mut world);
        assert_eq!(world.steps(), ["remove 1 main"]);
        assert!(world.plan().steps[0].reason.contains(why), "{:?}", world.plan());
        settle(&mut world);
        assert!(world.found.is_empty() && world.owned.is_empty());
    }
}

#[test]
fn a_repository_that_is_hidden_keeps_its_policies() {
    let mut world = World::of([check("unit", &["main"])]);
    settle(&mut world);
    world.seen.clear();
    assert_eq!(world.steps(), ["leave 1 main"]);
    assert!(!world.plan().is_something_to_do());
    world.checks.clear();
    assert_eq!(world.steps(), ["remove 1 main"]);
}

#[test]
fn an_unrecorded_policy_is_adopted_and_its_duplicate_removed() {
    let mut world = World::of([check("unit", &["main"])]);
    world.create(ME, settings("main"));
    let again = world.create(ME, settings("main"));
    world.owned.insert((PROJECT.into(), again));
    assert_eq!(world.steps(), ["remove 1 main"]);
    assert!(world.plan().steps[0].reason.contains("a duplicate of policy 2"));
    settle(&mut world);
    world.owned.clear();
    assert_eq!(world.plan().adopted, [(PROJECT.to_owned(), 2)]);
    settle(&mut world);
    assert_eq!(world.owned.len(), 1);
}

#[test]
fn a_policy_that_somebody_deleted_is_forgotten_and_added_again() {
    let mut world = World::of([check("unit", &["main"])]);
    settle(&mut world);
    world.found.clear();
    assert_eq!(world.steps(), ["add main"]);
    assert_eq!(world.plan().forgotten, [(PROJECT.to_owned(), 1)]);
    settle(&mut world);
    assert_eq!(world.owned, [(PROJECT.to_owned(), 2)].into());
}

#[test]
fn a_foreign_policy_that_enforces_the_check_is_enough() {
    let mut world = World::of([check("unit", &["main"])]);
    let branches = Branches::Prefix("refs/heads/".into());
    let scopes = vec![Scope { repository_id: None, branches }];
    let id = world.create(JO, Settings { author_id: None, scopes, ..settings("main") });
    assert_eq!(world.steps(), ["leave 1 main"]);
    assert!(world.plan().steps[0].reason.contains("policy 1 of Jo Doe does it already"));
    world.policy(id).is_blocking = false;
    assert_eq!(world.steps(), ["add main"]);
    settle(&mut world);
    // Both enforce it: ours stays.
    world.policy(id).is_blocking = true;
    assert!(world.steps().is_empty());
}

#[test]
fn a_foreign_policy_that_waits_for_a_status_that_nobody_posts_is_reported() {
    type Change = fn(&mut Settings);
    let table: [(Change, &str); 4] = [
        (|it| it.author_id = Some(JO.into()), "waits for ci/unit of the account"),
        (
            |it| it.context.genre = "build".into(),
            "waits for build/unit, but the check posts ci/unit",
        ),
        (
            |it| {
                it.context.genre = "unit".into();
                it.context.name = "ci".into();
            },
            "waits for unit/ci, but the check posts ci/unit",
        ),
        (|it| it.context.name = "units".into(), "waits for ci/units, but the check posts ci/unit"),
    ];
    for (change, words) in table {
        let mut world = World::of([check("unit", &["main"])]);
        let mut other = settings("main");
        change(&mut other);
        world.create(JO, other);
        assert_eq!(world.steps(), ["add main", "leave 1 main"], "{words}");
        assert!(world.plan().steps[1].reason.contains(words), "{:?}", world.plan().steps[1]);
    }
    // A status that another check posts is no mistake.
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

    /// Whichever policies exist: after one pass nothing is left to do, every required check has its
    /// policy, and no foreign policy was changed.
    #[test]
    fn one_pass_is_enough_and_changes_no_foreign_policy(
        there in prop::collection::vec((any_settings(), any::<[bool; 2]>()), 0..6),
        targets in
            prop::collection::vec(select(vec!["main", "release/*", "release/1", "**"]), 0..3),
        required in any::<[bool; 2]>(),
    ) {
        let mut checks = vec![check("unit", &targets), check("lint", &["main"])];
        checks[0].required = required[0];
        checks[1].required = required[1];
        let mut world = World::of(checks);
        for (settings, [is_by_us, is_recorded]) in there {
            let id = world.create(if is_by_us { ME } else { JO }, settings);
            if is_by_us && is_recorded {
                world.owned.insert((PROJECT.into(), id));
            }
        }
        let desired = desired(&world.checks, "contoso", &world.seen, &world.defaults);
        let is_foreign = |found: &&Found| {
            let is_at = |one: &Desired| {
                let settings = one.settings(ME);
                let is_context = found.settings.context == settings.context;
                is_context && found.settings.scopes == settings.scopes
            };
            let is_by_us =
                found.created_by == ME && found.settings.author_id.as_deref() == Some(ME);
            let is_recorded = world.owned.contains(&(PROJECT.into(), found.id));
            let is_in_place = is_by_us && desired.iter().any(is_at);
            !is_recorded && !is_in_place
        };
        let before: Vec<Found> = world.found.iter().filter(is_foreign).cloned().collect();
        world.execute();
        for found in before {
            prop_assert!(world.found.contains(&found), "{:?}", found);
        }
        let plan = world.plan();
        prop_assert!(!plan.is_something_to_do(), "{:?}", plan.steps);
        prop_assert!(plan.adopted.is_empty() && plan.forgotten.is_empty());
        for one in desired {
            prop_assert!(world.found.iter().any(|found| found.enforces(&one, ME)), "{:?}", one);
        }
    }
}
