//! A world with one of everything, called as a program does.
//!
//! A refusal panics, as only successful answers are compared.

use std::cell::RefCell;

use fakes::ado::{Answer, NewPullRequest, Options, World};
use fakes::http::Request;
use fakes::neighbour::Neighbour as _;
use fakes::systems::State;
use serde_json::{Value, json};

const PAT: &str = "fixture-pat";
const FULL: &str = "fixture-pat-for-everything";
const BEARER: &str = "fixture-bearer";

pub(crate) struct Fixture {
    world: RefCell<World>,
    pub(crate) project: String,
    pub(crate) repository: String,
    pub(crate) head: String,
    pub(crate) pull_request: u64,
    pub(crate) fork: u64,
    pub(crate) pipeline: u64,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let mut world = World::new(3, Options::default());
        world.create_organization("fabrikam");
        let project = world.create_project("fabrikam", "Fabrikam");
        let repository = world.create_repository(&project, "web");
        world.push(&repository, "main", "Begin");
        let head = world.push(&repository, "topic", "Change");
        world.create_annotated_tag(&repository, "v1", &head);
        let service = world.create_identity("Service", "svc@fabrikam.example");
        world.add_pat(PAT, &service, &["vso.code_write"], i64::MAX);
        world.add_pat(FULL, &service, &["app_token"], i64::MAX);
        let scopes = ["vso.pats", "vso.pats_manage"];
        world.add_user_bearer(BEARER, &service, &scopes, i64::MAX);
        let new = NewPullRequest::new(&repository, "topic", "main");
        let pull_request = world.open_pull_request(&new);
        world.push(&repository, "topic", "More");
        let group = world.create_group("Team");
        world.add_reviewer(pull_request, &group);
        world.add_label(pull_request, "ready");
        world.comment(pull_request, "Looks good");
        let fork = world.create_fork(&repository, &project, "web-fork");
        world.push(&fork, "fix", "From outside");
        let new = NewPullRequest::new(&repository, "fix", "main").from_fork(&fork).conflicting();
        let fork = world.open_pull_request(&new);
        let pipeline = world.create_pipeline(&repository, "web-ci");
        world.pipeline_mut(pipeline).settable_variables.push("mode".to_owned());
        let world = RefCell::new(world);
        let fixture = Self { world, project, repository, head, pull_request, fork, pipeline };
        fixture.post_statuses();
        fixture
    }

    fn post_statuses(&self) {
        let body = json!({"state": "pending", "context": {"name": "unit", "genre": "ci"}});
        let pull_request =
            format!("git/repositories/{}/pullRequests/{}", self.repository, self.pull_request);
        self.send("POST", &format!("{pull_request}/iterations/2/statuses"), &body);
        let commit = format!("git/repositories/{}/commits/{}", self.repository, self.head);
        self.send("POST", &format!("{commit}/statuses"), &body);
    }

    pub(crate) fn get(&self, target: &str) -> Value {
        self.ask(&Request::new("GET", &self.target(target, "7.1")))
    }

    pub(crate) fn get_preview(&self, target: &str) -> Value {
        self.ask(&Request::new("GET", &self.target(target, "7.1-preview.1")))
    }

    pub(crate) fn send(&self, method: &str, target: &str, body: &Value) -> Value {
        self.ask(&Request::new(method, &self.target(target, "7.1")).with_json(body))
    }

    /// Calls the PAT lifecycle API as a person.
    pub(crate) fn pats(
        &self,
        version: &str,
        method: &str,
        query: &str,
        body: Option<&Value>,
    ) -> Value {
        let target = format!("/fabrikam/_apis/tokens/pats?api-version={version}{query}");
        let mut request = Request::new(method, &target).with_bearer(BEARER);
        if let Some(body) = body {
            request = request.with_json(body);
        }
        let now_ms = self.world.borrow().now_ms() + 1;
        let answer = self.world.borrow_mut().handle(&request, now_ms);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()
    }

    pub(crate) fn mint(&self, version: &str, scope: &str) -> Value {
        let end_ms = self.world.borrow().now_ms() + 60_000;
        let body = json!({
            "displayName": "azdo-gateway/spec",
            "scope": scope,
            "validTo": fakes::timestamp::rfc3339(end_ms),
            "allOrgs": false,
        });
        self.pats(version, "POST", "", Some(&body))
    }

    /// Calls a path without a project, with all scopes.
    pub(crate) fn at_organization(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.at("/fabrikam", method, path, body)
    }

    /// Calls a path of the project, with all scopes.
    pub(crate) fn at_project(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.at("/fabrikam/Fabrikam", method, path, body)
    }

    fn at(&self, place: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{place}/_apis/{path}{mark}api-version=7.1");
        let request = Request::new(method, &target);
        let request = match body {
            Some(body) => request.with_json(body),
            None => request,
        };
        let now_ms = self.world.borrow().now_ms() + 1;
        let request = request.with_pat(FULL);
        let answer = self.world.borrow_mut().handle(&request, now_ms);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()
    }

    fn target(&self, target: &str, version: &str) -> String {
        let mark = if target.contains('?') { '&' } else { '?' };
        let place = if target.starts_with("hooks") { "" } else { "/Fabrikam" };
        format!("/fabrikam{place}/_apis/{target}{mark}api-version={version}")
    }

    fn ask(&self, request: &Request) -> Value {
        let now_ms = self.world.borrow().now_ms() + 1;
        let answer = self.world.borrow_mut().handle(&request.clone().with_pat(PAT), now_ms);
        assert!((200..300).contains(&answer.status), "{request:?}\n{}", answer.body_json());
        answer.body_json()
    }

    /// A start of a run with all that the fake takes.
    pub(crate) fn run_body(&self) -> Value {
        json!({
            "resources": {"repositories": {"self": {
                "refName": format!("refs/pull/{}/merge", self.pull_request),
            }}},
            "templateParameters": {"azdo_gateway_run": "run-1"},
            "variables": {"mode": {"value": "full", "isSecret": false}},
            "stagesToSkip": [],
            "previewRun": false,
        })
    }

    pub(crate) fn fail_validation(&self, number: u64) {
        self.world.borrow_mut().fail_validation(number, &["There is no pool."]);
    }

    pub(crate) fn push(&self) {
        let mut world = self.world.borrow_mut();
        world.push(&self.repository, "topic", "Again");
        let now_ms = world.now_ms();
        for outgoing in world.due_deliveries(now_ms) {
            world.delivery_answered(outgoing.token, Answer::Status(500), now_ms);
        }
    }

    /// The body of the delivery of an event of this type.
    pub(crate) fn delivery(&self, event_type: &str, version: &str) -> Value {
        let mut body = self.subscription_body(event_type, version);
        if event_type == "build.complete" {
            body["publisherInputs"] = json!({"projectId": self.project});
            let path = format!("pipelines/{}/runs", self.pipeline);
            self.at_project("POST", &path, Some(&self.run_body()));
        }
        self.send("POST", "hooks/subscriptions", &body);
        let mut world = self.world.borrow_mut();
        match event_type {
            "git.pullrequest.created" => {
                let number = self.pull_request;
                world.abandon(number);
                let new = NewPullRequest::new(&self.repository, "topic", "main");
                let number = world.open_pull_request(&new);
                let group = world.create_group("Other team");
                world.add_reviewer(number, &group);
            }
            "build.complete" => {
                let builds = world.builds_of(self.pipeline);
                builds.set_state(builds.all()[0].number, State::Succeeded);
            }
            "git.pullrequest.updated" => drop(world.complete(self.pull_request)),
            "ms.vss-code.git-pullrequest-comment-event" => {
                world.comment(self.pull_request, "Once more");
            }
            _ => {
                world.push(&self.repository, "topic", "Again");
                // The published sample of a merge attempt has a pull request that was closed before
                // the delivery.
                world.complete(self.pull_request);
            }
        }
        let now_ms = world.now_ms();
        let outgoing = world.due_deliveries(now_ms).remove(0);
        serde_json::from_slice(&outgoing.body).unwrap()
    }

    pub(crate) fn subscription_body(&self, event_type: &str, version: &str) -> Value {
        json!({
            "publisherId": "tfs",
            "eventType": event_type,
            "resourceVersion": version,
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "publisherInputs": {"projectId": self.project, "repository": self.repository},
            "consumerInputs": {
                "url": "https://gateway.example.com/hooks",
                "basicAuthPassword": "secret",
                "resourceDetailsToSend": "all",
            },
        })
    }

    pub(crate) fn policy(&self) -> Value {
        json!({
            "isEnabled": true,
            "isBlocking": true,
            "type": {"id": fakes::ado::policy::STATUS_POLICY},
            "settings": {
                "statusGenre": "ci",
                "statusName": "unit",
                "invalidateOnSourceUpdate": true,
                "scope": [{
                    "repositoryId": self.repository,
                    "refName": "refs/heads/main",
                    "matchKind": "exact",
                }],
            },
        })
    }
}
