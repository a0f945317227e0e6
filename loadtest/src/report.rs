//! Tables and verdicts: what is printed, and the same as JSON. It must never measure.

use serde::Serialize;

/// One number of every round, summed up.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Zero throughout when there was no round.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |position: usize| sorted.get(position).copied().unwrap_or_default();
        let (low, high) = (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
        let (min, max) = (at(0), at(sorted.len().saturating_sub(1)));
        Self { median: low.midpoint(high), min, max }
    }
}

/// What a number must be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    /// For the reader only.
    None,
}

/// A budget and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) limit: Limit,
    pub(crate) measured: Spread,
    /// Nothing where there is no limit, or where it could not be judged.
    pub(crate) is_met: Option<bool>,
}

impl Verdict {
    /// Judges the median.
    pub(crate) fn new(
        what: impl Into<String>,
        unit: &'static str,
        limit: Limit,
        measured: Spread,
    ) -> Self {
        let is_met = match limit {
            Limit::AtLeast(least) => Some(measured.median >= least),
            Limit::AtMost(most) => Some(measured.median <= most),
            Limit::None => None,
        };
        Self { what: what.into(), unit, limit, measured, is_met }
    }

    /// What was measured under other conditions than the budget's is shown, and not judged.
    pub(crate) fn only_if(self, is_judged: bool) -> Self {
        Self { is_met: self.is_met.filter(|_| is_judged), ..self }
    }

    fn row(&self) -> Vec<String> {
        let limit = match self.limit {
            Limit::AtLeast(least) => format!(">= {} {}", number(least), self.unit),
            Limit::AtMost(most) => format!("<= {} {}", number(most), self.unit),
            Limit::None => "-".into(),
        };
        let Spread { median, min, max } = self.measured;
        let verdict = match self.is_met {
            Some(true) => "ok",
            Some(false) => "missed",
            None if matches!(self.limit, Limit::None) => "",
            None => "not judged",
        };
        vec![
            self.what.clone(),
            limit.trim_end().into(),
            format!("{} {}", number(median), self.unit).trim_end().into(),
            format!("{} - {}", number(min), number(max)),
            verdict.into(),
        ]
    }
}

/// The last table.
pub(crate) fn print_verdicts(verdicts: &[Verdict]) {
    let rows: Vec<_> = verdicts.iter().map(Verdict::row).collect();
    print_table(&["what", "budget", "measured (median)", "min - max", "verdict"], &rows);
}

/// Columns as wide as their widest cell.
pub(crate) fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in all() {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            format!("{cell:<width$}")
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Three significant digits, or all that stand before the point.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]).max, 0.0);
    }
}
