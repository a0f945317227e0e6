//! Seeded faults at every neighbour, then quiet: nothing lost, nothing doubled.
