//! RECONCILERS: workers that compare the desired state with the actual one and remove the
//! difference.
//!
//! They take no input: a request and a timer run the same code, and the next pass is the retry.

/// Events that no hook delivered.
pub mod catch_up;
/// One organization as a reconciler sees it.
pub mod context;
/// Deliveries that were damaged on disk.
pub mod damage;
/// When a pass runs, and what becomes of its result.
pub mod driver;
/// Sessions of people that were ended at other replicas.
pub mod ended_sessions;
/// Access tokens and unused personal access tokens.
pub mod identity;
/// How much happened in each minute.
pub mod minutes;
/// The reconcilers of one organization.
pub mod organization;
/// One run of a reconciler, and its calls to Azure DevOps.
pub mod pass;
/// Branch policies of required checks.
pub mod policies;
/// Which problems this process sees.
pub mod problems;
/// Runs whose time is over.
pub mod reaper;
/// Rows that are older than the operator wants to keep.
pub mod retention;
pub mod retired_hooks;
pub mod same_configuration;
/// Service-hook subscriptions.
pub mod subscriptions;
/// What our identity sees and may do, for people who ask.
pub mod survey;
