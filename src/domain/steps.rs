//! The steps of a run: what happened to it, for people who ask why it is as it is. No decision
//! looks at them.

use serde::{Deserialize, Serialize};

use super::run_state::{Reported, Sender, State};
use super::time::Timestamp;

/// Of a run with more steps the first and the last ones are kept.
const FIRST_KEPT: usize = 8;
const LAST_KEPT: usize = 24;

/// The steps of a run, in the order in which they happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steps(Vec<Step>);

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub at: Timestamp,
    pub what: What,
    /// The state of the run after it.
    pub state: State,
    /// The reason of the run after it; of an attempt, what the CI answered; of a report that did
    /// not count, why not.
    pub words: String,
    /// How many steps before this one were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u32,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Planned,
    /// The CI was asked to start it, or whether it has it, and answered after so long.
    Attempt {
        ms: u32,
    },
    /// A report that changed the run.
    Report {
        by: Sender,
    },
    /// A report that did not count.
    RefusedReport {
        by: Sender,
        reported: Reported,
    },
    /// A runner took it, gave it back or was lost.
    Lease,
    /// The gateway or a person ended it.
    Ended,
}

impl What {
    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Planned => "planned",
            What::Attempt { .. } => "attempt",
            What::Report { .. } => "report",
            What::RefusedReport { .. } => "refused_report",
            What::Lease => "lease",
            What::Ended => "ended",
        }
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Steps {
    /// In the order in which they happened.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// Adds a step.
    pub fn push(&mut self, step: Step) {
        self.0.push(step);
        if self.0.len() > FIRST_KEPT + LAST_KEPT {
            let left_out = self.0.remove(FIRST_KEPT);
            if let Some(next) = self.0.get_mut(FIRST_KEPT) {
                next.skipped = left_out.skipped.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_steps_are_kept_and_how_many_are_not() {
        let mut steps = Steps::default();
        for second in 0..100_i64 {
            let (at, what) = (Timestamp::from_ms(second * 1_000), What::Attempt { ms: 3 });
            let words = second.to_string();
            steps.push(Step { at, what, state: State::Planned, words, skipped: 0 });
        }
        let words: Vec<_> = steps.iter().map(|step| step.words.clone()).collect();
        let kept: Vec<_> = (0..8).chain(76..100).map(|second| second.to_string()).collect();
        assert_eq!(words, kept);
        let skipped: Vec<_> = steps.iter().map(|step| step.skipped).collect();
        assert_eq!((skipped[8], skipped.iter().sum::<u32>()), (68, 68));
    }
}
