//! What is planned for one hook_scope and for many: what delivers is kept, what lost its need goes,
//! and carrying a plan out leads to one that has nothing to do. It must never ask anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::subscription::{Settings, Topic};

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

fn wanted(generation: u32) -> Wanted {
    let hook = hook(generation);
    Wanted {
        hook_scope: hook_scope(),
        project: "Fabrikam".into(),
        settings: settings(&hook),
        hook,
        checks: vec!["unit-tests".into()],
    }
}

fn ours(id: u32, generation: u32, state: State) -> OwnedHook {
    let hook = hook(generation);
    let mut settings = settings(&hook);
    // What Azure DevOps adds is no difference, and neither is an empty value that it leaves out.
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

fn planned(wanted: &[Wanted], found: &[OwnedHook], known: &Known) -> Vec<Step> {
    let projects = BTreeSet::from([PROJECT.to_owned()]);
    plan(wanted, found, &|_| known.clone(), &projects, NOW)
}

/// `add create`, `heal renew`, `change 00000001` …
fn told(steps: &[Step]) -> Vec<String> {
    let told = |step: &Step| {
        let act = match &step.act {
            Act::Create => "create".to_owned(),
            Act::Renew => "renew".to_owned(),
            Act::Change { id, .. } | Act::Remove { id } => id.clone(),
            Act::Test { id } => format!("test {id}"),
            Act::Nothing => "nothing".to_owned(),
        };
        format!("{} {act}", step.kind.as_str())
    };
    steps.iter().map(told).collect()
}

fn plan_of(found: &[OwnedHook], known: &Known) -> Vec<String> {
    told(&planned(&[wanted(known.generation)], found, known))
}

#[test]
fn what_is_as_it_should_be_is_left() {
    assert!(plan_of(&[ours(1, 1, State::Enabled)], &known(1, false)).is_empty());
}

#[test]
fn what_lacks_is_created() {
    assert_eq!(plan_of(&[], &known(1, false)), ["add create"]);
}

#[test]
fn what_drifted_is_changed_and_says_in_what() {
    let mut drifted = ours(1, 1, State::Enabled);
    drifted.found.settings.insert("branch".into(), "main".into());
    let steps = planned(&[wanted(1)], &[drifted], &known(1, true));
    assert_eq!(told(&steps), ["change 00000001"]);
    let Act::Change { changes, .. } = &steps[0].act else { panic!("{steps:?}") };
    let change = Change { field: "branch".into(), from: "main".into(), to: String::new() };
    assert_eq!(*changes, [change]);
}

#[test]
fn an_older_secret_is_a_change() {
    let steps = planned(&[wanted(2)], &[ours(1, 1, State::Enabled)], &known(2, false));
    assert_eq!(told(&steps), ["change 00000001"]);
    assert!(steps[0].why.contains("secret"), "{}", steps[0].why);
}

#[test]
fn of_duplicates_the_oldest_is_kept() {
    let found = [ours(3, 1, State::Enabled), ours(1, 1, State::Enabled)];
    assert_eq!(plan_of(&found, &known(1, false)), ["remove 00000003"]);
}

#[test]
fn what_azure_devops_stopped_gets_a_new_one_beside_it_and_goes_when_that_one_delivers() {
    for state in [State::OnProbation, State::DisabledBySystem, State::DisabledByInactiveIdentity] {
        assert_eq!(plan_of(&[ours(1, 1, state)], &known(1, true)), ["heal renew"], "{state}");
        let both = [ours(1, 1, state), ours(2, 2, State::Enabled)];
        assert_eq!(plan_of(&both, &known(2, false)), ["wait test 00000002"], "{state}");
        assert_eq!(plan_of(&both, &known(2, true)), ["remove 00000001"], "{state}");
    }
}

#[test]
fn a_new_secret_without_its_subscription_is_used_first() {
    // The gateway stopped between counting the secret on and creating the subscription.
    assert_eq!(plan_of(&[ours(1, 1, State::OnProbation)], &known(2, false)), ["heal create"]);
}

#[test]
fn what_cannot_be_healed_is_tried_ever_more_seldom_and_does_not_pile_up() {
    let found = [ours(1, 1, State::OnProbation), ours(2, 2, State::DisabledBySystem)];
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
    assert_eq!(plan_of(left, &proved), ["heal renew"], "the last healing came to something");
}

#[test]
fn a_hook_of_the_whole_organization_goes_after_those_of_the_projects_came() {
    let mut of_all = ours(1, 1, State::Enabled);
    of_all.found.project_id = None;
    let steps = planned(&[wanted(1)], &[of_all.clone()], &known(1, false));
    assert_eq!(told(&steps), ["add create", "wait nothing"]);
    let both = [of_all, ours(2, 1, State::Enabled)];
    assert_eq!(plan_of(&both, &known(1, false)), ["remove 00000001"]);
}

#[test]
fn what_a_person_switched_off_stays_so() {
    let found = [ours(1, 1, State::DisabledByUser)];
    assert_eq!(plan_of(&found, &known(1, true)), ["leave nothing"]);
    assert!(planned(&[wanted(1)], &found, &known(1, true)).iter().all(|step| !step.is_due()));
    let nobody_needs_it = planned(&[], &found, &known(1, true));
    assert_eq!(told(&nobody_needs_it), ["leave nothing"]);
    let beside = [ours(1, 1, State::DisabledByUser), ours(2, 1, State::OnProbation)];
    assert_eq!(plan_of(&beside, &known(1, true)), ["leave nothing"]);
}

#[test]
fn orphans_go_unless_their_project_is_only_hidden() {
    let found = [ours(1, 1, State::Enabled)];
    assert_eq!(told(&planned(&[], &found, &known(1, true))), ["remove 00000001"]);
    let hidden = plan(&[], &found, &|_| Known::default(), &BTreeSet::new(), NOW);
    assert_eq!(told(&hidden), ["leave nothing"]);
    let mut of_all = found.to_vec();
    of_all[0].found.project_id = None;
    assert_eq!(told(&planned(&[], &of_all, &known(1, true))), ["remove 00000001"]);
}

#[test]
fn a_rotation_waits_for_a_delivery_with_the_new_secret() {
    let found = [ours(1, 2, State::Enabled)];
    assert_eq!(plan_of(&found, &known(2, false)), ["wait test 00000001"]);
    assert!(plan_of(&found, &known(2, true)).is_empty());
}

/// Azure DevOps and our hook_state as a plan changes them, for playing plans until nothing is due.
struct Played {
    found: Vec<OwnedHook>,
    known: Known,
    now: Timestamp,
    last: u32,
    /// Most that ever delivered or might again.
    most: usize,
}

impl Played {
    fn plan(&self) -> Vec<Step> {
        let projects = BTreeSet::from([PROJECT.to_owned()]);
        let known = self.known.clone();
        plan(&[wanted(known.generation)], &self.found, &|_| known.clone(), &projects, self.now)
    }

    fn carry_out(&mut self, step: &Step) {
        match &step.act {
            Act::Create => self.create(),
            Act::Renew => {
                self.known.generation += 1;
                self.known.healings += 1;
                self.known.renewed_at = self.now;
                self.known.is_proved = false;
                self.create();
            }
            Act::Change { id, .. } => {
                let wanted = wanted(self.known.generation);
                let one = self.found.iter_mut().find(|one| one.found.id == *id).unwrap();
                one.hook.clone_from(&wanted.hook);
                one.found.settings = wanted.settings;
            }
            Act::Remove { id } => self.found.retain(|one| one.found.id != *id),
            Act::Test { .. } => self.known.is_proved = true,
            Act::Nothing => {}
        }
        self.most = self.most.max(self.found.len());
    }

    fn create(&mut self) {
        self.last += 1;
        self.found.push(ours(self.last, self.known.generation, State::Enabled));
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
    /// Whatever is there, whichever steps fail: in the end one delivers as wanted, unless a person
    /// switched one off; and what delivered is never taken away before something else does.
    #[test]
    fn plans_end_with_one_that_delivers(
        states in proptest::collection::vec((any_state(), 1..4_u32, any::<bool>()), 0..5),
        generation in 1..4_u32,
        fails in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut found = Vec::new();
        for (at, (state, of, is_drifted)) in states.into_iter().enumerate() {
            let mut one = ours(u32::try_from(at).unwrap() + 1, of.min(generation), state);
            if is_drifted {
                one.found.settings.insert("branch".into(), "main".into());
            }
            found.push(one);
        }
        let is_off = found.iter().any(|one| one.found.state == State::DisabledByUser);
        let known = Known { is_proved: false, ..known(generation, false) };
        let (last, most) = (100, found.len());
        let mut played = Played { found, known, now: NOW, last, most };
        let most = most.max(1) + 1;
        let mut fails = fails.into_iter();
        for _ in 0..60 {
            let delivered = played.found.iter().any(|one| one.found.state == State::Enabled);
            for step in played.plan() {
                if !fails.next().unwrap_or(false) {
                    played.carry_out(&step);
                }
            }
            played.now = played.now.plus(Duration::from_secs(4_000));
            let delivers = played.found.iter().any(|one| one.found.state == State::Enabled);
            prop_assert!(delivers || !delivered, "what delivered is gone: {:?}", played.found);
        }
        prop_assert!(played.most <= most, "{} at once", played.most);
        let due: Vec<Step> = played.plan().into_iter().filter(Step::is_due).collect();
        prop_assert!(due.is_empty(), "never at rest: {due:?}");
        let wanted = hook(played.known.generation);
        let good: BTreeMap<&str, State> = played
            .found
            .iter()
            .filter(|one| one.hook == wanted)
            .map(|one| (one.found.id.as_str(), one.found.state))
            .collect();
        let enabled = good.values().filter(|state| **state == State::Enabled).count();
        prop_assert!(enabled == 1 || is_off, "{good:?}");
    }
}
