//! Moments as ADO writes them.
//!
//! ADO prints UTC with up to seven fraction digits, a resolution that careless parsers refuse; the
//! fake therefore always prints seven. This file must never read a clock.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-11-23T09:14:16.1230000Z` for milliseconds since 1970 (docs/azure-devops.md §2, sample
/// payloads).
pub fn written(milliseconds: i64) -> String {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}0000Z",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
        moment.millisecond(),
    )
}

/// `Mon, 23 Nov 2026 09:14:16 GMT`, as the `Date` header has it (RFC 9110 §5.6.7).
pub fn http(milliseconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1_000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (day, month) = (moment.weekday().to_string(), moment.month().to_string());
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        day.get(..3).unwrap_or_default(),
        moment.day(),
        month.get(..3).unwrap_or_default(),
        moment.year(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    )
}

/// Milliseconds since 1970 for a moment as callers write it; none when it is not one.
pub fn read(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}
