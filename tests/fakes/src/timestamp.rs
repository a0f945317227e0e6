//! Points in time as text, in the forms that the neighbours write.
//!
//! ADO prints UTC with up to seven digits of a second, which careless parsers refuse; the fake
//! always prints seven.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-11-23T09:14:16.1230000Z` for milliseconds since 1970 (docs/azure-devops.md §2, sample
/// payloads).
pub fn rfc3339(milliseconds: i64) -> String {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}0000Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond(),
    )
}

/// `2026-11-23T09:14:16.1234567Z`: the same with digits after the milliseconds, as ADO dates pushes
/// and events.
pub fn precise(milliseconds: i64) -> String {
    rfc3339(milliseconds).replace("0000Z", "4567Z")
}

/// `Mon, 23 Nov 2026 09:14:16 GMT`, as the header `Date` has it (RFC 9110 §5.6.7).
pub fn http_date(milliseconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (day, month) = (at.weekday().to_string(), at.month().to_string());
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        day.get(..3).unwrap_or_default(),
        at.day(),
        month.get(..3).unwrap_or_default(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second(),
    )
}

/// Milliseconds since 1970 for a timestamp that a caller wrote; none when it is not one.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

/// `2026-11-23T09:14:16Z`, without a fraction of a second, as most CI systems write it.
pub fn whole_seconds(milliseconds: i64) -> String {
    format!("{}Z", rfc3339(milliseconds).get(..19).unwrap_or_default())
}
