//! Points in time and spans as pages show them: relative in lists, both ways where there is space.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::time::Timestamp;

/// A point in time, seen from `now`.
#[derive(Clone, Copy, Debug, Template)]
#[template(
    ext = "html",
    source = "<time datetime=\"{{ at }}\" title=\"{{ at }}\">{{ self.relative() }}</time>\
              {% if is_full %} <span class=\"at\">{{ self.absolute() }}</span>{% endif %}"
)]
pub(super) struct Moment {
    at: Timestamp,
    now: Timestamp,
    /// Whether the time itself is shown, too.
    is_full: bool,
}

impl HtmlSafe for Moment {}

impl Moment {
    /// As lists show it.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now, is_full: false }
    }

    /// With the time itself.
    pub(super) fn full(self) -> Self {
        Self { is_full: true, ..self }
    }

    /// `2 min ago`.
    fn relative(&self) -> String {
        if self.at == Timestamp::NEVER {
            return "never".to_owned();
        }
        match (self.now.since(self.at), self.at.since(self.now)) {
            (_, ahead) if ahead >= Duration::from_secs(1) => format!("in {}", rounded(ahead)),
            (past, _) if past >= Duration::from_secs(1) => format!("{} ago", rounded(past)),
            _ => "now".to_owned(),
        }
    }

    /// `2026-11-28 14:00:58.210 UTC`.
    pub(super) fn absolute(&self) -> String {
        let text = self.at.to_string();
        let Some((day, time)) = text.trim_end_matches('Z').split_once('T') else { return text };
        let (time, ms) = time.split_once('.').unwrap_or((time, ""));
        format!("{day} {time}.{ms:0<3} UTC")
    }
}

/// A span in its largest unit: `2 min`.
fn rounded(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A span in its two largest units: `2 min 8 s`.
pub(super) fn span(span: Duration) -> String {
    let (ms, seconds) = (span.as_millis(), span.as_secs());
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A number of bytes: `4.1 KB`.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} KB", count / 1_000, count % 1_000 / 100),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seen_from_now() {
        let now = Timestamp::from_ms(1_790_000_000_000);
        for (seconds, expected) in
            [(0, "now"), (59, "59 s ago"), (60, "1 min ago"), (7_200, "2 h ago")]
        {
            let at = now.minus(Duration::from_secs(seconds));
            assert_eq!(Moment::new(at, now).relative(), expected);
        }
        assert_eq!(
            Moment::new(now.plus(Duration::from_secs(259_200)), now).relative(),
            "in 3 days"
        );
        assert_eq!(Moment::new(Timestamp::NEVER, now).relative(), "never");
        let shown = Moment::new(now, now).full().to_string();
        assert!(shown.contains("2026-09-21 14:13:20.000 UTC"), "{shown}");
    }

    #[test]
    fn spans_and_sizes_carry_units() {
        assert_eq!(span(Duration::from_millis(7)), "7 ms");
        assert_eq!(span(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(span(Duration::from_secs(128)), "2 min 8 s");
        assert_eq!(span(Duration::from_secs(3_780)), "1 h 3 min");
        assert_eq!(bytes(4_123), "4.1 KB");
    }
}
