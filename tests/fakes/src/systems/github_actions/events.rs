//! The webhook `workflow_run`.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::World;
use crate::http::Request;
use crate::random::Random;

impl World {
    /// What the webhook says about a run as it stands now; none where there is no such run.
    pub(super) fn delivery(&self, number: u64, now_ms: i64) -> Option<Request> {
        let mut run = self.rendered(number)?;
        let action = match run.get("status").and_then(Value::as_str) {
            Some("completed") => "completed",
            Some("in_progress") => "in_progress",
            _ => "requested",
        };
        // The documents describe the title only of runs that were just requested.
        if let Some(run) = run.as_object_mut().filter(|_| action != "requested") {
            run.remove("display_title");
        }
        let body = json!({
            "action": action,
            "repository": self.whole_repository(),
            "sender": run.get("actor"),
            "workflow_run": run,
            "workflow": self.rendered_workflow(),
        });
        let mut random = Random::seeded(number ^ now_ms.unsigned_abs().rotate_left(32));
        let request = Request::new("POST", "")
            .with_json(&body)
            .with_header("user-agent", "GitHub-Hookshot/123abc")
            .with_header("x-github-event", "workflow_run")
            .with_header("x-github-delivery", &random.guid())
            .with_header("x-github-hook-id", "12312312")
            .with_header("x-github-hook-installation-target-id", "1296269")
            .with_header("x-github-hook-installation-target-type", "repository");
        signed(request, &self.webhook_secret)
    }

    /// The repository with what only webhooks tell of it.
    fn whole_repository(&self) -> Value {
        let page = format!("{}/{}", self.base_url, self.repository);
        let mut repository = self.rendered_repository();
        let more = json!({
            "clone_url": format!("{page}.git"), "git_url": format!("{page}.git"),
            "ssh_url": format!("{page}.git"), "svn_url": page, "mirror_url": null,
            "homepage": null, "language": null, "license": null, "topics": [],
            "default_branch": self.default_branch, "visibility": "private",
            "archived": false, "disabled": false, "is_template": false,
            "has_downloads": true, "has_issues": true, "has_projects": true, "has_wiki": true,
            "has_pages": false, "forks": 0, "forks_count": 0, "open_issues": 0,
            "open_issues_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
            "size": 0, "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z",
            "pushed_at": "2026-01-05T09:00:00Z",
        });
        if let (Some(repository), Value::Object(more)) = (repository.as_object_mut(), more) {
            repository.extend(more);
        }
        repository
    }
}

/// The request with the signature of its body.
fn signed(request: Request, secret: &str) -> Option<Request> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    code.update(&request.body);
    let mut value = "sha256=".to_owned();
    for byte in code.finalize().into_bytes() {
        _ = write!(value, "{byte:02x}");
    }
    Some(request.with_header("x-hub-signature-256", &value))
}
