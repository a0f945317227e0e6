//! The played neighbours with what most stories need: an organization, a project, a repository
//! with a main branch, an identity for the gateway and people who act. It must never know how the
//! gateway works.

use std::time::Duration;

use azdo_gateway::secret::{Keyring, RootKey};
use fakes::bearers::add_service_user;
use fakes::shell::Shell;
use fakes::{ado, ci, entra};
use serde_json::{Value, json};

use super::PATIENCE;
use super::settings::{BY_HAND, CHECKS, CLIENT_SECRET, PAT, ROOT_KEY, Settings, TOLD_ONLY};

pub(crate) const ORGANIZATION: &str = "fabrikam";
/// The account that is linked.
pub(crate) const SERVICE_USER: &str = "svc-ci@fabrikam.example";
/// What operators subscribe to.
const EVENTS: [&str; 3] = ["git.push", "git.pullrequest.created", "git.pullrequest.updated"];

/// The neighbours of one gateway.
pub(crate) struct Env {
    pub(crate) shell: Shell,
    pub(crate) project: String,
    pub(crate) repository: String,
    /// The identity that the gateway uses.
    pub(crate) identity: String,
    /// The app through which that identity is linked.
    pub(crate) client_id: String,
    pub(crate) keys: Keyring,
    pub(super) http: reqwest::Client,
    ci_secret: String,
    folder: tempfile::TempDir,
}

impl Env {
    /// A env where everything that is random follows from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self::at(seed, "/fabrikam")
    }

    /// The same, with the organization at another path, as on an Azure DevOps Server.
    pub(crate) fn at(seed: u64, path: &str) -> Self {
        let mut ado = ado::World::new(seed, ado::Options::loopback());
        ado.create_organization_at(ORGANIZATION, path);
        let project = ado.create_project(ORGANIZATION, "Fabrikam");
        let repository = ado.create_repository(&project, "web");
        let person = ado.create_identity("Jo Doe", "jo@fabrikam.example");
        ado.act_as(&person);
        ado.push(&repository, "main", "Begin");
        let mut entra = entra::World::new(seed);
        let client_id = entra.add_app();
        entra.add_secret(&client_id, CLIENT_SECRET);
        let user = add_service_user(&mut ado, &mut entra, "CI Gateway", SERVICE_USER);
        let identity = user.identity;
        ado.add_pat(PAT, &identity, &["vso.code", "vso.code_status"], 4_102_444_800_000);
        let ci = ci::World::new(seed);
        let ci_secret = ci.secret().to_owned();
        let shell = Shell::start_with_entra(ado, ci, entra, None).expect("loopback is there");
        let root_key = RootKey::parse(ROOT_KEY).expect("it is a key");
        let keys = Keyring { current: root_key, previous: None };
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let http = reqwest::Client::new();
        Self { shell, project, repository, identity, client_id, keys, http, ci_secret, folder }
    }

    /// What a gateway of this env is configured with, listening on `listen`.
    pub(crate) fn settings(&self, listen: &str) -> Settings {
        Settings {
            listen: listen.to_owned(),
            folder: self.folder.path().to_owned(),
            organization_url: self.shell.ado(|ado| ado.organization_url(ORGANIZATION)),
            ci_url: self.shell.ci_url(),
            ci_secret: self.ci_secret.clone(),
            organization: TOLD_ONLY.to_owned(),
            credential: BY_HAND.to_owned(),
            checks: CHECKS.to_owned(),
            drain: "400ms",
            server: String::new(),
            secrets: String::new(),
            signing: r#"{ env = "BUILDER_SECRET" }"#.to_owned(),
            database: "gateway.db".into(),
            environment: Default::default(),
        }
    }

    /// The password with which hooks of that name deliver.
    pub(crate) fn password(&self, hook: &str) -> String {
        self.keys.hook_password(ORGANIZATION, hook).expose().to_owned()
    }

    /// Creates the usual hooks, as an operator would: over REST.
    pub(crate) async fn subscribe(&self, gateway: &str) {
        for event_type in EVENTS {
            self.subscribe_to(gateway, event_type, "1.0").await;
        }
    }

    /// Creates one hook; its id.
    pub(crate) async fn subscribe_to(
        &self,
        gateway: &str,
        event_type: &str,
        resource_version: &str,
    ) -> String {
        let body = self.hook(gateway, event_type, resource_version);
        let created = self.ask_ado("POST", "_apis/hooks/subscriptions", &body).await;
        created["id"].as_str().expect("it has an id").to_owned()
    }

    /// Presses the "Test" button of a hook that is not saved yet.
    pub(crate) async fn test_hook(&self, gateway: &str, event_type: &str) {
        let body = json!({ "details": self.hook(gateway, event_type, "1.0") });
        self.ask_ado("POST", "_apis/hooks/testnotifications", &body).await;
    }

    fn hook(&self, gateway: &str, event_type: &str, resource_version: &str) -> Value {
        let hook = event_type.replace('.', "-");
        json!({
            "publisherId": "tfs",
            "eventType": event_type,
            "resourceVersion": resource_version,
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "publisherInputs": { "projectId": self.project },
            "consumerInputs": {
                "url": format!("{gateway}/hooks/azure-devops/{ORGANIZATION}/{hook}"),
                "basicAuthUsername": "azure-devops",
                "basicAuthPassword": self.password(&hook),
                "resourceDetailsToSend": "all",
            },
        })
    }

    /// A call of an operator to the played Azure DevOps, which has to succeed.
    pub(crate) async fn ask_ado(&self, method: &str, path: &str, body: &Value) -> Value {
        let organization = self.shell.ado(|ado| ado.organization_url(ORGANIZATION));
        let method = method.parse().expect("it is a method");
        let answer = self
            .http
            .request(method, format!("{organization}/{path}?api-version=7.1"))
            .basic_auth("", Some(PAT))
            .json(body)
            .send()
            .await
            .expect("the played Azure DevOps answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
        answer.json().await.expect("it answers JSON")
    }

    /// Somebody pushes to a new branch and opens a pull request to main: number and commit.
    pub(crate) fn open(&self, branch: &str) -> (u64, String) {
        self.shell.ado(|ado| {
            let commit = ado.push(&self.repository, branch, "Work");
            let new = ado::NewPullRequest::new(&self.repository, branch, "main");
            (ado.open_pull_request(&new), commit)
        })
    }

    /// Somebody pushes one more commit.
    pub(crate) fn push(&self, branch: &str) -> String {
        self.shell.ado(|ado| ado.push(&self.repository, branch, "More work"))
    }

    /// Waits until something holds in the worlds; fails the test, saying what did not happen.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        what: &'a str,
        condition: impl FnMut(&ado::World, &ci::World) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let happened = self.shell.wait_until(PATIENCE, condition).await;
            assert!(happened, "{caller}: it never came to pass that {what}");
        }
    }

    /// Waits until a pull request shows this state for a check, on the iteration of that commit.
    pub(crate) async fn until_shown(&self, id: u64, commit: &str, check: &str, state: &str) {
        let what = format!("pull request {id} at {commit} shows {check} {state}");
        self.until(&what, |ado, _| {
            super::newest_status(ado, id, commit, check).is_some_and(|found| found.state == state)
        })
        .await;
    }

    /// Waits until every delivery of Azure DevOps has been answered.
    pub(crate) async fn until_delivered(&self) {
        self.until("everything is delivered", |ado, _| ado.deliveries_pending() == 0).await;
    }

    /// A moment that is long for these worlds, for the few cases where nothing must happen.
    pub(crate) const MOMENT: Duration = Duration::from_millis(300);
}

impl Drop for Env {
    /// Whatever a test is about: no token is used twice, too broad, or lives too long.
    fn drop(&mut self) {
        let violations = self.shell.ado(|ado| ado.violations().to_vec());
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "misused tokens:\n{}", violations.join("\n"));
        }
    }
}
