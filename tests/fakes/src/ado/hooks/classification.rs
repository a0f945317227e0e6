//! How ADO classifies an answer, and how long it waits before the next attempt.
//!
//! The table of Microsoft's "Troubleshoot service hooks" (docs/azure-devops.md §1.3). What follows
//! for a subscription is decided in `delivery` and `probation`.

/// The outcome of a delivery attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered with this status.
    Status(u16),
    /// No connection could be made.
    NoConnection,
    /// The receiver did not answer in time.
    Timeout,
    /// The connection was lost after the request had been sent.
    DroppedAfterSend,
}

/// The class of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Delivered.
    Success,
    /// Retried within minutes.
    Transient,
    /// Puts the subscription on probation.
    Enduring,
    /// Disables the subscription.
    Terminal,
}

/// The waits before the eight retries of a transient failure, in seconds
/// (docs/azure-devops.md §1.3).
pub const TRANSIENT_WAITS_S: [u32; 8] = [1, 2, 4, 8, 16, 32, 60, 60];

/// The waits before the seven retries on probation, in seconds: up to 15 hours
/// (docs/azure-devops.md §1.3).
pub const PROBATION_WAITS_S: [u32; 7] = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 54_000];

/// The class of an answer. For a time-out it is not documented; enduring is the worst case.
pub fn class(answer: Answer) -> Class {
    match answer {
        Answer::Status(200..=299) => Class::Success,
        Answer::Status(408 | 502 | 503 | 504) => Class::Transient,
        Answer::Status(410) => Class::Terminal,
        Answer::Status(_) => Class::Enduring,
        Answer::NoConnection | Answer::Timeout | Answer::DroppedAfterSend => Class::Enduring,
    }
}

/// The wait before retry number `retry` (from zero) in milliseconds; none when there are no more
/// retries.
pub fn wait_ms(waits_s: &[u32], retry: u32, time_scale: u32) -> Option<i64> {
    let seconds = waits_s.get(usize::try_from(retry).ok()?)?;
    Some(i64::from(*seconds) * 1_000 / i64::from(time_scale.max(1)))
}
