//! Deliveries and the decisions about them.

pub(super) mod accept;
pub(super) mod activity;
