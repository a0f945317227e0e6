//! Builds as they are answered.

use serde_json::{Value, json};

use super::locator::Locator;
use super::world::World;
use crate::systems::{Build, State};
use crate::timestamp::whole_seconds;

/// How many builds a list has, unless the locator says otherwise.
const COUNT: usize = 100;

impl World {
    /// The build; none where it does not exist.
    pub(super) fn rendered(&self, number: u64) -> Option<Value> {
        let build = self.builds.get(number)?;
        let (state, status, text) = match build.state {
            State::Queued => ("queued", "", ""),
            // So far nothing has failed.
            State::Running => ("running", "SUCCESS", "Running"),
            State::Succeeded => ("finished", "SUCCESS", "Success"),
            State::Failed => ("finished", "FAILURE", "Tests failed: 1"),
            State::Errored => ("finished", "UNKNOWN", "Failed to start build"),
            State::Cancelled => ("finished", "UNKNOWN", "Canceled"),
        };
        let branch = self.branch_of(number);
        let place = if state == "queued" { "buildQueue" } else { "builds" };
        let page = match state {
            "queued" => format!("{}/viewQueued.html?itemId={number}", self.base_url),
            _ => format!("{}/build/{number}", self.base_url),
        };
        let properties: Vec<Value> = build
            .inputs
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let at = date(build.started_ms);
        let mut answer = json!({
            "id": number,
            "buildTypeId": self.build_type,
            "state": state,
            "branchName": branch,
            "defaultBranch": branch == self.default_branch,
            "href": format!("/app/rest/{place}/id:{number}"),
            "webUrl": page,
            "queuedDate": at,
            "buildType": {"id": self.build_type, "name": "Build", "projectId": "Proj"},
            "properties": {"count": properties.len(), "property": properties},
        });
        if let Some(answer) = answer.as_object_mut().filter(|_| state != "queued") {
            answer.insert("number".to_owned(), json!(number.to_string()));
            answer.insert("status".to_owned(), json!(status));
            answer.insert("statusText".to_owned(), json!(text));
            answer.insert("startDate".to_owned(), json!(at));
            if state == "finished" {
                answer.insert("finishDate".to_owned(), json!(at));
            }
            if build.state == State::Errored {
                answer.insert("failedToStart".to_owned(), json!(true));
            }
            if build.state == State::Cancelled {
                let user = json!({"username": "gateway", "id": 7, "href": "/app/rest/users/id:7"});
                let info = json!({"timestamp": at, "text": "superseded", "user": user});
                answer.insert("canceledInfo".to_owned(), info);
            }
        }
        Some(answer)
    }

    pub(super) fn branch_of(&self, number: u64) -> &str {
        self.branches.get(&number).unwrap_or(&self.default_branch)
    }

    /// The builds that a locator finds, newest first. Unless it says otherwise only those that have
    /// finished, on the default branch, neither cancelled nor failed to start.
    pub(super) fn found(&self, locator: &Locator) -> Vec<u64> {
        let number = |name: &str, default: usize| {
            locator.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let all = self.builds.all().iter().rev().filter(|build| !build.is_gone);
        let found = all.filter(|build| self.is_found(locator, build));
        found.skip(number("start", 0)).take(number("count", COUNT)).map(|one| one.number).collect()
    }

    fn is_found(&self, locator: &Locator, build: &Build) -> bool {
        let is_usual = locator.get("defaultFilter") != Some("false");
        let state = match build.state {
            State::Queued => "queued",
            State::Running => "running",
            _ => "finished",
        };
        let wanted_state = match locator.get("state") {
            None if locator.get("running") == Some("true") => "running",
            None if is_usual => "finished",
            None => "any",
            Some(state) => state,
        };
        let otherwise = if is_usual { "false" } else { "any" };
        let branch = self.branch_of(build.number);
        let is_on = match locator.get("branch") {
            None => !is_usual || branch == self.default_branch,
            Some("default:any" | "<any>") => true,
            Some("default:true") => branch == self.default_branch,
            Some("default:false") => branch != self.default_branch,
            Some(name) => name.strip_prefix("name:").unwrap_or(name) == branch,
        };
        let has_property = locator.get("property").is_none_or(|condition| {
            let Some(condition) = Locator::parse(condition) else { return false };
            let name = condition.get("name").unwrap_or_default();
            let value = build.inputs.get(name).and_then(Value::as_str);
            value.is_some_and(|value| condition.get("value").is_none_or(|wanted| wanted == value))
        });
        let is_of_type = locator
            .get("buildType")
            .is_none_or(|of| of.strip_prefix("id:").unwrap_or(of) == self.build_type);
        let shown = self.rendered(build.number).unwrap_or_default();
        (wanted_state == "any" || wanted_state == state)
            && is_on
            && has_property
            && is_of_type
            && locator.permits("canceled", build.state == State::Cancelled, otherwise)
            && locator.permits("failedToStart", build.state == State::Errored, otherwise)
            && locator
                .get("status")
                .is_none_or(|wanted| shown.get("status") == Some(&json!(wanted)))
            && locator.get("id").is_none_or(|id| id == build.number.to_string())
    }
}

/// `20261127T100000+0000`.
fn date(at_ms: i64) -> String {
    whole_seconds(at_ms).replace(['-', ':'], "").replace('Z', "+0000")
}
