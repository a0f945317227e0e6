//! The last hour, minute by minute: how much happened, and how long it took.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;

use super::moment::span;
use super::visit::Visit;
use crate::domain::time::Timestamp;
use crate::series::minute;
use crate::server::problem::Problem;
use crate::storage::{HourRow, MinuteRow};

const MINUTES: usize = 60;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Days before this one whose same hour says what is usual. Minutes are kept for a day more.
const USUAL_DAYS: u32 = 7;

/// What is plotted: its heading, the series, and what took the time.
type Plotted = (&'static str, &'static str, &'static str);

const PLOTTED: [Plotted; 3] = [
    ("Deliveries", "decided", "until the decision"),
    ("Runs", "started", "until the CI has it"),
    ("Statuses", "shown", "until it is shown"),
];

const PLOTTED_OF_CI: [Plotted; 2] =
    [("Started", "ci_started", "until the CI has it"), ("Not started", "ci_not_started", "")];

/// How long after its events Azure DevOps told of them.
const DELIVERED: &str = "delivered";

/// One series in the last hour.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = "<li><h3>{{ heading }}</h3>\
              <svg class=\"plot\" viewBox=\"0 0 59 20\" preserveAspectRatio=\"none\" \
              aria-hidden=\"true\"><polyline points=\"{{ points }}\"/></svg>\
              <p>{{ before }}<b>{{ figure }}</b>{{ after }}</p>\
              {% if let Some(spans) = spans %}<p class=\"muted\">{{ spans }}</p>{% endif %}</li>"
)]
pub(super) struct Plot {
    heading: &'static str,
    points: String,
    /// The number of the last hour, and the words around it.
    before: &'static str,
    figure: String,
    after: String,
    /// How long it took.
    spans: Option<String>,
}

impl HtmlSafe for Plot {}

/// The plots of the overview. A process stores a minute when it is over.
///
/// # Errors
/// The store does not answer.
pub(super) async fn last_hour(visit: &Visit) -> Result<Vec<Plot>, Problem> {
    let seen = seen(visit, &PLOTTED.map(|(_, name, _)| name), "", &[DELIVERED]).await?;
    let plots = PLOTTED.iter().map(|plotted| plot(*plotted, "", &seen));
    Ok(plots.chain(delay(&seen)).collect())
}

/// The plots of one CI.
///
/// # Errors
/// The store does not answer.
pub(super) async fn of_ci(visit: &Visit, name: &str) -> Result<Vec<Plot>, Problem> {
    let of = format!("/{name}");
    let seen = seen(visit, &PLOTTED_OF_CI.map(|(_, name, _)| name), &of, &[]).await?;
    Ok(PLOTTED_OF_CI.iter().map(|plotted| plot(*plotted, &of, &seen)).collect())
}

/// What the store has of some series.
#[derive(Debug)]
struct Seen {
    /// The minutes of the last hour, which began then.
    since: Timestamp,
    minutes: Vec<MinuteRow>,
    /// The same hour of the days before.
    hours: Vec<HourRow>,
}

/// Reads series that count things, with `of` behind the name of each, and others that measure.
async fn seen(
    visit: &Visit,
    counted: &[&str],
    of: &str,
    measured: &[&str],
) -> Result<Seen, Problem> {
    let store = &visit.state.deps.store;
    let since = minute(visit.now).minus(HOUR);
    let series = counted.iter().flat_map(|name| names(name, of));
    let series = series.chain(measured.iter().flat_map(|name| names(name, ""))).collect();
    let minutes = store.minutes(series, since).await?;
    let usual = counted.iter().map(|name| format!("{name}{of}"));
    let usual = usual.chain(measured.iter().map(|name| format!("{name}.p50"))).collect();
    let begins = (1..=USUAL_DAYS).map(|days| since.minus(DAY * days)).collect();
    let hours = store.hours(usual, begins).await?;
    Ok(Seen { since, minutes, hours })
}

/// The series of a count, of the medians, and of the slow ones.
fn names(name: &str, of: &str) -> [String; 3] {
    ["", ".p50", ".p95"].map(|suffix| format!("{name}{suffix}{of}"))
}

impl Seen {
    /// The values of a series, each with the number of its minute.
    fn values<'a>(&'a self, series: &'a str) -> impl Iterator<Item = (usize, i64)> + 'a {
        let rows = self.minutes.iter().filter(move |row| row.series == series);
        rows.filter_map(|row| {
            let number = usize::try_from(row.at.since(self.since).as_secs() / 60).ok()?;
            (number < MINUTES).then_some((number, row.value))
        })
    }

    /// In words, the median of the days before of which something is known.
    fn usual(
        &self,
        series: &str,
        of_day: impl Fn(&HourRow) -> i64,
        say: fn(i64) -> String,
    ) -> String {
        let days = self.hours.iter().filter(|row| row.series == series).map(of_day).collect();
        median(days).map(|usual| format!(" (usually {})", say(usual))).unwrap_or_default()
    }
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn plot((heading, name, until): Plotted, of: &str, seen: &Seen) -> Plot {
    let [count_of, median_of, slow_of] = names(name, of);
    // Of several processes the numbers add up, and the longest span counts.
    let mut counts = [0_i64; MINUTES];
    for (number, value) in seen.values(&count_of) {
        if let Some(count) = counts.get_mut(number) {
            *count += value;
        }
    }
    let medians = seen.values(&median_of).map(|(_, us)| us).collect();
    let slow = seen.values(&slow_of).map(|(_, us)| us).max();
    let usual = seen.usual(&count_of, |row| row.sum, |count| count.to_string());
    let most = counts.iter().copied().max().unwrap_or_default();
    Plot {
        heading,
        points: points(counts.into_iter().enumerate(), most),
        before: "",
        figure: counts.iter().sum::<i64>().to_string(),
        after: format!(" in the last hour{usual}, at most {most} a minute"),
        spans: median(medians).zip(slow).map(|(median, slow)| {
            format!("{} {until} (median), {} in the slowest minute (p95)", us(median), us(slow))
        }),
    }
}

/// How long after its events Azure DevOps told of them; none where it has told nothing.
fn delay(seen: &Seen) -> Option<Plot> {
    let [_, median_of, slow_of] = names(DELIVERED, "");
    let medians: Vec<_> = seen.values(&median_of).collect();
    let most = medians.iter().map(|(_, us)| *us).max()?;
    let slow = seen.values(&slow_of).map(|(_, us)| us).max();
    Some(Plot {
        heading: "Azure DevOps told us",
        points: points(medians.iter().copied(), most),
        before: "after ",
        figure: us(median(medians.into_iter().map(|(_, us)| us).collect())?),
        after: seen.usual(&median_of, |row| row.sum / row.values.max(1), us),
        spans: slow.map(|slow| format!("{} in the slowest minute (p95)", us(slow))),
    })
}

/// Of a line from 1 to 19, so that it is not cut at the edges.
fn points(values: impl Iterator<Item = (usize, i64)>, most: i64) -> String {
    let height = |value: i64| 19 - value.saturating_mul(18) / most.max(1);
    let points = values.map(|(number, value)| format!("{number},{}", height(value)));
    points.collect::<Vec<_>>().join(" ")
}

fn us(us: i64) -> String {
    span(Duration::from_micros(us.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(series: &str, number: u64, value: i64) -> MinuteRow {
        let at = since().plus(Duration::from_secs(60 * number));
        MinuteRow { at, series: series.into(), value }
    }

    fn hour(series: &str, days: u32, sum: i64, values: i64) -> HourRow {
        HourRow { at: since().minus(DAY * days), series: series.into(), sum, values }
    }

    fn since() -> Timestamp {
        Timestamp::from_ms(1_790_000_040_000)
    }

    #[test]
    fn processes_add_up_and_the_line_stays_inside() {
        let minutes = vec![
            row("shown", 0, 4),
            row("shown", 59, 4),
            row("shown", 59, 6),
            row("shown", 60, 100),
            row("shown.p50", 59, 300_000),
            row("shown.p95", 59, 900_000),
            row("other", 3, 50),
        ];
        let hours = vec![hour("shown", 1, 9, 2), hour("shown", 3, 7, 1), hour("shown", 7, 8, 1)];
        let shown = plot(PLOTTED[2], "", &Seen { since: since(), minutes, hours });
        assert_eq!(shown.figure, "14");
        assert_eq!(shown.after, " in the last hour (usually 8), at most 10 a minute");
        assert!(shown.points.starts_with("0,12 1,19 ") && shown.points.ends_with(" 59,1"));
        let spans = shown.spans.unwrap();
        assert!(spans.starts_with("300 ms until it is shown (median), 900 ms"), "{spans}");
        let nothing = Seen { since: since(), minutes: vec![], hours: vec![] };
        let nothing = plot(PLOTTED[2], "", &nothing);
        assert_eq!((&*nothing.figure, nothing.spans), ("0", None));
        assert_eq!(nothing.after, " in the last hour, at most 0 a minute");
    }

    #[test]
    fn how_late_azure_devops_told_is_a_median_and_nothing_where_it_told_nothing() {
        let minutes = vec![
            row("delivered.p50", 0, 1_000_000),
            row("delivered.p50", 30, 1_200_000),
            row("delivered.p50", 59, 4_000_000),
            row("delivered.p95", 30, 9_000_000),
        ];
        let hours = vec![hour("delivered.p50", 1, 1_800_000, 2)];
        let seen = Seen { since: since(), minutes, hours };
        let shown = delay(&seen).unwrap();
        let text = format!("{}{}{}", shown.before, shown.figure, shown.after);
        assert_eq!(text, "after 1.2 s (usually 900 ms)");
        assert_eq!(shown.points, "0,15 30,14 59,1", "minutes without any are left out");
        assert!(delay(&Seen { minutes: vec![], ..seen }).is_none());
    }
}
