//! Points in time: microseconds since 1970, always passed in, printed as RFC 3339 in UTC.
//!
//! One type, so that seconds, milliseconds and microseconds are not mixed up.

use std::fmt;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Events that differ by less than this may have happened in either order: clocks differ, and so
/// does the precision with which times are written.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// Microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch; as a due time: at once.
    pub const ZERO: Timestamp = Timestamp(0);
    /// Later than any other time; as a due time: never.
    pub const NEVER: Timestamp = Timestamp(i64::MAX);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// `wait` later; saturates.
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// `wait` earlier; saturates.
    pub fn minus(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Reads RFC 3339, as Azure DevOps writes it: up to seven fraction digits, `Z` or an offset;
    /// a missing zone (it happens: `0001-01-01T00:00:00`) is taken as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let at = read(text).or_else(|| read(&format!("{text}Z")))?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).ok().map(Self)
    }
}

/// A day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(::time::Date);

impl Day {
    /// The day of a point in time; the first or last one that there is where it is beyond.
    pub fn of(at: Timestamp) -> Self {
        let nanos = i128::from(at.0).saturating_mul(1_000);
        let beyond = if at.0 < 0 { ::time::Date::MIN } else { ::time::Date::MAX };
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos).map_or(beyond, |at| at.date()))
    }

    /// Reads what `Display` writes: `20270131`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 8 {
            return None;
        }
        let (year, month) = (text.get(0..4)?.parse().ok()?, text.get(4..6)?.parse::<u8>().ok()?);
        let month = ::time::Month::try_from(month).ok()?;
        let day = text.get(6..8)?.parse().ok()?;
        ::time::Date::from_calendar_date(year, month, day).ok().map(Self)
    }

    /// So many days later.
    pub fn plus(self, days: u32) -> Self {
        let span = ::time::Duration::days(days.into());
        Self(self.0.checked_add(span).unwrap_or(::time::Date::MAX))
    }

    /// Its first moment.
    pub fn begin(self) -> Timestamp {
        let micros = self.0.midnight().assume_utc().unix_timestamp().saturating_mul(1_000_000);
        Timestamp(micros)
    }

    /// The first moment after it.
    pub fn end(self) -> Timestamp {
        self.plus(1).begin()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(out, "{year:04}{:02}{day:02}", u8::from(month))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i128::from(self.ms());
        let text = OffsetDateTime::from_unix_timestamp_nanos(ms.saturating_mul(1_000_000))
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok());
        out.write_str(text.as_deref().unwrap_or("never"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text == "never" {
            return Ok(Self::NEVER);
        }
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_azure_devops_writes() {
        let at = |text| Timestamp::parse(text).map(Timestamp::micros);
        assert_eq!(at("1970-01-01T00:00:01.2345678Z"), Some(1_234_567));
        assert_eq!(at("1970-01-01T01:00:01+01:00"), Some(1_000_000));
        assert_eq!(at("1970-01-01T00:00:02"), Some(2_000_000));
        assert_eq!(at("yesterday"), None);
    }

    #[test]
    fn prints_and_reads_back_to_the_millisecond() {
        let at = Timestamp::from_ms(1_790_000_000_123);
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
    }

    #[test]
    fn a_day_begins_at_midnight_and_can_be_read_back() {
        let at = Timestamp::parse("2028-02-28T23:59:59.9Z").unwrap();
        let day = Day::of(at);
        assert_eq!(day.to_string(), "20280228");
        assert_eq!(day.plus(1).to_string(), "20280229");
        assert_eq!(Day::parse("20280228"), Some(day));
        assert!(day.begin() <= at && at < day.end());
        assert_eq!(day.end(), Timestamp::parse("2028-02-29T00:00:00Z").unwrap());
        for no_day in ["20280230", "2028022", "body", "202802é"] {
            assert_eq!(Day::parse(no_day), None, "{no_day}");
        }
    }
}
