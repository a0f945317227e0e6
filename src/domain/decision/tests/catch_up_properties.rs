//! Observation by hooks, by catch-up, by both, in any order and any number of times: nothing runs
//! twice, and what is there in the end has run.

use proptest::prelude::*;

use super::super::super::catch_up::{
    Criteria, Heads, Pushes, SeenPullRequest, missed, missed_refs,
};
use super::super::super::check::Trigger;
use super::super::super::fact::{CatchUpMeta, Push};
use super::super::super::pull_request::PullRequest;
use super::super::*;
use super::world::*;

const BRANCH: &str = "refs/heads/search";
const COMMITS: [char; 9] = ['a', 'b', 'c', 'd', 'e', 'f', '1', '2', '3'];

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody pushes.
    Push,
    /// A hook tells one of the pushes so far.
    Hook(usize),
    /// Catch-up reads; what it finds is delivered so many times.
    Read { is_thorough: bool, times: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Push),
        3 => (0..COMMITS.len()).prop_map(Step::Hook),
        2 => (any::<bool>(), 1..3_usize)
            .prop_map(|(is_thorough, times)| Step::Read { is_thorough, times }),
    ]
}

/// A branch with a pull request: its pushes, one every ten seconds at most.
struct Neighbour {
    now: i64,
    pushes: Vec<Push>,
    read_until: Option<Timestamp>,
}

impl Neighbour {
    fn new() -> Self {
        let mut neighbour = Self { now: 5, pushes: vec![], read_until: None };
        neighbour.push();
        neighbour
    }

    fn push(&mut self) {
        let count = self.pushes.len();
        let Some(new) = COMMITS.get(count) else { return };
        let old = count.checked_sub(1).map_or('.', |before| COMMITS[before]);
        let pushed_at = Some(at(self.now));
        let id = i64::try_from(count).ok();
        self.pushes.push(Push { pushed_at, ..push(id, BRANCH, old, *new) });
    }

    fn criteria(&mut self, is_thorough: bool) -> (Criteria, Pushes) {
        let read_until = self.read_until.replace(at(self.now - 15));
        let criteria = Criteria {
            since: at(0),
            read_until,
            asked_at: at(self.now),
            skips_superseded_until: at(self.now),
            is_thorough,
            follows_labels: false,
            follows_closing: false,
        };
        let from = read_until.unwrap_or(at(0));
        let since = self.pushes.iter().filter(|push| push.pushed_at >= Some(from));
        (criteria, Pushes::new(since.cloned().collect(), true))
    }

    fn head(&self) -> char {
        COMMITS[self.pushes.len() - 1]
    }
}

fn by_catch_up(at: Timestamp, catch_up_meta: &CatchUpMeta) -> Observation<'_> {
    let caught_up = CaughtUp { watched_since: Some(super::world::at(0)), catch_up_meta };
    observation(Source::CatchUp, at, Some(caught_up))
}

fn read_refs(world: &mut World, neighbour: &mut Neighbour, is_thorough: bool, times: usize) {
    let (criteria, pushes) = neighbour.criteria(is_thorough);
    let list = [(BRANCH.to_owned(), sha(neighbour.head()))].into();
    let seen = Heads { prefixes: vec!["refs/heads/"], list };
    let known: Vec<_> = world.refs.clone();
    let found = missed_refs(&known, &seen, Some(&pushes), &criteria);
    assert!(found.heads.is_empty() && found.past.is_empty(), "{found:?}");
    for _ in 0..times {
        for push in &found.pushes {
            let catch_up_meta =
                CatchUpMeta { passed_over: push.superseded.clone(), ..CatchUpMeta::default() };
            let index = usize::try_from(push.push_id).unwrap();
            let observation = by_catch_up(push.at, &catch_up_meta);
            let decision = world.decide_push_observed(&observation, &neighbour.pushes[index]);
            world.commit(&decision);
        }
    }
}

fn listed(neighbour: &Neighbour, head: char) -> SeenPullRequest {
    let pull_request = PullRequest { source_commit: Some(sha(head)), ..pull_request() };
    SeenPullRequest { pull_request, created_at: neighbour.pushes[0].pushed_at, closed_at: None }
}

fn read_pull_request(
    world: &mut World,
    neighbour: &mut Neighbour,
    is_thorough: bool,
    times: usize,
) {
    let (criteria, pushes) = neighbour.criteria(is_thorough);
    let seen = listed(neighbour, neighbour.head());
    let Some(missed) = missed(world.remembered.as_ref(), &seen, &pushes, &criteria) else { return };
    let catch_up_meta = CatchUpMeta { came_back: missed.came_back, ..CatchUpMeta::default() };
    for _ in 0..times {
        let decision =
            world.decide_observed(&by_catch_up(missed.at, &catch_up_meta), &seen.pull_request);
        world.commit(&decision);
    }
}

fn ran_once(world: &World, head: char) -> Result<(), TestCaseError> {
    let mut ran = named(&world.runs);
    let count = ran.len();
    ran.sort();
    ran.dedup();
    prop_assert_eq!(ran.len(), count, "something ran twice: {:?}", named(&world.runs));
    let head = format!("unit@{head}");
    prop_assert!(ran.contains(&head), "{head} did not run: {ran:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_push_runs_once_at_most_and_the_last_one_does(
        story in prop::collection::vec(step(), 1..40),
    ) {
        let (mut world, mut neighbour) =
            (World::of([check("unit", &[Trigger::Push])]), Neighbour::new());
        for step in story {
            neighbour.now += 10;
            match step {
                Step::Push => neighbour.push(),
                Step::Hook(which) => {
                    let which = which.min(neighbour.pushes.len() - 1);
                    world.deliver_push(&neighbour.pushes[which].clone());
                }
                Step::Read { is_thorough, times } => {
                    read_refs(&mut world, &mut neighbour, is_thorough, times);
                }
            }
        }
        neighbour.now += 10;
        read_refs(&mut world, &mut neighbour, true, 1);
        ran_once(&world, neighbour.head())?;
    }

    #[test]
    fn each_head_of_a_pull_request_runs_once_at_most_and_the_last_one_does(
        story in prop::collection::vec(step(), 1..40),
    ) {
        let check = Check { supersede: false, ..check("unit", &[Trigger::PullRequest]) };
        let (mut world, mut neighbour) = (World::of([check]), Neighbour::new());
        for step in story {
            neighbour.now += 10;
            match step {
                Step::Push => neighbour.push(),
                Step::Hook(which) => {
                    let which = which.min(neighbour.pushes.len() - 1);
                    // Azure DevOps makes the event a little later than the push.
                    let at = neighbour.pushes[which].pushed_at.unwrap();
                    let at = at.plus(Duration::from_secs(1));
                    let seen = listed(&neighbour, COMMITS[which]).pull_request;
                    let decision = world.decide(Source::Hook, at, &seen);
                    world.commit(&decision);
                }
                Step::Read { is_thorough, times } => {
                    read_pull_request(&mut world, &mut neighbour, is_thorough, times);
                }
            }
        }
        neighbour.now += 10;
        read_pull_request(&mut world, &mut neighbour, true, 1);
        ran_once(&world, neighbour.head())?;
    }
}
