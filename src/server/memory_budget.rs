//! How much of all deliveries is in memory before they are on disk: counted byte by byte as they
//! come, so that many large ones at once cost no more than the operator allows. It must never know
//! what is counted.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for bytes.
#[derive(Debug)]
pub struct Room {
    held: AtomicUsize,
    bytes_max: usize,
}

/// Some of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    room: &'a Room,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { held: AtomicUsize::new(0), bytes_max }
    }

    /// Nothing of it yet.
    pub(super) fn hold(&self) -> Held<'_> {
        Held { room: self, bytes: 0 }
    }
}

impl Held<'_> {
    /// Takes so many bytes more; false where there is no room for them.
    pub(super) fn more(&mut self, bytes: usize) -> bool {
        let held = self.room.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        held.saturating_add(bytes) <= self.room.bytes_max
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let room = Room::new(10);
        let (mut one, mut other) = (room.hold(), room.hold());
        assert!(one.more(6) && other.more(4));
        assert!(!other.more(1), "there is no more");
        drop(one);
        assert!(other.more(5));
        drop(other);
        assert!(room.hold().more(10) && !room.hold().more(11));
        assert_eq!(room.held.load(Ordering::Relaxed), 0);
    }
}
