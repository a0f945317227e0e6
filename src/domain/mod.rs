//! THE RULES: every decision of the gateway, as pure functions over values.
//!
//! They stand apart so that every branch can be read, and tested in microseconds: no async, I/O,
//! HTTP, SQL, clock or randomness in here; `now` and new ids are arguments.

/// What deliveries are about.
pub mod about;
/// Who has which role.
pub mod access;
/// Addresses of pull requests, commits and branches, as Azure DevOps writes them.
pub mod address;
/// Entries of the audit log.
pub mod audit;
/// How long to wait before the next attempt.
pub mod backoff;
/// What hooks did not deliver: the stored state compared with that at Azure DevOps.
pub mod catch_up;
/// The files that a pull request or a push changes, and whether a check watches them.
pub mod changed_files;
/// A configured check, and what matches it.
pub mod check;
/// What a decision came to about one check.
pub mod check_outcome;
/// Commands in comments, such as `/retest`.
pub mod command;
/// Comments on pull requests.
pub mod comment;
/// How many runs may be at a CI at the same time.
pub mod concurrency;
/// What to do about one delivery, and why.
pub mod decision;
/// What becomes of a delivery when it is stored.
pub mod delivery;
/// Warnings before a credential ends.
pub mod ending;
/// What happened in a repository.
pub mod event;
/// The content of a delivery, before it is compared with the stored state.
pub mod fact;
/// What is to be asked of a CI about a run, and when.
pub mod follow;
/// Identifiers of deliveries, statuses and runs.
pub mod id;
/// What merging a pull request waits for.
pub mod merging;
/// Names of personal access tokens, and which tokens are left over.
pub mod pat;
/// The permissions that the identity needs.
pub mod permission;
/// The project whose pipelines run a check.
pub mod pipeline_project;
/// Branch policies of required checks: desired, found, and the plan.
pub mod policy;
/// The state of a pull request, and the changes between two states.
pub mod pull_request;
/// What Azure DevOps has to be asked before a decision.
pub mod question;
/// The schedule of one reconciler, and who runs its next pass.
pub mod reconciler;
/// How fast the reports of one run are applied.
pub mod report_rate;
/// The present and the former names of a repository.
pub mod repository_names;
/// One CI execution and the states it moves through.
pub mod run;
/// The keys by which runs are grouped.
pub mod run_keys;
/// The states of a run, and who may report what.
pub mod run_state;
/// Runs that runners take.
pub mod runner;
/// For how long a runner has a run.
pub mod runner_lease;
/// Which status a slot at Azure DevOps shows, and which are superseded.
pub mod slot;
/// The statuses that Azure DevOps should show for a run.
pub mod status;
/// What happened to a run.
pub mod steps;
/// Service-hook subscriptions: desired, found, and the plan.
pub mod subscription;
/// One status for all of a pull request.
pub mod summary;
/// Text of others as one line.
pub mod text;
/// Points in time.
pub mod time;
/// What happened to a pull request, commit or branch, and whose time passed.
pub mod timeline;
