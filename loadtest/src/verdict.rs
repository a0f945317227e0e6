//! Budgets: what a number must be, what was measured instead, and whether that is enough.

use serde::Serialize;

use crate::table::{number, print_table};

/// One number of every round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// What a number must be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    /// There is no budget; the number is shown for the reader.
    None,
}

/// A budget and what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// With its unit.
    what: String,
    limit: Limit,
    measured: Spread,
    /// Nothing where there is no limit, or where the conditions were not those of the budget.
    is_met: Option<bool>,
}

impl Spread {
    /// Zero throughout where there are no numbers.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |position: usize| sorted.get(position).copied().unwrap_or_default();
        let (low, high) = (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
        let (min, max) = (at(0), at(sorted.len().saturating_sub(1)));
        Self { median: low.midpoint(high), min, max }
    }
}

impl Verdict {
    /// Judges the median.
    pub(crate) fn new(what: impl Into<String>, limit: Limit, measured: Spread) -> Self {
        Self { what: what.into(), limit, measured, is_met: limit.is_met_by(measured.median) }
    }

    /// Judges a number that was measured once.
    pub(crate) fn once(what: impl Into<String>, limit: Limit, measured: f64) -> Self {
        Self::new(what, limit, Spread::of([measured]))
    }

    /// Judges the largest number instead of the median: the limit holds in every round.
    pub(crate) fn in_every_round(self) -> Self {
        Self { is_met: self.limit.is_met_by(self.measured.max), ..self }
    }

    /// Judges nothing where the conditions are not those of the budget; the number is still shown.
    pub(crate) fn only_if(self, is_judged: bool) -> Self {
        Self { is_met: self.is_met.filter(|_| is_judged), ..self }
    }

    fn row(&self) -> Vec<String> {
        let limit = match self.limit {
            Limit::AtLeast(least) => format!(">= {}", number(least)),
            Limit::AtMost(most) => format!("<= {}", number(most)),
            Limit::None => "-".into(),
        };
        let verdict = match (self.is_met, self.limit) {
            (Some(true), _) => "ok",
            (Some(false), _) => "missed",
            (None, Limit::None) => "",
            (None, _) => "not judged",
        };
        let Spread { median, min, max } = self.measured;
        let spread = format!("{} - {}", number(min), number(max));
        vec![self.what.clone(), limit, number(median), spread, verdict.into()]
    }
}

impl Limit {
    fn is_met_by(self, measured: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(measured >= least),
            Self::AtMost(most) => Some(measured <= most),
            Self::None => None,
        }
    }
}

pub(crate) fn print_verdicts(verdicts: &[Verdict]) {
    let rows: Vec<_> = verdicts.iter().map(Verdict::row).collect();
    print_table(&["what", "budget", "measured (median)", "min - max", "verdict"], &rows);
}

#[cfg(test)]
mod tests {
    use super::{Limit, Spread, Verdict};

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]).max, 0.0);
    }

    #[test]
    fn a_promise_is_judged_by_its_worst_round() {
        let verdict = Verdict::new("back, ms", Limit::AtMost(2.0), Spread::of([1.0, 1.0, 3.0]));
        assert_eq!(verdict.is_met, Some(true));
        assert_eq!(verdict.in_every_round().is_met, Some(false));
    }
}
