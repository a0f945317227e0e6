//! Pipelines: what may be started, what is told of builds, and their completion.

/// What is told of builds.
mod builds;
/// The event of a completed build.
mod completion;
/// What may be started.
mod starting;

use serde_json::{Value, json};

use super::Fixture;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::State;

const BUILDER: &str = "builder-pat";
const NOT_QUEUED: &str = "BuildRequestValidationFailedException";

struct Pipelines {
    fixture: Fixture,
    pipeline: u64,
}

impl Pipelines {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        let pipeline = fixture.world.create_pipeline(&fixture.repository, "web-ci");
        let scopes = ["vso.build_execute"];
        fixture.world.add_pat(BUILDER, &fixture.service, &scopes, i64::MAX);
        Self { fixture, pipeline }
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.ask_as(BUILDER, method, path, body)
    }

    fn ask_as(&mut self, pat: &str, method: &str, path: &str, body: Option<&Value>) -> Response {
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("/fabrikam/Fabrikam/_apis/{path}{mark}api-version=7.1");
        let request = Request::new(method, &target).with_pat(pat);
        let request = match body {
            Some(body) => request.with_json(body),
            None => request,
        };
        let world = &mut self.fixture.world;
        let now_ms = world.now_ms() + 1_000;
        world.handle(&request, now_ms)
    }

    fn get(&mut self, path: &str) -> Value {
        let answer = self.ask("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body_json());
        answer.body_json()
    }

    fn build(&mut self, number: u64) -> Value {
        self.get(&format!("build/builds/{number}"))
    }

    fn run(&mut self, body: &Value) -> Response {
        self.ask("POST", &format!("pipelines/{}/runs", self.pipeline), Some(body))
    }

    fn preview(&mut self, body: &Value) -> Response {
        self.ask("POST", &format!("pipelines/{}/preview", self.pipeline), Some(body))
    }

    fn started(&mut self, body: &Value) -> u64 {
        let answer = self.run(body);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()["id"].as_u64().unwrap()
    }

    fn set(&mut self, number: u64, state: State) {
        self.fixture.world.builds_of(self.pipeline).set_state(number, state);
    }

    fn numbers(&mut self, query: &str) -> Vec<u64> {
        let answer = self.get(&format!("build/builds?{query}"));
        let all = answer["value"].as_array().unwrap();
        all.iter().map(|one| one["id"].as_u64().unwrap()).collect()
    }

    /// The bodies of what is delivered now.
    fn delivered(&mut self) -> Vec<Value> {
        let now_ms = self.fixture.world.now_ms();
        let due = self.fixture.world.due_deliveries(now_ms);
        due.iter().map(|one| serde_json::from_slice(&one.body).unwrap()).collect()
    }

    fn subscribe(&mut self, version: &str, status: &str) {
        let mut body = self.fixture.subscription_body("build.complete");
        body["resourceVersion"] = json!(version);
        body["publisherInputs"] = json!({
            "projectId": self.fixture.project,
            "definitionName": "web-ci",
            "buildStatus": status,
        });
        let answer = self.fixture.send("POST", "hooks/subscriptions", &body);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
    }
}

fn at(git_ref: &str, version: Option<&str>) -> Value {
    json!({"resources": {"repositories": {"self": {"refName": git_ref, "version": version}}}})
}

fn with_run(run: &str) -> Value {
    json!({"templateParameters": {"azdo_gateway_run": run}})
}
