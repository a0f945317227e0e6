//! Random numbers that spread retries over time, so that callers that failed together do not come
//! back together.

/// A uniformly distributed number. Without a source of randomness it is always the same: waits are
/// then not spread, which is no reason to fail.
pub fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX)
}

/// A uniformly distributed number from 0 to 1.
pub fn fraction() -> f64 {
    let thousandths = u32::try_from(random() % 1_001).unwrap_or(0);
    f64::from(thousandths) / 1_000.0
}
