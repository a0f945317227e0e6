//! What every kind of CI is told about a run. It contains no credential but the report token, which
//! is valid for this run only.

use serde_json::{Value, json};

use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub struct Trigger<'a> {
    pub run: &'a Run,
    /// Counted from 1.
    pub attempt: u32,
    pub clone_url: String,
    pub report_url: String,
    pub report_token: Secret,
    /// When this attempt is sent.
    pub sent_at: Timestamp,
}

impl Trigger<'_> {
    /// The JSON that the CI receives. Only `attempt` differs between attempts.
    pub fn to_json(&self) -> Value {
        let run = self.run;
        let repository = &run.repository;
        let mut body = json!({
            "type": "run.requested",
            "run": run.id,
            "check": run.check,
            "attempt": self.attempt,
            "organization": run.organization,
            "project": { "id": repository.project_id, "name": repository.project },
            "repository": {
                "id": repository.id,
                "name": repository.name,
                "clone_url": self.clone_url,
            },
            "commit": run.commit,
            "ref": run.git_ref,
            "report": { "url": self.report_url, "token": self.report_token.expose() },
            "inputs": {},
        });
        if let (Some(of), Some(fields)) = (&run.pull_request, body.as_object_mut()) {
            fields.insert("pull_request".into(), json!(of));
        }
        body
    }
}
