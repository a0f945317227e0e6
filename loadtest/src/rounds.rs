//! Rounds of measurements. Everything that is compared is measured once in each round, so that the
//! noise of the machine hits all of it, and a ratio is taken within a round.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::table::{number, print_table};
use crate::verdict::{Limit, Spread, Verdict};

/// Named numbers of one subject.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// What was measured, such as a server or a rate.
    pub(crate) subject: String,
    #[serde(serialize_with = "as_map")]
    figures: Vec<(&'static str, f64)>,
    /// Counts by kind beside the figures, such as answers other than success.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Whether other processes took so much of the cores that the numbers say little.
    pub(crate) is_disturbed: bool,
}

/// All measurements, round by round.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Rounds(Vec<Vec<Measurement>>);

fn as_map<S: Serializer>(figures: &[(&'static str, f64)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(figures.iter().copied())
}

impl Measurement {
    /// The name of a figure ends with its unit.
    pub(crate) fn new(
        subject: impl Into<String>,
        figures: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Self {
        Self {
            subject: subject.into(),
            figures: figures.into_iter().collect(),
            counts: BTreeMap::new(),
            is_disturbed: false,
        }
    }

    pub(crate) fn add(&mut self, figure: &'static str, value: f64) {
        self.figures.push((figure, value));
    }

    pub(crate) fn get(&self, figure: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| *name == figure).map(|(_, value)| *value)
    }

    /// All of it in one line.
    pub(crate) fn line(&self) -> String {
        let figures = self.figures.iter().map(|(name, value)| format!("{name} {}", number(*value)));
        format!("{}: {}", self.subject, figures.collect::<Vec<_>>().join(", "))
    }

    fn row(&self) -> Vec<String> {
        let figures = self.figures.iter().map(|(_, value)| number(*value));
        let mark = if self.is_disturbed { "disturbed" } else { "" };
        let subject = std::iter::once(self.subject.clone());
        subject.chain(figures).chain([mark.to_owned()]).collect()
    }

    /// Whether both have the same columns.
    fn is_like(&self, other: &Self) -> bool {
        self.figures.iter().map(|(name, _)| name).eq(other.figures.iter().map(|(name, _)| name))
    }
}

impl Rounds {
    /// Adds a round and prints it, in one table for each set of figures.
    pub(crate) fn add(&mut self, round: Vec<Measurement>) {
        println!("\nround {}", self.0.len() + 1);
        let mut printed: Vec<&Measurement> = Vec::new();
        for first in &round {
            if printed.iter().any(|other| other.is_like(first)) {
                continue;
            }
            let figures = first.figures.iter().map(|(name, _)| *name);
            let head: Vec<_> = std::iter::once("").chain(figures).collect();
            let rows = round.iter().filter(|one| one.is_like(first)).map(Measurement::row);
            print_table(&head, &rows.collect::<Vec<_>>());
            printed.push(first);
        }
        for measurement in &round {
            for (kind, count) in &measurement.counts {
                println!("  {}: {count} x {kind}", measurement.subject);
            }
        }
        self.0.push(round);
    }

    /// Adds a round of a single measurement, without printing it.
    pub(crate) fn add_sample(&mut self, sample: Measurement) {
        self.0.push(vec![sample]);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Measurement> {
        self.0.iter().flatten()
    }

    /// Judges a figure of a subject by the rounds in which nothing disturbed it; where each was
    /// disturbed, all of them are shown and none is judged.
    pub(crate) fn figure(
        &self,
        what: impl Into<String>,
        subject: &str,
        figure: &str,
        limit: Limit,
    ) -> Verdict {
        self.judge(what.into(), limit, |round| find(round, subject, figure))
    }

    /// Judges the ratio of a figure to the same figure of another subject in the same round.
    pub(crate) fn ratio(
        &self,
        what: impl Into<String>,
        [subject, baseline]: [&str; 2],
        figure: &str,
        limit: Limit,
    ) -> Verdict {
        self.judge(what.into(), limit, |round| {
            let (measured, is_disturbed) = find(round, subject, figure)?;
            let (base, is_base_disturbed) = find(round, baseline, figure)?;
            Some((measured / base.max(f64::EPSILON), is_disturbed || is_base_disturbed))
        })
    }

    /// The calm median of a figure, for limits that depend on another measurement.
    pub(crate) fn median(&self, subject: &str, figure: &str) -> f64 {
        Spread::of(self.0.iter().filter_map(|round| Some(find(round, subject, figure)?.0))).median
    }

    fn judge(
        &self,
        what: String,
        limit: Limit,
        of: impl Fn(&[Measurement]) -> Option<(f64, bool)>,
    ) -> Verdict {
        let all: Vec<_> = self.0.iter().filter_map(|round| of(round)).collect();
        let is_calm = all.iter().any(|(_, is_disturbed)| !is_disturbed);
        let used = all.iter().filter(|(_, is_disturbed)| !is_calm || !is_disturbed);
        Verdict::new(what, limit, Spread::of(used.map(|(value, _)| *value))).only_if(is_calm)
    }
}

/// A figure, and whether its measurement was disturbed. A subject may have several measurements in
/// a round, with different figures.
fn find(round: &[Measurement], subject: &str, figure: &str) -> Option<(f64, bool)> {
    let of_subject = round.iter().filter(|one| one.subject == subject);
    of_subject.filter_map(|one| Some((one.get(figure)?, one.is_disturbed))).next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Limit, Measurement, Rounds};

    fn rounds(disturbed: [bool; 3]) -> Rounds {
        let round = |(number, is_disturbed): (f64, bool)| {
            let fast = Measurement::new("fast", [("per_second", 10.0 * number)]);
            let slow = Measurement::new("slow", [("per_second", number * number)]);
            vec![Measurement { is_disturbed, ..fast }, slow]
        };
        Rounds([1.0, 2.0, 4.0].into_iter().zip(disturbed).map(round).collect())
    }

    #[test]
    fn a_ratio_is_taken_within_each_calm_round() {
        let judged = |rounds: &Rounds| {
            let ratio = rounds.ratio("x", ["slow", "fast"], "per_second", Limit::AtLeast(0.2));
            serde_json::to_value(ratio).unwrap()
        };
        let calm = judged(&rounds([false, false, true]));
        assert_eq!(
            calm["measured"],
            json!({"median": 0.15000000000000002, "min": 0.1, "max": 0.2})
        );
        assert_eq!(calm["is_met"], json!(false));
        let disturbed = judged(&rounds([true, true, true]));
        assert_eq!(disturbed["measured"]["max"], json!(0.4));
        assert_eq!(disturbed["is_met"], json!(null), "nothing is judged");
    }
}
