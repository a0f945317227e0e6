//! Settings of the fake ADO.

/// How a look-up of subscriptions fails that names no event type in a large organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfilteredLookup {
    /// It is never answered.
    NeverAnswered,
    /// It is answered 500 with a page.
    ServerError,
}

/// Settings of the world, which a test may change at any time.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether hooks may go to http and to loopback addresses. ADO refuses both
    /// (docs/azure-devops.md §1.3); tests and the demo need them.
    pub allow_http_hooks: bool,
    /// By how much the waits between delivery attempts are shorter than in ADO: 60 makes minutes
    /// seconds.
    pub time_scale: u32,
    /// How long a merge attempt stays queued.
    pub merge_delay_ms: i64,
    /// The least time between an event and its delivery.
    pub delivery_delay_ms: u64,
    /// The most time that is added to it at random. More than the time between two events reorders
    /// their deliveries.
    pub delivery_jitter_ms: u64,
    /// The percentage of successful deliveries that are sent a second time.
    pub duplicate_percent: u8,
    /// The newest released api-version. The minor version after it exists in preview.
    pub newest_api_version: (u32, u32),
    /// The least number of the next pull request: they are numbered across an organization.
    pub next_pull_request: u64,
    /// The most changes that a page of a difference has. That of ADO is not documented.
    pub changes_per_page: usize,
    /// The most policies that a page has.
    pub policies_per_page: usize,
    /// With more subscriptions than this, a look-up that names no event type fails.
    pub unfiltered_lookup_limit: usize,
    /// How it fails.
    pub unfiltered_lookup: UnfilteredLookup,
    /// How long after it was queued a build appears in the list.
    pub build_list_lag_ms: i64,
    /// Whether the list leaves out the template parameters of builds. Whether it does in ADO is not
    /// documented.
    pub bare_build_list: bool,
    /// Whether a cancel of a build that has ended is answered with the unchanged build. Otherwise
    /// it is refused; which ADO does is not documented.
    pub allows_late_cancel: bool,
    /// How many notifications are kept in all; beyond that, the oldest finished ones are dropped.
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
            next_pull_request: 1,
            changes_per_page: 2_000,
            policies_per_page: 100,
            unfiltered_lookup_limit: 100,
            unfiltered_lookup: UnfilteredLookup::NeverAnswered,
            build_list_lag_ms: 0,
            bare_build_list: false,
            allows_late_cancel: false,
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
