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
}
