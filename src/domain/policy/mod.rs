//! The branch policies that make merging wait for required checks: the desired ones, those at Azure
//! DevOps, and the plan that leads from one to the other.
//!
//! Pure comparison of values. The caller asks Azure DevOps and executes the plan. No step changes a
//! policy that somebody else made.

mod assignment;
mod branches;
mod desired;
mod difference;
mod found;
mod gaps;
mod plan;
mod step;
mod verdict;
mod view;

pub use branches::{Branches, branches};
pub use desired::{Defaults, Desired, desired, is_enforced};
pub use found::{Found, Scope, Settings};
pub use plan::{Plan, plan};
pub use step::{Action, Change, Kind, Step};
pub use verdict::{Verdict, verdicts};
pub use view::View;

#[cfg(test)]
mod tests;
