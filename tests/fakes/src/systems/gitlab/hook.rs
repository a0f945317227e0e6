//! The webhook `Pipeline Hook`.

use serde_json::{Value, json};

use super::world::{Hook, World};
use crate::ci::signature::sign;
use crate::http::Request;
use crate::random::Random;
use crate::timestamp::whole_seconds;

impl World {
    /// What the webhook says about a pipeline as it stands now; none where there is none.
    pub(super) fn delivery(&self, number: u64, now_ms: i64) -> Option<Request> {
        let (build, pipeline) = (self.builds.get(number)?, self.pipelines.get(&number)?);
        let (status, _) = self.status(number);
        let ended = build.state.is_final();
        let variables: Vec<Value> = pipeline
            .variables
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let body = json!({
            "object_kind": "pipeline",
            "object_attributes": {
                "id": number,
                "iid": self.iid(number),
                "name": pipeline.name,
                "ref": build.git_ref,
                "tag": pipeline.is_tag,
                "sha": pipeline.sha,
                "before_sha": "0000000000000000000000000000000000000000",
                "source": pipeline.source,
                "status": status,
                "detailed_status": status,
                "stages": ["test"],
                "created_at": date(build.started_ms),
                "finished_at": ended.then(|| date(now_ms)),
                "duration": ended.then_some(12),
                "queued_duration": 1,
                "variables": variables,
                "url": self.page(number),
            },
            "merge_request": null,
            "user": {"id": 71, "name": "Owner", "username": "trigger-owner"},
            "project": {
                "id": self.project_id,
                "name": "pipelines",
                "web_url": format!("{}/{}", self.base_url, self.project),
                "path_with_namespace": self.project,
                "default_branch": "main",
            },
            "commit": {"id": pipeline.sha, "message": "Build"},
            "builds": [],
        });
        let mut random = Random::seeded(number ^ now_ms.unsigned_abs().rotate_left(32));
        let id = random.guid();
        let request = Request::new("POST", "")
            .with_json(&body)
            .with_header("user-agent", "GitLab/18.6.0-ee")
            .with_header("x-gitlab-event", "Pipeline Hook")
            .with_header("x-gitlab-instance", &self.base_url)
            .with_header("x-gitlab-event-uuid", &random.guid())
            .with_header("idempotency-key", &id);
        match self.hook {
            Hook::Token => Some(request.with_header("x-gitlab-token", &self.hook_secret)),
            Hook::Signed => {
                let now_s = now_ms.div_euclid(1_000);
                let signature = sign(&self.signing_token, &id, now_s, &request.body)?;
                Some(
                    request
                        .with_header("webhook-id", &id)
                        .with_header("webhook-timestamp", &now_s.to_string())
                        .with_header("webhook-signature", &signature),
                )
            }
        }
    }
}

/// `2016-08-12 15:23:28 UTC`.
fn date(at_ms: i64) -> String {
    whole_seconds(at_ms).replace('T', " ").replace('Z', " UTC")
}
