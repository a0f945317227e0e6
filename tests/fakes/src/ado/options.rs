//! Settings of the fake ADO.

/// What becomes of a look-up without an event type in a large organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfilteredLookup {
    /// It is never answered.
    NeverAnswered,
    /// It is answered 500 with a page.
    ServerError,
}

/// Settings of the world, changeable at any time.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether hooks may go to http and to loopback addresses. ADO refuses both
    /// (docs/azure-devops.md §1.3); tests and the demo need them.
    pub allow_http_hooks: bool,
    /// How much faster than in ADO the waits between delivery attempts pass.
    pub time_scale: u32,
    /// How long a merge attempt stays queued.
    pub merge_delay_ms: i64,
    /// How long after an event its delivery begins, at least.
    pub delivery_delay_ms: u64,
    /// Up to how much more a delivery may be late, by chance: more than the time between two events
    /// reorders them.
    pub delivery_jitter_ms: u64,
    /// How many successful deliveries of a hundred are sent once more.
    pub duplicate_percent: u8,
    /// The newest released api-version; the minor version after it exists in preview.
    pub newest_api_version: (u32, u32),
    /// How many policies a page holds at most.
    pub policies_per_page: usize,
    /// From more subscriptions than this on, a look-up of them that names no event type fails.
    pub unfiltered_lookup_limit: usize,
    /// How it fails.
    pub unfiltered_lookup: UnfilteredLookup,
    /// How many finished notifications are kept for each subscription.
    pub notifications_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_http_hooks: false,
            time_scale: 1,
            merge_delay_ms: 0,
            delivery_delay_ms: 0,
            delivery_jitter_ms: 0,
            duplicate_percent: 0,
            newest_api_version: (7, 1),
            policies_per_page: 100,
            unfiltered_lookup_limit: 100,
            unfiltered_lookup: UnfilteredLookup::NeverAnswered,
            notifications_kept: 10_000,
        }
    }
}

impl Options {
    /// The settings for a gateway on this machine.
    pub fn loopback() -> Self {
        Self { allow_http_hooks: true, ..Self::default() }
    }
}
