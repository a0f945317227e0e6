//! Budget for the bytes of request bodies in memory. Each chunk is counted as it arrives, so that
//! many large bodies at once take no more memory than the operator allows.

use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    reserved: AtomicUsize,
    bytes_max: usize,
}

/// The bytes that one body has reserved. Dropping it returns them to the budget.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    budget: &'a MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `bytes_max`.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { reserved: AtomicUsize::new(0), bytes_max }
    }

    /// A reservation of no bytes yet.
    pub(super) fn reserve(&self) -> Reservation<'_> {
        Reservation { budget: self, bytes: 0 }
    }
}

impl Reservation<'_> {
    /// Reserves `bytes` more. Returns false where that exceeds the budget.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let reserved = self.budget.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        reserved.saturating_add(bytes) <= self.budget.bytes_max
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.budget.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_reservation_returns_its_bytes() {
        let budget = MemoryBudget::new(10);
        let (mut one, mut other) = (budget.reserve(), budget.reserve());
        assert!(one.grow(6) && other.grow(4));
        assert!(!other.grow(1), "the budget is exhausted");
        drop(one);
        assert!(other.grow(5));
        drop(other);
        assert!(budget.reserve().grow(10) && !budget.reserve().grow(11));
        assert_eq!(budget.reserved.load(Ordering::Relaxed), 0);
    }
}
