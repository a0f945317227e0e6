//! What a pass would do, for people.

use super::snapshot::Snapshot;
use crate::domain::subscription::Step;

/// See the module.
#[derive(Debug)]
pub struct Preview {
    pub steps: Vec<StepPreview>,
    /// How many subscriptions are as desired.
    pub unchanged: usize,
    /// How many web hooks deliver elsewhere, which are left alone.
    pub foreign: usize,
    /// An operator had the hooks removed.
    pub is_held: bool,
    /// False where hooks are made by hand and nothing is planned.
    pub is_managed: bool,
}

/// A step and the name of its project, or the id of one that is not visible.
#[derive(Debug)]
pub struct StepPreview {
    pub step: Step,
    pub project: String,
}

impl Preview {
    pub(super) fn new(snapshot: &Snapshot, steps: Vec<Step>, is_managed: bool) -> Self {
        let has_step = |id: &String| steps.iter().any(|step| step.id.as_ref() == Some(id));
        let unchanged = snapshot.owned.iter().filter(|one| !has_step(&one.found.id)).count();
        let preview = |step: Step| {
            let hook_scope = step.hook_scope.as_ref();
            let id = || hook_scope.map(|hook_scope| hook_scope.project_id.clone());
            let project = snapshot.project(hook_scope).cloned().or_else(id);
            StepPreview { project: project.unwrap_or_default(), step }
        };
        Self {
            unchanged,
            foreign: snapshot.foreign,
            is_held: snapshot.hook_state.is_held,
            is_managed,
            steps: steps.into_iter().map(preview).collect(),
        }
    }
}
