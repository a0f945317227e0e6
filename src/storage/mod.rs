//! NEIGHBOUR durable state: what the gateway promises to remember.
//!
//! One method is one atomic transition, named after what it means to the business; every write of
//! a leased row is fenced by a lease number that only grows. What a transition means is decided by
//! callers and by the pure functions in `domain`; an engine loads, asks, and stores.

mod admin;
mod audit;
mod change;
mod codec;
mod deliveries;
mod ended_sessions;
mod error;
mod lease;
mod links;
mod monitoring;
mod options;
mod page;
pub mod postgres;
mod reconciliation;
mod replicas;
mod retired_hooks;
mod runners;
mod runs;
pub mod sqlite;
mod statuses;
mod subjects;
pub mod transfer;

pub use admin::{Admin, Availability, Backlog, LiveRuns, SchemaState};
pub use audit::{Audit, AuditFilter, AuditRow};
pub use change::{CONFLICTS_MAX, Changed, change_run};
pub use deliveries::{
    DecisionCommit, Deliveries, Delivery, DeliveryFilter, Envelope, EnvelopeReader, LeasedDelivery,
    PULL_REQUESTS_AT_MAX, Replayed,
};
pub use ended_sessions::EndedSessions;
pub use error::Error;
pub use lease::{Claim, Commit, Lease, Versioned};
pub use links::{
    Link, LinkChange, LinkTo, Links, Login, Refresh, RefreshCommit, Refreshed, Ticket,
};
pub use monitoring::{
    HourRow, MinuteRow, Monitoring, PROBLEM_SHOWN_FOR, ProblemKey, ProblemRow, SeenProblems,
};
pub use options::{Engine, Migrate, Options, PostgresOptions, TlsMode};
pub use page::{Between, Page, Paged};
pub use reconciliation::{
    ActiveHook, CATCH_UP_HOOK, CatchUpDelivery, HookRow, HookState, KnownRepository, PolicyRow,
    Reconciler, Reconciliation, SubscriptionFilter, SubscriptionRow, WatchRow, Watermark,
};
pub use replicas::Replicas;
pub use retired_hooks::{HookKey, RetiredHooks};
pub use runners::{RunnerQueue, RunnerRow, Runners, SeenRunner};
pub use runs::{CiPause, LeasedRun, Postponed, RunCommit, RunFilter, Runs};
pub use statuses::{LeasedSlot, PostingCommit, StatusFilter, StatusRow, Statuses};
pub use subjects::{FOUND_MAX, Named, RepositoryRow, STATUSES_MAX, Subjects};

/// What every engine does. A module that needs one part takes that part: `&dyn Runs`, not
/// `&dyn Store`.
pub trait Store:
    Deliveries
    + Runs
    + Runners
    + Statuses
    + Subjects
    + Links
    + Audit
    + Monitoring
    + Reconciliation
    + Replicas
    + Admin
{
}

impl<Engine> Store for Engine where
    Engine: Deliveries
        + Runs
        + Runners
        + Statuses
        + Subjects
        + Links
        + Audit
        + Monitoring
        + Reconciliation
        + Replicas
        + Admin
{
}
