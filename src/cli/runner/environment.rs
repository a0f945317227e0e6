//! What the command of a run is told: environment variables, and the run as a JSON file. Nothing in
//! either is a secret of the gateway.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::ci::short_ref;

/// The files of one run that its command may read or write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) run: &'a Path,
    pub(super) description: &'a Path,
    pub(super) url: &'a Path,
}

/// The variables that a run may have, with the pointers to their values in its JSON.
const VARIABLES: [(&str, &str); 12] = [
    ("AZDO_RUN", "/run"),
    ("AZDO_CHECK", "/check"),
    ("AZDO_ORGANIZATION", "/organization"),
    ("AZDO_PROJECT", "/project/name"),
    ("AZDO_REPOSITORY", "/repository/name"),
    ("AZDO_CLONE_URL", "/repository/clone_url"),
    ("AZDO_COMMIT", "/commit"),
    ("AZDO_REF", "/ref"),
    ("AZDO_PULL_REQUEST", "/pull_request/id"),
    ("AZDO_SOURCE_REF", "/pull_request/source_ref"),
    ("AZDO_TARGET_REF", "/pull_request/target_ref"),
    ("AZDO_REPORT_URL", "/report/url"),
];
/// Those that are made here.
const BRANCH: &str = "AZDO_BRANCH";
const RUN_FILE: &str = "AZDO_RUN_FILE";
const DESCRIPTION_FILE: &str = "AZDO_DESCRIPTION_FILE";
const URL_FILE: &str = "AZDO_URL_FILE";
const INPUT: &str = "INPUT_";

/// The variables of a run. What it does not have, as a push has no pull request, is left out.
pub(super) fn variables(run: &Value, files: Files<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        // No variable can hold a zero byte.
        variables.insert(name.to_owned(), value.replace('\0', ""));
    };
    for (name, pointer) in VARIABLES {
        if let Some(value) = run.pointer(pointer).and_then(text) {
            set(name, value);
        }
    }
    if let Some(git_ref) = run.get("ref").and_then(Value::as_str) {
        set(BRANCH, short_ref(git_ref).to_owned());
    }
    for (name, path) in
        [(RUN_FILE, files.run), (DESCRIPTION_FILE, files.description), (URL_FILE, files.url)]
    {
        set(name, path.display().to_string());
    }
    for (name, value) in run.get("inputs").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = text(value) {
            set(&input_name(name), value);
        }
    }
    variables
}

/// Whether a variable of the runner is hidden from the command: its own settings and secrets, and
/// what would be taken for a variable of the run.
pub(super) fn is_hidden(name: &str) -> bool {
    let of_supervisor = ["CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"];
    let made = [BRANCH, RUN_FILE, DESCRIPTION_FILE, URL_FILE, "AZDO_REPORT_TOKEN"];
    name.starts_with("AZDO_GATEWAY_")
        || name.starts_with(INPUT)
        || of_supervisor.contains(&name)
        || made.contains(&name)
        || VARIABLES.iter().any(|(known, _)| *known == name)
}

/// The run as the command may read it: as the gateway gave it, without the token for reports.
pub(super) fn for_file(run: &Value) -> Value {
    let mut run = run.clone();
    if let Some(Value::Object(report)) = run.get_mut("report") {
        report.remove("token");
    }
    run
}

/// `suite-name` → `INPUT_SUITE_NAME`.
fn input_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{INPUT}{}", name.chars().map(letter).collect::<String>())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILES: fn() -> Files<'static> = || Files {
        run: Path::new("/r/run.json"),
        description: Path::new("/r/description"),
        url: Path::new("/r/url"),
    };

    fn of_pull_request() -> Value {
        json!({
            "type": "run.requested", "run": "r1", "check": "unit", "attempt": 1,
            "organization": "fabrikam", "project": { "id": "p", "name": "Fabrikam" },
            "repository": { "id": "q", "name": "web", "clone_url": "https://ado.example/web" },
            "commit": "c1", "ref": "refs/heads/topic",
            "pull_request": {
                "id": 7, "source_ref": "refs/heads/topic", "target_ref": "refs/heads/main",
            },
            "report": { "url": "https://gw.example/v1/runs/r1/reports", "token": "hidden" },
            "inputs": { "suite-name": "smoke", "a\u{e9}": "x\0y" },
        })
    }

    #[test]
    fn a_pull_request_has_every_variable_and_no_token() {
        let variables = variables(&of_pull_request(), FILES());
        let expected = [
            ("AZDO_BRANCH", "topic"),
            ("AZDO_CHECK", "unit"),
            ("AZDO_CLONE_URL", "https://ado.example/web"),
            ("AZDO_COMMIT", "c1"),
            ("AZDO_DESCRIPTION_FILE", "/r/description"),
            ("AZDO_ORGANIZATION", "fabrikam"),
            ("AZDO_PROJECT", "Fabrikam"),
            ("AZDO_PULL_REQUEST", "7"),
            ("AZDO_REF", "refs/heads/topic"),
            ("AZDO_REPORT_URL", "https://gw.example/v1/runs/r1/reports"),
            ("AZDO_REPOSITORY", "web"),
            ("AZDO_RUN", "r1"),
            ("AZDO_RUN_FILE", "/r/run.json"),
            ("AZDO_SOURCE_REF", "refs/heads/topic"),
            ("AZDO_TARGET_REF", "refs/heads/main"),
            ("AZDO_URL_FILE", "/r/url"),
            ("INPUT_A_", "xy"),
            ("INPUT_SUITE_NAME", "smoke"),
        ];
        let set: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(set, expected);
        assert!(!format!("{variables:?}").contains("hidden"));
    }

    #[test]
    fn a_push_has_no_variables_of_a_pull_request() {
        let mut run = of_pull_request();
        run["pull_request"] = Value::Null;
        let variables = variables(&run, FILES());
        assert!(!variables.contains_key("AZDO_PULL_REQUEST"), "{variables:?}");
        assert!(!variables.contains_key("AZDO_TARGET_REF"), "{variables:?}");
        assert_eq!(variables["AZDO_BRANCH"], "topic");
    }

    #[test]
    fn the_file_is_the_run_without_its_token() {
        let file = for_file(&of_pull_request());
        assert!(!file.to_string().contains("hidden") && !file.to_string().contains("token"));
        assert_eq!(file["report"]["url"], "https://gw.example/v1/runs/r1/reports");
        assert_eq!(file["pull_request"]["id"], 7);
    }

    #[test]
    fn what_the_runner_is_given_for_itself_is_hidden() {
        for (name, hidden) in [
            ("AZDO_GATEWAY_TOKEN", true),
            ("AZDO_GATEWAY_ANYTHING", true),
            ("AZDO_REPORT_TOKEN", true),
            ("AZDO_PULL_REQUEST", true),
            ("INPUT_SUITE", true),
            ("CREDENTIALS_DIRECTORY", true),
            ("PATH", false),
            ("AZDO_PAT", false),
        ] {
            assert_eq!(is_hidden(name), hidden, "{name}");
        }
    }
}
