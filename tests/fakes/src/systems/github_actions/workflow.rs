//! The workflow file.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::refusal::error;
use crate::http::Response;

/// An input that the workflow declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub is_required: bool,
    /// The values that are permitted; empty for any.
    pub choices: Vec<String>,
}

impl Input {
    /// An input that may be left out, of any value.
    pub fn optional(name: &str) -> Self {
        Self { name: name.to_owned(), is_required: false, choices: Vec::new() }
    }

    /// An input that must be given, of any value.
    pub fn required(name: &str) -> Self {
        Self { is_required: true, ..Self::optional(name) }
    }
}

/// The workflow, as its file on the default branch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    pub id: u64,
    /// `build.yml`, in `.github/workflows`.
    pub file: String,
    pub name: String,
    /// `active`, `disabled_manually`, `disabled_inactivity`, `disabled_fork`, `deleted`.
    pub state: String,
    /// Whether the default branch has it. Otherwise it is unknown.
    pub is_on_default_branch: bool,
    /// Whether it has the trigger `workflow_dispatch`.
    pub is_dispatchable: bool,
    pub inputs: Vec<Input>,
    /// The name of its runs, with `${{ inputs.NAME }}`; none for the name of the workflow.
    pub run_name: Option<String>,
}

impl Workflow {
    /// Active, with one input that carries the run id and is shown in the name of the run.
    pub(super) fn carrying(run_input: &str) -> Self {
        Self {
            id: 161_335,
            file: "build.yml".to_owned(),
            name: "Build".to_owned(),
            state: "active".to_owned(),
            is_on_default_branch: true,
            is_dispatchable: true,
            inputs: vec![Input::optional(run_input)],
            run_name: Some(format!("Build ${{{{ inputs.{run_input} }}}}")),
        }
    }

    /// Whether a path of the API means it: its id, or the name of its file.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.is_on_default_branch && (name == self.file || name == self.id.to_string())
    }

    pub(super) fn path(&self) -> String {
        format!(".github/workflows/{}", self.file)
    }

    /// Refuses inputs that the file does not permit.
    pub(super) fn permit(&self, inputs: &Map<String, Value>) -> Result<(), Response> {
        if !self.is_dispatchable {
            return Err(error(422, "Workflow does not have 'workflow_dispatch' trigger"));
        }
        let declared = |name: &String| self.inputs.iter().any(|input| input.name == *name);
        let unknown: Vec<_> = inputs.keys().filter(|name| !declared(name)).collect();
        if !unknown.is_empty() {
            return Err(error(422, &format!("Unexpected inputs provided: {unknown:?}")));
        }
        for input in &self.inputs {
            let Input { name, is_required, choices } = input;
            match inputs.get(name).and_then(Value::as_str) {
                None | Some("") if *is_required => {
                    return Err(error(422, &format!("Required input '{name}' not provided")));
                }
                Some(value) if !choices.is_empty() && !choices.iter().any(|one| one == value) => {
                    let message = format!(
                        "Provided value '{value}' for input '{name}' not in the list of allowed \
                         values"
                    );
                    return Err(error(422, &message));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of a run with these inputs.
    pub(super) fn title(&self, inputs: &Map<String, Value>) -> String {
        let Some(template) = &self.run_name else { return self.name.clone() };
        self.inputs.iter().fold(template.clone(), |title, input| {
            let value = inputs.get(&input.name).and_then(Value::as_str).unwrap_or_default();
            title.replace(&format!("${{{{ inputs.{} }}}}", input.name), value)
        })
    }

    /// The file.
    pub(super) fn yaml(&self) -> String {
        let mut text = format!("name: {}\n", self.name);
        if let Some(name) = &self.run_name {
            _ = writeln!(text, "run-name: {name}");
        }
        text.push_str("on:\n");
        match (self.is_dispatchable, self.inputs.is_empty()) {
            (false, _) => text.push_str("  push:\n"),
            (true, true) => text.push_str("  workflow_dispatch:\n"),
            (true, false) => text.push_str("  workflow_dispatch:\n    inputs:\n"),
        }
        for input in self.inputs.iter().filter(|_| self.is_dispatchable) {
            let kind = if input.choices.is_empty() { "string" } else { "choice" };
            _ = writeln!(
                text,
                "      {}:\n        required: {}\n        type: {kind}",
                input.name, input.is_required
            );
            if !input.choices.is_empty() {
                _ = writeln!(text, "        options: [{}]", input.choices.join(", "));
            }
        }
        text.push_str("jobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n");
        text.push_str("      - run: make test\n");
        text
    }
}
