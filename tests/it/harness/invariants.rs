//! The invariants that hold whatever happened, written once for stories, chaos and crash tests.
//! They are judged by what the neighbours saw, not by what the gateway says.

use std::collections::BTreeMap;

use fakes::ado::World;
use fakes::ado::model::Status;
use fakes::ci;

/// The status that people see: the newest of that check on the newest iteration of a commit.
pub(crate) fn newest_status<'a>(
    ado: &'a World,
    pull_request: u64,
    commit: &str,
    check: &str,
) -> Option<&'a Status> {
    let pull_request = ado.pull_request(pull_request);
    let iteration = pull_request.iterations.iter().rev().find(|one| one.source == commit)?.id;
    let is_it = |status: &&Status| status.iteration == Some(iteration) && status.name == check;
    pull_request.statuses.iter().rev().find(is_it)
}

/// Fails the test with every invariant that does not hold.
pub(crate) fn check_invariants(ado: &World, ci: &ci::World) {
    let always = |_: &Status, _: &Status| true;
    let broken =
        [started_once(ci), unchanged_when_repeated(ci), final_stays_final(ado, always)].concat();
    assert!(broken.is_empty(), "these promises are broken:\n{}", broken.join("\n"));
}

/// Like [`check_invariants`], for tests in which people go back to an earlier commit, so that it
/// is built more than once.
pub(crate) fn check_invariants_with_rebuilds(ado: &World, ci: &ci::World) {
    // A run of the same commit for another target branch may still post to the same iteration.
    let of_one_run = |before: &Status, after: &Status| {
        before.target_url.is_some() && before.target_url == after.target_url
    };
    let broken = [unchanged_when_repeated(ci), final_stays_final(ado, of_one_run)].concat();
    assert!(broken.is_empty(), "these promises are broken:\n{}", broken.join("\n"));
}

/// Promises 4 and 6: one event starts one run per check, once.
fn started_once(ci: &ci::World) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for start in ci.started() {
        let subject = start.trigger["pull_request"]["id"].to_string();
        let key = format!("{} {} {} {}", start.check, start.commit, subject, start.trigger["ref"]);
        *seen.entry(key).or_default() += 1;
    }
    let twice = seen.into_iter().filter(|(_, count)| *count > 1);
    twice.map(|(key, count)| format!("{key} was started {count} times")).collect()
}

/// Promise 6: every attempt to start a run sends the same.
fn unchanged_when_repeated(ci: &ci::World) -> Vec<String> {
    let differs = |start: &&ci::Start| start.differences.iter().any(|key| key != "attempt");
    ci.triggered()
        .filter(differs)
        .map(|start| format!("run {} was repeated with other {:?}", start.run, start.differences))
        .collect()
}

/// Promise 7: for one context and iteration, pending never follows a final state.
fn final_stays_final(ado: &World, counts: impl Fn(&Status, &Status) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for pull_request in ado.pull_requests() {
        let mut last: BTreeMap<(Option<u64>, &str), &Status> = BTreeMap::new();
        for status in &pull_request.statuses {
            let before = last.insert((status.iteration, &status.name), status);
            if let Some(before) = before
                && ["succeeded", "failed"].contains(&before.state.as_str())
                && status.state == "pending"
                && counts(before, status)
            {
                let (id, name) = (pull_request.id, &status.name);
                broken.push(format!("pull request {id}: {name} went back to pending"));
            }
        }
    }
    broken
}
