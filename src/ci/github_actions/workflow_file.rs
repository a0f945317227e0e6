//! What `ci check` reads out of the workflow file, without reading YAML as a whole: whether the
//! words are there that a dispatch needs.

use crate::ci::text::has_word;

/// What a workflow file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WorkflowFile {
    /// It has the trigger `workflow_dispatch`.
    pub(super) is_dispatchable: bool,
    /// It declares the input.
    pub(super) declares_input: bool,
    /// `run-name` shows the input as a word of its own.
    pub(super) shows_input: bool,
}

/// Reads a workflow file that is to declare this input.
pub(super) fn read(yaml: &str, input: &str) -> WorkflowFile {
    let lines = || yaml.lines().map(without_comment);
    let is_dispatchable = lines().any(|line| has_word(line, "workflow_dispatch"));
    let declares_input = lines().any(|line| declares(line, input));
    let name = lines().find_map(|line| line.strip_prefix("run-name:"));
    let shows_input = name.is_some_and(|name| shows(name, input));
    WorkflowFile { is_dispatchable, declares_input, shows_input }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split(" #").next().unwrap_or_default()
}

/// Whether a line has `NAME:`, perhaps in quotes.
fn declares(line: &str, name: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + name.len()..).unwrap_or_default();
        let after = after.trim_start_matches(['"', '\'']).trim_start();
        !before.ends_with(part) && after.starts_with(':')
    })
}

/// Whether the text has `${{ inputs.NAME }}` as a word of its own.
fn shows(text: &str, name: &str) -> bool {
    const STAND_IN: &str = "0";
    let (inputs, event) = (format!("inputs.{name}"), format!("github.event.inputs.{name}"));
    let mut rest = text;
    let mut rendered = String::new();
    while let Some((before, after)) = rest.split_once("${{") {
        rendered.push_str(before);
        let Some((expression, after)) = after.split_once("}}") else { break };
        let is_ours = [inputs.as_str(), event.as_str()].contains(&expression.trim());
        rendered.push_str(if is_ours { STAND_IN } else { "x" });
        rest = after;
    }
    rendered.push_str(rest);
    has_word(&rendered, STAND_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "name: Build\nrun-name: Check ${{ inputs.azdo_gateway_run }} of PR\n\
        on:\n  workflow_dispatch:\n    inputs:\n      azdo_gateway_run:\n        type: string\n";

    fn seen(yaml: &str) -> (bool, bool, bool) {
        let file = read(yaml, "azdo_gateway_run");
        (file.is_dispatchable, file.declares_input, file.shows_input)
    }

    #[test]
    fn a_workflow_that_can_be_dispatched_and_found() {
        assert_eq!(seen(FILE), (true, true, true));
        let flow = "run-name: '${{github.event.inputs.azdo_gateway_run}}'\n\
            on: { workflow_dispatch: { inputs: { \"azdo_gateway_run\": {} } } }\n";
        assert_eq!(seen(flow), (true, true, true));
    }

    #[test]
    fn what_is_missing_is_noticed() {
        assert_eq!(seen("on: push\n"), (false, false, false));
        let commented = FILE.replace("  workflow_dispatch", "  push: # workflow_dispatch");
        assert_eq!(seen(&commented), (false, true, true));
        let other = FILE.replace("      azdo_gateway_run:", "      my_azdo_gateway_run:");
        assert_eq!(seen(&other), (true, false, true));
        let joined = FILE.replace("Check $", "check-$");
        assert_eq!(seen(&joined), (true, true, false));
        let literal = FILE.replace("${{ inputs.azdo_gateway_run }}", "azdo_gateway_run 0x");
        assert_eq!(seen(&literal), (true, true, false));
    }
}
