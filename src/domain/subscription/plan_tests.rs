//! Plans for one scope: a subscription that delivers is kept, one that nobody needs is removed, and
//! executing plans ends with one that has nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::subscription::Settings;

const PROJECT: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";
const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

fn hook_scope() -> HookScope {
    HookScope { project_id: PROJECT.into(), topic: Topic::Pushes }
}

fn hook(generation: u32) -> String {
    HookName { hook_scope: hook_scope(), generation, tag: "00000000".into() }.to_string()
}

fn settings(hook: &str) -> Settings {
    let set = [("url", hook), ("branch", ""), ("resourceVersion", "1.0")];
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn desired(generation: u32) -> Desired {
    let hook = hook(generation);
    Desired {
        hook_scope: hook_scope(),
        project: "Fabrikam".into(),
        settings: settings(&hook),
        hook,
        checks: vec!["unit-tests".into()],
    }
}

fn owned(id: u32, generation: u32, state: State) -> OwnedHook {
    let hook = hook(generation);
    let mut settings = settings(&hook);
    // A setting that Azure DevOps adds is no difference, nor is an empty one that it leaves out.
    settings.insert("tfsSubscriptionId".into(), "x".into());
    settings.remove("branch");
    let found = Found {
        id: format!("{id:08}"),
        topic: Topic::Pushes,
        project_id: Some(PROJECT.into()),
        url: hook.clone(),
        state,
        settings,
        created_at: Some(Timestamp::from_ms(i64::from(id))),
        created_by: "CI Gateway".into(),
    };
    OwnedHook { found, hook }
}

fn known(generation: u32, is_proved: bool) -> Known {
    Known { generation, live_from: 1, is_proved, renewed_at: NOW, healings: 0 }
}

fn planned(desired: &[Desired], found: &[OwnedHook], known: &Known) -> Vec<Step> {
    plan(desired, found, &|_| known.clone(), &|of| of.project_id == PROJECT, NOW)
}

/// `add create`, `heal renew`, `change 00000001` …
fn lines(steps: &[Step]) -> Vec<String> {
    let line = |step: &Step| {
        let act = match &step.action {
            Action::Create => "create".to_owned(),
            Action::Renew => "renew".to_owned(),
            Action::Change { id, .. } | Action::Remove { id } => id.clone(),
            Action::Test { id } => format!("test {id}"),
            Action::Nothing => "nothing".to_owned(),
        };
        format!("{} {act}", step.kind.as_str())
    };
    steps.iter().map(line).collect()
}

fn plan_of(found: &[OwnedHook], known: &Known) -> Vec<String> {
    lines(&planned(&[desired(known.generation)], found, known))
}

#[test]
fn a_good_subscription_is_left() {
    assert!(plan_of(&[owned(1, 1, State::Enabled)], &known(1, false)).is_empty());
}

#[test]
fn a_missing_subscription_is_created() {
    assert_eq!(plan_of(&[], &known(1, false)), ["add create"]);
}

#[test]
fn a_subscription_that_drifted_is_changed_and_the_changes_are_named() {
    let mut drifted = owned(1, 1, State::Enabled);
    drifted.found.settings.insert("branch".into(), "main".into());
    let steps = planned(&[desired(1)], &[drifted], &known(1, true));
    assert_eq!(lines(&steps), ["change 00000001"]);
    let Action::Change { changes, .. } = &steps[0].action else { panic!("{steps:?}") };
    let change = Change { field: "branch".into(), from: "main".into(), to: String::new() };
    assert_eq!(*changes, [change]);
}

#[test]
fn a_subscription_with_an_older_secret_is_changed() {
    let steps = planned(&[desired(2)], &[owned(1, 1, State::Enabled)], &known(2, false));
    assert_eq!(lines(&steps), ["change 00000001"]);
    assert!(steps[0].reason.contains("secret"), "{}", steps[0].reason);
}

#[test]
fn of_duplicates_the_oldest_is_kept() {
    let found = [owned(3, 1, State::Enabled), owned(1, 1, State::Enabled)];
    assert_eq!(plan_of(&found, &known(1, false)), ["remove 00000003"]);
}

#[test]
fn a_stopped_subscription_is_removed_when_a_new_one_beside_it_has_delivered() {
    for state in [State::OnProbation, State::DisabledBySystem, State::DisabledByInactiveIdentity] {
        assert_eq!(plan_of(&[owned(1, 1, state)], &known(1, true)), ["heal renew"], "{state}");
        let both = [owned(1, 1, state), owned(2, 2, State::Enabled)];
        assert_eq!(plan_of(&both, &known(2, false)), ["wait test 00000002"], "{state}");
        assert_eq!(plan_of(&both, &known(2, true)), ["remove 00000001"], "{state}");
    }
}

#[test]
fn a_secret_that_no_subscription_has_yet_is_used_before_a_newer_one() {
    // The gateway stopped between incrementing the generation and creating the subscription.
    assert_eq!(plan_of(&[owned(1, 1, State::OnProbation)], &known(2, false)), ["heal create"]);
}

#[test]
fn healing_that_fails_is_repeated_ever_later_and_leaves_no_pile() {
    let found = [owned(1, 1, State::OnProbation), owned(2, 2, State::DisabledBySystem)];
    let since = |wait_s: u64, healings| Known {
        renewed_at: NOW.minus(Duration::from_secs(wait_s)),
        healings,
        ..known(2, false)
    };
    assert_eq!(plan_of(&found, &since(59, 1)), ["remove 00000001", "wait nothing"]);
    let left = &found[1..];
    assert_eq!(plan_of(left, &since(59, 1)), ["wait nothing"]);
    assert_eq!(plan_of(left, &since(61, 1)), ["heal renew"]);
    assert_eq!(plan_of(left, &since(119, 2)), ["wait nothing"]);
    assert_eq!(plan_of(left, &since(3_601, 40)), ["heal renew"], "an hour at most");
    let proved = Known { is_proved: true, ..since(1, 1) };
    assert_eq!(plan_of(left, &proved), ["heal renew"], "the last healing succeeded");
}

#[test]
fn a_hook_of_the_whole_organization_is_removed_after_the_projects_have_theirs() {
    let mut of_all = owned(1, 1, State::Enabled);
    of_all.found.project_id = None;
    let steps = planned(&[desired(1)], &[of_all.clone()], &known(1, false));
    assert_eq!(lines(&steps), ["add create", "wait nothing"]);
    let both = [of_all, owned(2, 1, State::Enabled)];
    assert_eq!(plan_of(&both, &known(1, false)), ["remove 00000001"]);
}

#[test]
fn a_subscription_that_a_person_switched_off_is_left() {
    let found = [owned(1, 1, State::DisabledByUser)];
    assert_eq!(plan_of(&found, &known(1, true)), ["leave nothing"]);
    assert!(planned(&[desired(1)], &found, &known(1, true)).iter().all(|step| !step.is_due()));
    let nobody_needs_it = planned(&[], &found, &known(1, true));
    assert_eq!(lines(&nobody_needs_it), ["leave nothing"]);
    let beside = [owned(1, 1, State::DisabledByUser), owned(2, 1, State::OnProbation)];
    assert_eq!(plan_of(&beside, &known(1, true)), ["leave nothing"]);
}

#[test]
fn orphans_are_removed_unless_their_project_is_hidden() {
    let found = [owned(1, 1, State::Enabled)];
    assert_eq!(lines(&planned(&[], &found, &known(1, true))), ["remove 00000001"]);
    let hidden = plan(&[], &found, &|_| Known::default(), &|_| false, NOW);
    assert_eq!(lines(&hidden), ["leave nothing"]);
    let mut of_all = found.to_vec();
    of_all[0].found.project_id = None;
    assert_eq!(lines(&planned(&[], &of_all, &known(1, true))), ["remove 00000001"]);
}

#[test]
fn a_rotation_waits_for_a_delivery_with_the_new_secret() {
    let found = [owned(1, 2, State::Enabled)];
    assert_eq!(plan_of(&found, &known(2, false)), ["wait test 00000001"]);
    assert!(plan_of(&found, &known(2, true)).is_empty());
}

/// The subscriptions and the store as plans change them.
struct Simulation {
    found: Vec<OwnedHook>,
    known: Known,
    now: Timestamp,
    last: u32,
    /// The most subscriptions that there were at one time.
    most: usize,
}

impl Simulation {
    fn plan(&self) -> Vec<Step> {
        let known = self.known.clone();
        plan(&[desired(known.generation)], &self.found, &|_| known.clone(), &|_| true, self.now)
    }

    fn execute(&mut self, step: &Step) {
        match &step.action {
            Action::Create => self.create(),
            Action::Renew => {
                self.known.generation += 1;
                self.known.healings += 1;
                self.known.renewed_at = self.now;
                self.known.is_proved = false;
                self.create();
            }
            Action::Change { id, .. } => {
                let desired = desired(self.known.generation);
                let one = self.found.iter_mut().find(|one| one.found.id == *id).unwrap();
                one.hook.clone_from(&desired.hook);
                one.found.settings = desired.settings;
            }
            Action::Remove { id } => self.found.retain(|one| one.found.id != *id),
            Action::Test { .. } => self.known.is_proved = true,
            Action::Nothing => {}
        }
        self.most = self.most.max(self.found.len());
    }

    fn create(&mut self) {
        self.last += 1;
        self.found.push(owned(self.last, self.known.generation, State::Enabled));
    }
}

fn any_state() -> impl Strategy<Value = State> {
    use State::{DisabledByInactiveIdentity, DisabledBySystem, DisabledByUser, Enabled};
    prop_oneof![
        3 => Just(Enabled),
        1 => Just(State::OnProbation),
        1 => Just(DisabledBySystem),
        1 => Just(DisabledByInactiveIdentity),
        1 => Just(DisabledByUser),
    ]
}

proptest! {
    /// Whichever subscriptions exist and whichever steps fail: in the end one delivers as desired,
    /// unless a person switched one off; and there is always one that delivers once there was.
    #[test]
    fn plans_end_with_one_that_delivers(
        states in proptest::collection::vec((any_state(), 1..4_u32, any::<bool>()), 0..5),
        generation in 1..4_u32,
        fails in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut found = Vec::new();
        for (at, (state, of, is_drifted)) in states.into_iter().enumerate() {
            let mut one = owned(u32::try_from(at).unwrap() + 1, of.min(generation), state);
            if is_drifted {
                one.found.settings.insert("branch".into(), "main".into());
            }
            found.push(one);
        }
        let is_off = found.iter().any(|one| one.found.state == State::DisabledByUser);
        let known = Known { is_proved: false, ..known(generation, false) };
        let (last, most) = (100, found.len());
        let mut simulation = Simulation { found, known, now: NOW, last, most };
        let most = most.max(1) + 1;
        let mut fails = fails.into_iter();
        for _ in 0..60 {
            let delivered = simulation.found.iter().any(|one| one.found.state == State::Enabled);
            for step in simulation.plan() {
                if !fails.next().unwrap_or(false) {
                    simulation.execute(&step);
                }
            }
            simulation.now = simulation.now.plus(Duration::from_secs(4_000));
            let delivers = simulation.found.iter().any(|one| one.found.state == State::Enabled);
            prop_assert!(delivers || !delivered, "what delivered is gone: {:?}", simulation.found);
        }
        prop_assert!(simulation.most <= most, "{} at once", simulation.most);
        let due: Vec<Step> = simulation.plan().into_iter().filter(Step::is_due).collect();
        prop_assert!(due.is_empty(), "never at rest: {due:?}");
        let desired = hook(simulation.known.generation);
        let good: BTreeMap<&str, State> = simulation
            .found
            .iter()
            .filter(|one| one.hook == desired)
            .map(|one| (one.found.id.as_str(), one.found.state))
            .collect();
        let enabled = good.values().filter(|state| **state == State::Enabled).count();
        prop_assert!(enabled == 1 || is_off, "{good:?}");
    }
}
