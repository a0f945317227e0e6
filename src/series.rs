//! How much happened in each minute, and how long it took: what the pages plot.
//!
//! It is counted in memory. A minute that is over is stored, by one worker for the whole process.
//! What takes time is also in a histogram for Prometheus.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// Of the spans of a minute the last ones count.
const SPANS_MAX: usize = 2_048;
const MINUTE_MS: i64 = 60_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Series(Mutex<BTreeMap<Key, Counted>>);

/// The minute, the name of the series, and what it is of where there are several.
type Key = (i64, &'static str, String);

#[derive(Clone, Debug, Default)]
struct Counted {
    count: usize,
    spans_us: Vec<i64>,
}

/// A value of a series in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// When the minute began.
    pub at: Timestamp,
    /// `started`; `started.p50` and `started.p95` for how long it took, in microseconds; with `of`
    /// behind a slash: `ci_started/builder`, `ci_started.p50/builder`.
    pub series: String,
    pub value: i64,
}

impl Series {
    /// Something of a series happened. `of` is empty where there is one series of that name.
    pub fn count(&self, name: &'static str, of: &str, now: Timestamp) {
        self.add(name, of, None, now);
    }

    /// The same, and it took so long.
    pub fn took(&self, name: &'static str, of: &str, span: Duration, now: Timestamp) {
        record(name, of, span);
        self.add(name, of, Some(span), now);
    }

    fn add(&self, name: &'static str, of: &str, span: Option<Duration>, now: Timestamp) {
        let key = (now.ms().div_euclid(MINUTE_MS), name, of.to_owned());
        let mut counted = self.0.lock();
        let counted = counted.entry(key).or_default();
        if let Some(span) = span {
            let us = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            match counted.spans_us.get_mut(counted.count % SPANS_MAX) {
                Some(oldest) => *oldest = us,
                None => counted.spans_us.push(us),
            }
        }
        counted.count += 1;
    }

    /// The values of all minutes that began before `before`.
    pub fn values(&self, before: Timestamp) -> Vec<Value> {
        let minutes = self.0.lock().clone();
        let over = minutes.into_iter().filter(|((minute, ..), _)| begin(*minute) < before);
        over.flat_map(|((minute, name, of), counted)| values(begin(minute), name, &of, counted))
            .collect()
    }

    /// Forgets the same minutes: they are stored.
    pub fn forget(&self, before: Timestamp) {
        self.0.lock().retain(|(minute, ..), _| begin(*minute) >= before);
    }
}

/// Records a span in the histogram of its series.
fn record(name: &str, of: &str, span: Duration) {
    let histogram = match name {
        "delivered" => metrics::histogram!("azdo_gateway_delivered_seconds"),
        "decided" => metrics::histogram!("azdo_gateway_decided_seconds"),
        "ci_started" => metrics::histogram!("azdo_gateway_started_seconds", "ci" => of.to_owned()),
        "shown" => metrics::histogram!("azdo_gateway_status_seconds"),
        _ => return,
    };
    histogram.record(span);
}

/// The beginning of the minute in which `now` is.
pub fn minute(now: Timestamp) -> Timestamp {
    begin(now.ms().div_euclid(MINUTE_MS))
}

fn begin(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute.saturating_mul(MINUTE_MS))
}

fn values(at: Timestamp, name: &str, of: &str, counted: Counted) -> Vec<Value> {
    let Counted { count, mut spans_us } = counted;
    let series = |suffix: &str| match of {
        "" => format!("{name}{suffix}"),
        of => format!("{name}{suffix}/{of}"),
    };
    let value = |suffix, value| Value { at, series: series(suffix), value };
    spans_us.sort_unstable();
    let percentile = |percent: usize| spans_us.get(spans_us.len() * percent / 100).copied();
    let count = value("", i64::try_from(count).unwrap_or(i64::MAX));
    let spans = [(".p50", percentile(50)), (".p95", percentile(95))];
    let spans = spans.into_iter().filter_map(|(suffix, us)| Some(value(suffix, us?)));
    [count].into_iter().chain(spans).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_counts_and_percentiles() {
        let (series, start) = (Series::default(), Timestamp::from_ms(1_790_000_040_000));
        assert_eq!(minute(start), start);
        let at = |second| start.plus(Duration::from_secs(second));
        for ms in 1..=100 {
            series.took("started", "", Duration::from_millis(ms), at(ms % 60));
        }
        series.count("ci_refused", "legacy", at(59));
        series.count("ci_refused", "legacy", at(60));
        assert!(series.values(at(0)).is_empty());
        let value = |series: &str, value| Value { at: start, series: series.into(), value };
        let expected = [
            value("ci_refused/legacy", 1),
            value("started", 100),
            value("started.p50", 51_000),
            value("started.p95", 96_000),
        ];
        assert_eq!(series.values(at(60)), expected);
        assert_eq!(series.values(at(60)), expected, "they are kept until they are stored");
        series.forget(at(60));
        let second = Value { at: at(60), ..value("ci_refused/legacy", 1) };
        assert_eq!(series.values(at(120)), [second]);
    }

    #[test]
    fn of_many_spans_the_last_ones_count() {
        let (series, now) = (Series::default(), Timestamp::from_ms(1_790_000_040_000));
        for ms in 0..(2 * SPANS_MAX as u64) {
            series.took("shown", "", Duration::from_millis(ms), now);
        }
        let values = series.values(now.plus(Duration::from_secs(60)));
        assert_eq!((values[0].value, values[1].value), (4_096, (2_048 + 1_024) * 1_000));
    }
}
