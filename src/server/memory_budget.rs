//! How much of all deliveries is in memory before they are on disk: counted byte by byte as they
//! come, so that many large ones at once cost no more than the operator allows. It must never know
//! what is counted.

use std::sync::atomic::{AtomicUsize, Ordering};

/// MemoryBudget for bytes.
#[derive(Debug)]
pub struct MemoryBudget {
    held: AtomicUsize,
    bytes_max: usize,
}

/// Some of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    memory_budget: &'a MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// MemoryBudget for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { held: AtomicUsize::new(0), bytes_max }
    }

    /// Nothing of it yet.
    pub(super) fn hold(&self) -> Held<'_> {
        Held { memory_budget: self, bytes: 0 }
    }
}

impl Held<'_> {
    /// Takes so many bytes more; false where there is no memory_budget for them.
    pub(super) fn more(&mut self, bytes: usize) -> bool {
        let held = self.memory_budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        held.saturating_add(bytes) <= self.memory_budget.bytes_max
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory_budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let memory_budget = MemoryBudget::new(10);
        let (mut one, mut other) = (memory_budget.hold(), memory_budget.hold());
        assert!(one.more(6) && other.more(4));
        assert!(!other.more(1), "there is no more");
        drop(one);
        assert!(other.more(5));
        drop(other);
        assert!(memory_budget.hold().more(10) && !memory_budget.hold().more(11));
        assert_eq!(memory_budget.held.load(Ordering::Relaxed), 0);
    }
}
