//! Durations and sizes, written as a whole number and a unit.
//!
//! The unit is required: a bare number would leave open whether it means seconds or milliseconds.

use std::time::Duration;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", SECOND_MS), ("m", MINUTE_MS), ("h", HOUR_MS), ("d", DAY_MS)];

/// About ten years: no key needs more, and adding it to a time does not overflow.
const DURATION_MS_MAX: u64 = 3660 * DAY_MS;

const KIB: u64 = 1024;
const KB: u64 = 1000;
const SIZES: [(&str, u64); 6] = [
    ("KiB", KIB),
    ("MiB", KIB * KIB),
    ("GiB", KIB * KIB * KIB),
    ("KB", KB),
    ("MB", KB * KB),
    ("GB", KB * KB * KB),
];

/// Why a text is not a quantity; shown after the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuantityError {
    #[error("has no unit")]
    NoUnit,
    #[error("does not begin with a whole number")]
    NotWhole,
    #[error("is not one whole number and one known unit")]
    UnknownUnit,
    #[error("is too large")]
    TooLarge,
}

/// Reads `500ms`, `20s`, `5m`, `2h`, `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, QuantityError> {
    let ms = quantity(text, &DURATIONS)?;
    if ms > DURATION_MS_MAX { Err(QuantityError::TooLarge) } else { Ok(Duration::from_millis(ms)) }
}

/// Reads `512KiB`, `4MiB`, `1GiB`, `10MB` as bytes.
pub(super) fn size(text: &str) -> Result<usize, QuantityError> {
    usize::try_from(quantity(text, &SIZES)?).map_err(|_| QuantityError::TooLarge)
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, QuantityError> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(QuantityError::NotWhole);
    }
    let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge)?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err(QuantityError::NoUnit);
    }
    let known = units.iter().find(|(name, _)| *name == unit);
    let (_, factor) = known.ok_or(QuantityError::UnknownUnit)?;
    number.checked_mul(*factor).ok_or(QuantityError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, ms) in
            [("500ms", 500), ("20s", 20_000), ("5 m", 300_000), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, error) in [
            ("20", QuantityError::NoUnit),
            ("", QuantityError::NotWhole),
            ("-5s", QuantityError::NotWhole),
            ("1h30m", QuantityError::UnknownUnit),
            ("1.5h", QuantityError::UnknownUnit),
            ("5M", QuantityError::UnknownUnit),
            ("99999999999999999999s", QuantityError::TooLarge),
            ("9999999999999999999d", QuantityError::TooLarge),
            ("4000d", QuantityError::TooLarge),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [("512KiB", 524_288), ("4MiB", 4_194_304), ("10MB", 10_000_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(size("4M"), Err(QuantityError::UnknownUnit));
        assert_eq!(size("4194304"), Err(QuantityError::NoUnit));
    }
}
