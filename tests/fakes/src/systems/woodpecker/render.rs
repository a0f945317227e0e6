//! Pipelines as they are answered, alone and in lists.

use serde_json::{Value, json};

use super::world::World;
use crate::http::{Request, Response};
use crate::systems::{Build, State};
use crate::timestamp::parse_rfc3339;

/// How many pipelines a page has, by itself and at most.
const PAGE: usize = 50;

impl World {
    /// The pipeline; none where it does not exist.
    pub(super) fn rendered(&self, number: u64) -> Option<Value> {
        let build = self.builds.get(number)?;
        let pipeline = self.pipelines.get(&number)?;
        let at_s = build.started_ms.div_euclid(1_000);
        let has_started = build.state != State::Queued && !pipeline.never_ran;
        let errors = json!([{"type": "linter", "message": "yaml: line 3: mapping values are not \
            allowed in this context", "is_warning": false, "data": null}]);
        let mut answer = json!({
            "id": 4_000 + number,
            "number": number,
            "author": "gateway",
            "author_avatar": "",
            "author_email": "gateway@fabrikam.example",
            "branch": build.git_ref,
            "commit": pipeline.commit,
            "created": at_s,
            "updated": at_s,
            "timestamp": at_s,
            "started": if has_started { at_s } else { 0 },
            "finished": if build.state.is_final() { at_s } else { 0 },
            "event": "manual",
            "message": pipeline.message,
            "parent": 0,
            "ref": format!("refs/heads/{}", build.git_ref),
            "refspec": "",
            "sender": "",
            "title": "",
            "status": self.status(number),
            "variables": build.inputs,
            "forge_url": format!("http://forge.invalid/{}", self.repository),
            "deploy_to": "",
            "deploy_task": "",
            "reviewed": 0,
            "reviewed_by": "",
            "from_fork": false,
        });
        if let Some(answer) = answer.as_object_mut() {
            if build.state == State::Errored {
                answer.insert("errors".to_owned(), errors);
            }
            if build.state == State::Cancelled {
                let info = json!({"canceled_by_user": "gateway"});
                answer.insert("cancel_info".to_owned(), info);
            }
        }
        Some(answer)
    }

    /// `GET …/pipelines`, newest first.
    pub(super) fn list(&self, request: &Request) -> Result<Response, Response> {
        let number = |name: &str, default: usize| {
            request.query(name).and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
        };
        let moment = |name: &str| match request.query(name) {
            None => Ok(None),
            Some(text) => parse_rfc3339(text).map(Some).ok_or_else(|| Response::empty(400)),
        };
        let (after, before) = (moment("after")?, moment("before")?);
        let (page, size) = (number("page", 1), number("perPage", PAGE).min(PAGE));
        let matches = |build: &&Build| {
            !build.is_gone
                && after.is_none_or(|after_ms| build.started_ms > after_ms)
                && before.is_none_or(|before_ms| build.started_ms < before_ms)
                && self.is_asked_for(request, build)
        };
        let found = self.builds.all().iter().rev().filter(matches);
        let shown = found.skip((page - 1) * size).take(size);
        let pipelines: Vec<Value> = shown.filter_map(|one| self.rendered(one.number)).collect();
        Ok(Response::json(200, &json!(pipelines)))
    }

    fn is_asked_for(&self, request: &Request, build: &Build) -> bool {
        let is = |name: &str, holds: &dyn Fn(&str) -> bool| {
            request.query(name).is_none_or(|asked| asked.is_empty() || holds(asked))
        };
        is("branch", &|asked| asked == build.git_ref)
            && is("event", &|asked| asked.split(',').any(|event| event == "manual"))
            && is("ref", &|asked| format!("refs/heads/{}", build.git_ref).contains(asked))
            && is("status", &|asked| asked == self.status(build.number))
    }

    /// The repository.
    pub(super) fn rendered_repository(&self) -> Value {
        let (owner, name) = self.repository.split_once('/').unwrap_or_default();
        json!({
            "id": self.repository_id,
            "forge_id": 1,
            "forge_remote_id": "278",
            "org_id": 1,
            "owner": owner,
            "name": name,
            "full_name": self.repository,
            "forge_url": format!("http://forge.invalid/{}", self.repository),
            "clone_url": format!("http://forge.invalid/{}.git", self.repository),
            "default_branch": "main",
            "private": true,
            "visibility": "private",
            "active": true,
            "timeout": 60,
            "allow_pr": true,
            "allow_deploy": false,
            "config_file": "",
            "require_approval": "forks",
        })
    }
}
