//! The fake neighbours with what most stories need: an organization, a project, a repository with a
//! main branch, an identity for the gateway, and a person who pushes and opens pull requests.

use std::sync::OnceLock;
use std::time::Duration;

use azdo_gateway::secret::{Keyring, RootKey};
use fakes::bearers::{KnownUser, add_service_user};
use fakes::shell::Shell;
use fakes::{ado, ci, entra};
use serde_json::{Value, json};

use super::settings::{CHECKS, CLIENT_SECRET, MANUAL_HOOKS, PAT, ROOT_KEY, STATIC_PAT, Settings};
use super::{Database, WAIT_MAX};

pub(crate) const ORGANIZATION: &str = "fabrikam";
/// The account of the service user that is linked.
pub(crate) const SERVICE_USER: &str = "svc-ci@fabrikam.example";
/// The types of event that operators subscribe to.
const EVENTS: [&str; 3] = ["git.push", "git.pullrequest.created", "git.pullrequest.updated"];

/// The fake neighbours of one gateway.
pub(crate) struct Env {
    pub(crate) shell: Shell,
    pub(crate) project: String,
    pub(crate) repository: String,
    /// The identity that the gateway uses.
    pub(crate) identity: String,
    /// The object id in Entra of the account that is linked to it.
    pub(crate) object_id: String,
    /// The app through which that identity is linked.
    pub(crate) client_id: String,
    pub(crate) keys: Keyring,
    pub(super) http: reqwest::Client,
    ci_secret: String,
    /// Of the gateways on PostgreSQL, as `folder` is of those on SQLite.
    database: OnceLock<Database>,
    folder: tempfile::TempDir,
}

impl Env {
    /// An environment in which everything random follows from the seed.
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
        let KnownUser { identity, object_id } = user;
        ado.add_pat(PAT, &identity, &["vso.code", "vso.code_status"], 4_102_444_800_000);
        let ci = ci::World::new(seed);
        let ci_secret = ci.secret().to_owned();
        let shell = Shell::start_with_entra(ado, ci, entra, None).expect("loopback is there");
        let root_key = RootKey::parse(ROOT_KEY).expect("it is a key");
        let keys = Keyring { current: root_key, previous: None };
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let http = reqwest::Client::new();
        Self {
            shell,
            project,
            repository,
            identity,
            object_id,
            client_id,
            keys,
            http,
            ci_secret,
            database: OnceLock::new(),
            folder,
        }
    }

    /// The configuration of a gateway of this environment that listens on `listen`.
    pub(crate) fn settings(&self, listen: &str) -> Settings {
        Settings {
            name: "gateway".to_owned(),
            listen: listen.to_owned(),
            public_url: None,
            folder: self.folder.path().to_owned(),
            organization_url: self.shell.ado(|ado| ado.organization_url(ORGANIZATION)),
            ci_url: self.shell.ci_url(),
            ci_secret: self.ci_secret.clone(),
            organization: MANUAL_HOOKS.to_owned(),
            credential: STATIC_PAT.to_owned(),
            checks: CHECKS.to_owned(),
            drain: "400ms",
            server: String::new(),
            sign_in: String::new(),
            secrets: String::new(),
            signing: r#"{ env = "BUILDER_SECRET" }"#.to_owned(),
            ci: None,
            ci_more: "",
            runner_labels: "",
            storage: None,
            database: "gateway.db".into(),
            environment: Default::default(),
            launcher: Vec::new(),
        }
    }

    /// Where gateways on PostgreSQL keep their state; empty before the first of them.
    pub(super) fn database(&self) -> &Database {
        self.database.get_or_init(Database::create)
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

    /// Creates one hook. Returns its id.
    pub(crate) async fn subscribe_to(
        &self,
        gateway: &str,
        event_type: &str,
        resource_version: &str,
    ) -> String {
        let body = self.hook(gateway, event_type, resource_version);
        let created = self.ado_request("POST", "_apis/hooks/subscriptions", &body).await;
        created["id"].as_str().expect("it has an id").to_owned()
    }

    /// Presses the "Test" button of a hook that is not saved yet.
    pub(crate) async fn test_hook(&self, gateway: &str, event_type: &str) {
        let mut details = self.hook(gateway, event_type, "1.0");
        // The details of a notification have no version of the resource.
        details.as_object_mut().expect("it is an object").remove("resourceVersion");
        let body = json!({ "details": details });
        self.ado_request("POST", "_apis/hooks/testnotifications", &body).await;
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

    /// A call of an operator to the fake Azure DevOps, which has to succeed.
    pub(crate) async fn ado_request(&self, method: &str, path: &str, body: &Value) -> Value {
        let organization = self.shell.ado(|ado| ado.organization_url(ORGANIZATION));
        let method = method.parse().expect("it is a method");
        let answer = self
            .http
            .request(method, format!("{organization}/{path}?api-version=7.1"))
            .basic_auth("", Some(PAT))
            .json(body)
            .send()
            .await
            .expect("the fake Azure DevOps answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
        answer.json().await.expect("it answers JSON")
    }

    /// Pushes to a new branch and opens a pull request to main. Returns its number and the commit.
    pub(crate) fn open(&self, branch: &str) -> (u64, String) {
        self.shell.ado(|ado| {
            let commit = ado.push(&self.repository, branch, "Work");
            let new = ado::NewPullRequest::new(&self.repository, branch, "main");
            (ado.open_pull_request(&new), commit)
        })
    }

    /// Pushes one more commit to a branch. Returns the commit.
    pub(crate) fn push(&self, branch: &str) -> String {
        self.shell.ado(|ado| ado.push(&self.repository, branch, "More work"))
    }

    /// Waits until a condition holds at the fakes; otherwise the test fails with `what`.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        what: &'a str,
        condition: impl FnMut(&ado::World, &ci::World) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let holds = self.shell.wait_until(WAIT_MAX, condition).await;
            assert!(holds, "{caller}: it did not happen in time that {what}");
        }
    }

    /// Waits until the newest status of a check on a pull request, on the iteration of that commit,
    /// has this state.
    pub(crate) async fn until_status(&self, id: u64, commit: &str, check: &str, state: &str) {
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

    /// How long the few tests wait that expect nothing to happen.
    pub(crate) const QUIET_PERIOD: Duration = Duration::from_millis(300);
}

impl Drop for Env {
    /// Whatever a test is about, no token may be used twice, be too broad, or live too long.
    fn drop(&mut self) {
        let violations = self.shell.ado(|ado| ado.violations().to_vec());
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "misused tokens:\n{}", violations.join("\n"));
        }
    }
}
