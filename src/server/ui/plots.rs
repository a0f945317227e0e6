//! The last hour, minute by minute: how much happened, and how long it took.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;

use super::moment::span;
use super::visit::Visit;
use crate::domain::time::Timestamp;
use crate::series::minute;
use crate::server::problem::Problem;
use crate::storage::MinuteRow;

const MINUTES: usize = 60;
const HOUR: Duration = Duration::from_secs(3_600);

/// What is plotted: its heading, the series, and what took the time.
type Plotted = (&'static str, &'static str, &'static str);

const PLOTTED: [Plotted; 3] = [
    ("Deliveries", "decided", "until the decision"),
    ("Runs", "started", "until the CI has it"),
    ("Statuses", "shown", "until it is shown"),
];

const PLOTTED_OF_CI: [Plotted; 2] =
    [("Started", "ci_started", "until the CI has it"), ("Not started", "ci_not_started", "")];

/// One series in the last hour.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = "<li><h3>{{ heading }}</h3>\
              <svg class=\"plot\" viewBox=\"0 0 59 20\" preserveAspectRatio=\"none\" \
              aria-hidden=\"true\"><polyline points=\"{{ points }}\"/></svg>\
              <p><b>{{ total }}</b> in the last hour, at most {{ most }} a minute</p>\
              {% if let Some(spans) = spans %}<p class=\"muted\">{{ spans }}</p>{% endif %}</li>"
)]
pub(super) struct Plot {
    heading: &'static str,
    points: String,
    total: i64,
    most: i64,
    /// How long it took.
    spans: Option<String>,
}

impl HtmlSafe for Plot {}

/// The plots of the overview. A process stores a minute when it is over.
///
/// # Errors
/// The store does not answer.
pub(super) async fn last_hour(visit: &Visit) -> Result<Vec<Plot>, Problem> {
    plots(visit, &PLOTTED, "").await
}

/// The plots of one CI.
///
/// # Errors
/// The store does not answer.
pub(super) async fn of_ci(visit: &Visit, name: &str) -> Result<Vec<Plot>, Problem> {
    plots(visit, &PLOTTED_OF_CI, &format!("/{name}")).await
}

/// `of` is behind the name of each series.
async fn plots(visit: &Visit, plotted: &[Plotted], of: &str) -> Result<Vec<Plot>, Problem> {
    let since = minute(visit.now).minus(HOUR);
    let series = plotted.iter().flat_map(|(_, name, _)| names(name, of)).collect();
    let rows = visit.state.deps.store.minutes(series, since).await?;
    Ok(plotted.iter().map(|plotted| plot(*plotted, of, &rows, since)).collect())
}

/// The series of a count, of the medians, and of the slow ones.
fn names(name: &str, of: &str) -> [String; 3] {
    ["", ".p50", ".p95"].map(|suffix| format!("{name}{suffix}{of}"))
}

fn plot((heading, name, until): Plotted, of: &str, rows: &[MinuteRow], since: Timestamp) -> Plot {
    let [count_of, median_of, slow_of] = names(name, of);
    // Of several processes the numbers add up, and the longest span counts.
    let mut counts = [0_i64; MINUTES];
    let (mut medians, mut slow) = (Vec::new(), Vec::new());
    for row in rows {
        let number = row.at.since(since).as_secs() / 60;
        let count = usize::try_from(number).ok().and_then(|number| counts.get_mut(number));
        let Some(count) = count else { continue };
        match &row.series {
            series if *series == count_of => *count += row.value,
            series if *series == median_of => medians.push(row.value),
            series if *series == slow_of => slow.push(row.value),
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    // From 1 to 19, so that the line is not cut at the edges.
    let height = |count: i64| 19 - count * 18 / most.max(1);
    let points = counts.iter().enumerate();
    let points = points.map(|(number, count)| format!("{number},{}", height(*count)));
    let us = |us: i64| span(Duration::from_micros(us.unsigned_abs()));
    medians.sort_unstable();
    let median = medians.get(medians.len() / 2).copied();
    let slow = slow.into_iter().max();
    Plot {
        heading,
        points: points.collect::<Vec<_>>().join(" "),
        total: counts.iter().sum(),
        most,
        spans: median.zip(slow).map(|(median, slow)| {
            format!("{} {until} (median), {} in the slowest minute (p95)", us(median), us(slow))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_add_up_and_the_line_stays_inside() {
        let since = Timestamp::from_ms(1_790_000_040_000);
        let row = |series: &str, number: u64, value| MinuteRow {
            at: since.plus(Duration::from_secs(60 * number)),
            series: series.into(),
            value,
        };
        let rows = [
            row("shown", 0, 4),
            row("shown", 59, 4),
            row("shown", 59, 6),
            row("shown", 60, 100),
            row("shown.p50", 59, 300_000),
            row("shown.p95", 59, 900_000),
            row("other", 3, 50),
        ];
        let plot = plot(PLOTTED[2], "", &rows, since);
        assert_eq!((plot.total, plot.most), (14, 10));
        assert!(plot.points.starts_with("0,12 1,19 ") && plot.points.ends_with(" 59,1"));
        let spans = plot.spans.unwrap();
        assert!(spans.starts_with("300 ms until it is shown (median), 900 ms"), "{spans}");
    }
}
