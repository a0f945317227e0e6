//! The service-hook subscriptions that the checks need, those at Azure DevOps, and the plan that
//! leads from one to the other.
//!
//! Pure comparison of values. The caller asks Azure DevOps and executes the plan.

mod desired;
mod found;
mod hook_scope;
mod name;
mod password_scope;
mod plan;
mod secret;
mod step;

pub use desired::{Desired, Watched, desired_scopes, unseen_pipeline_projects};
pub use found::{Found, OwnedHook, Settings, State};
pub use hook_scope::{HookScope, Topic};
pub use name::HookName;
pub use password_scope::{KnownProject, PasswordScope, hook_of_project, is_hook_name, name_in_url};
pub use plan::{Known, differences, plan, removal_of_all};
pub use secret::HookSecret;
pub use step::{Action, Change, Kind, Step};
