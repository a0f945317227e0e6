//! Limits of concurrency: how many runs may be at a CI at the same time. One is that of the check,
//! one that of the CI, over all checks and organizations.

use std::collections::BTreeMap;

use super::run::Run;
use super::run_keys::check_key;

/// Runs that share a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Those of one check, by its key.
    Check(String),
    /// Those of one CI, by its name.
    Ci(String),
}

/// The groups of a run that have a limit, each with its limit.
pub fn limits(run: &Run) -> Vec<(Group, u32)> {
    let of_check = run.concurrency.map(|limit| (Group::Check(check_key(run)), limit));
    let of_ci = run.ci_concurrency.map(|limit| (Group::Ci(run.ci.clone()), limit));
    of_check.into_iter().chain(of_ci).collect()
}

/// Whether a run may have to wait for a place. Then pull requests and refs take turns: a run for
/// which an earlier one of its check has not ended comes after all others.
pub fn is_limited(run: &Run) -> bool {
    run.concurrency.is_some() || run.ci_concurrency.is_some()
}

/// How many more runs of each group may be at the CI; of the groups that were counted.
#[derive(Clone, Debug, Default)]
pub struct Free {
    of: BTreeMap<Group, i64>,
}

impl Free {
    /// The groups of a run that were not counted yet, each with its limit.
    pub fn uncounted(&self, run: &Run) -> Vec<(Group, u32)> {
        limits(run).into_iter().filter(|(group, _)| !self.of.contains_key(group)).collect()
    }

    /// Of this group so many more runs may be at the CI.
    pub fn set(&mut self, group: Group, free: i64) {
        self.of.insert(group, free);
    }

    /// Whether a run may be started: it takes a place in each of its groups, or none.
    pub fn take(&mut self, run: &Run) -> bool {
        let limits = limits(run);
        let is_free = |group: &Group| self.of.get(group).is_some_and(|free| *free > 0);
        if !limits.iter().all(|(group, _)| is_free(group)) {
            return false;
        }
        for (group, _) in limits {
            self.of.entry(group).and_modify(|free| *free -= 1);
        }
        true
    }

    /// The keys of the checks and the names of the CIs that are at their limits. Their runs stay
    /// due; a search for runs leaves them out, so that they do not hide others.
    pub fn full(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut checks, mut cis) = (Vec::new(), Vec::new());
        for (group, _) in self.of.iter().filter(|(_, free)| **free <= 0) {
            match group {
                Group::Check(key) => checks.push(key.as_str()),
                Group::Ci(name) => cis.push(name.as_str()),
            }
        }
        (checks, cis)
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::State;
    use super::super::run::tests::run;
    use super::*;

    fn limited(check: Option<u32>, ci: Option<u32>) -> Run {
        Run { concurrency: check, ci_concurrency: ci, ..run(State::Planned) }
    }

    #[test]
    fn a_run_takes_a_place_in_each_group_or_none() {
        let (by_both, by_ci) = (limited(Some(2), Some(2)), limited(None, Some(2)));
        let mut free = Free::default();
        for (group, limit) in free.uncounted(&by_both) {
            free.set(group, limit.into());
        }
        assert!(free.uncounted(&by_both).is_empty());
        assert!(free.take(&by_ci) && free.take(&by_both));
        assert_eq!(free.full(), (vec![], vec!["jenkins"]));
        assert!(!free.take(&by_both) && !free.take(&by_ci));
        // The check has not lost the place that the CI refused.
        let by_check = limited(Some(2), None);
        assert!(free.take(&by_check) && !free.take(&by_check));
        let key = check_key(&by_check);
        assert_eq!(free.full(), (vec![key.as_str()], vec!["jenkins"]));
    }

    #[test]
    fn a_group_that_was_not_counted_has_no_place_and_a_run_without_limits_needs_none() {
        let mut free = Free::default();
        assert!(!free.take(&limited(Some(9), None)) && !free.take(&limited(None, Some(9))));
        assert!(free.uncounted(&limited(None, None)).is_empty());
        assert!(free.take(&limited(None, None)));
    }
}
