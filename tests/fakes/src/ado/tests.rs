//! The rules of the fake ADO that the gateway relies on, one test for each.
//!
//! The tests call a world directly. Time is a number, so that no test waits.

/// Identities that leave, and changes to projects and repositories.
mod administration;
/// Deliveries: retries, probation, loss, filters, rendering.
mod deliveries;
/// The notification history.
mod history;
/// Iterations and merge attempts.
mod iterations;
/// The PAT lifecycle API: callers, refusals, violations.
mod pats;
/// Permissions, and how they are changed.
mod permissions;
/// Pipelines: runs, builds, their completion.
mod pipelines;
/// Policies over REST.
mod policies;
/// Refusals: versions, tokens, scopes, permissions, what does not exist.
mod refusals;
/// Statuses, and the policies that depend on them.
mod statuses;
/// Subscriptions: validation, masking, looking them up.
mod subscriptions;

use serde_json::{Value, json};

use super::{Answer, NewPullRequest, Options, World};
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;

const PAT: &str = "unit-pat";

/// A world with one repository and a service that may do everything.
pub(super) struct Fixture {
    pub(super) world: World,
    pub(super) project: String,
    pub(super) repository: String,
    pub(super) service: String,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let mut world = World::new(11, Options::default());
        world.create_organization("fabrikam");
        let project = world.create_project("fabrikam", "Fabrikam");
        let repository = world.create_repository(&project, "web");
        world.push(&repository, "main", "Begin");
        let service = world.create_identity("Service", "svc@fabrikam.example");
        world.add_pat(PAT, &service, &["vso.code_write"], i64::MAX);
        Self { world, project, repository, service }
    }

    pub(super) fn pull_request(&mut self) -> u64 {
        self.world.push(&self.repository, "topic", "Change");
        self.world.open_pull_request(&NewPullRequest::new(&self.repository, "topic", "main"))
    }

    pub(super) fn ask(&mut self, request: Request) -> Response {
        let now_ms = self.world.now_ms();
        self.world.handle(&request.with_pat(PAT), now_ms)
    }

    pub(super) fn get(&mut self, path: &str) -> Response {
        let mark = if path.contains('?') { '&' } else { '?' };
        let place = place_of(path);
        let target = format!("/fabrikam{place}/_apis/{path}{mark}api-version=7.1-preview.1");
        self.ask(Request::new("GET", &target))
    }

    pub(super) fn send(&mut self, method: &str, path: &str, body: &Value) -> Response {
        let place = place_of(path);
        let target = format!("/fabrikam{place}/_apis/{path}?api-version=7.1");
        self.ask(Request::new(method, &target).with_json(body))
    }

    pub(super) fn subscription_body(&self, event_type: &str) -> Value {
        json!({
            "publisherId": "tfs",
            "eventType": event_type,
            "resourceVersion": "1.0",
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "publisherInputs": {"projectId": self.project, "repository": "", "branch": ""},
            "consumerInputs": {
                "url": "https://gateway.example.com/hooks",
                "basicAuthUsername": "azure-devops",
                "basicAuthPassword": "secret",
                "resourceDetailsToSend": "all",
            },
        })
    }

    /// The details of a test notification: they have no version of the resource.
    pub(super) fn test_details(&self, event_type: &str) -> Value {
        let mut details = self.subscription_body(event_type);
        details.as_object_mut().unwrap().remove("resourceVersion");
        details
    }

    pub(super) fn subscribe(&mut self, event_type: &str, filter: (&str, &str)) -> String {
        let mut body = self.subscription_body(event_type);
        body["publisherInputs"][filter.0] = json!(filter.1);
        let answer = self.send("POST", "hooks/subscriptions", &body);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()["id"].as_str().unwrap().to_owned()
    }

    /// Answers every delivery that is due at that time, and returns how many there were.
    pub(super) fn answer_due(&mut self, at_ms: i64, answer: Answer) -> usize {
        let due = self.world.due_deliveries(at_ms);
        for outgoing in &due {
            self.world.delivery_answered(outgoing.token, answer, at_ms);
        }
        due.len()
    }
}

/// Hooks belong to the organization, everything else here to the project.
fn place_of(path: &str) -> &'static str {
    if path.starts_with("hooks") { "" } else { "/Fabrikam" }
}

/// The HTTP status and the `typeKey` of a refusal.
pub(super) fn refusal(response: &Response) -> (u16, String) {
    let key = response.body_json()["typeKey"].as_str().unwrap_or_default().to_owned();
    (response.status, key)
}
