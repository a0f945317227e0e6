//! The state of ADO as a whole, and how a test sets it up.
//!
//! The world has no clock and does no input or output: each request brings the time, and actions of
//! people happen at the time of the last request.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ado::hooks::Hooks;
use crate::ado::model::{Organization, Posted, Project, PullRequest, Repository};
use crate::ado::options::Options;
use crate::ado::pats::pat::{PatRules, Pats};
use crate::ado::pipelines::Pipeline;
use crate::ado::policy::configuration::Policy;
use crate::ado::security::identity::{Identity, Token};
use crate::ado::security::permission::PermissionRule;
use crate::ado::security::scope::Scope;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::random::Random;

/// Azure DevOps.
#[derive(Debug, Clone)]
pub struct World {
    /// Settings.
    pub options: Options,
    /// Misbehaviour towards callers.
    pub faults: Faults,
    /// The requests that were received.
    pub journal: Journal,
    /// The rules of the organization for PATs.
    pub pat_rules: PatRules,
    pub(crate) pats: Pats,
    /// The scopes of which the call that is being answered needs one.
    pub(crate) scopes_needed: Option<Vec<Scope>>,
    pub(crate) base_url: String,
    pub(crate) tenant: String,
    pub(crate) now_ms: i64,
    pub(crate) random: Random,
    pub(crate) organizations: Vec<Organization>,
    pub(crate) projects: Vec<Project>,
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) pull_requests: BTreeMap<u64, PullRequest>,
    /// Pull requests by the repository and the full name of the branch that they come from.
    pub(crate) pull_requests_by_source: HashMap<(String, String), Vec<u64>>,
    pub(crate) queued_merges: Vec<(i64, u64)>,
    pub(crate) posted: Vec<Posted>,
    pub(crate) identities: BTreeMap<String, Identity>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) non_members: BTreeSet<String>,
    pub(crate) denials: Vec<PermissionRule>,
    pub(crate) grants: Vec<PermissionRule>,
    pub(crate) policies: BTreeMap<u64, Policy>,
    pub(crate) pipelines: BTreeMap<u64, Pipeline>,
    pub(crate) hooks: Hooks,
    pub(crate) actor: String,
    pub(crate) last_push: u64,
    pub(crate) last_policy: u64,
    /// Builds are numbered across all pipelines.
    pub(crate) last_build: u64,
}

impl World {
    /// An empty world whose ids follow from the seed, with one person in it.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut world = Self {
            options,
            faults: Faults::seeded(seed),
            journal: Journal::default(),
            pat_rules: PatRules::default(),
            pats: Pats::default(),
            scopes_needed: None,
            tenant: "fakes".to_owned(),
            base_url: "http://ado.invalid".to_owned(),
            now_ms: 1_790_000_000_000,
            random: Random::seeded(seed),
            organizations: Vec::new(),
            projects: Vec::new(),
            repositories: BTreeMap::new(),
            pull_requests: BTreeMap::new(),
            pull_requests_by_source: HashMap::new(),
            queued_merges: Vec::new(),
            posted: Vec::new(),
            identities: BTreeMap::new(),
            tokens: HashMap::new(),
            non_members: BTreeSet::new(),
            denials: Vec::new(),
            grants: Vec::new(),
            policies: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            hooks: Hooks::default(),
            actor: String::new(),
            last_push: 0,
            last_policy: 0,
            last_build: 0,
        };
        world.actor = world.create_identity("Robin Developer", "robin@fabrikam.example");
        world
    }

    /// Sets the time at which people act from now on; it never goes back.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.finish_due_merges();
        self.settle_builds();
    }

    /// The time of the last request, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Sets the base URL of this world. The shell does so when it has a port.
    pub fn set_base_url(&mut self, base_url: &str) {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
    }

    /// Sets the Entra tenant that descriptors of identities name.
    pub fn set_tenant(&mut self, tenant: &str) {
        tenant.clone_into(&mut self.tenant);
    }

    /// Adds a person or service and returns its GUID.
    pub fn create_identity(&mut self, display_name: &str, unique_name: &str) -> String {
        self.add_identity(display_name, unique_name, false)
    }

    /// Adds a group and returns its GUID.
    pub fn create_group(&mut self, display_name: &str) -> String {
        self.add_identity(display_name, &format!("vstfs:///Group/{display_name}"), true)
    }

    fn add_identity(&mut self, display_name: &str, unique_name: &str, is_group: bool) -> String {
        let id = self.random.guid();
        let (display_name, unique_name) = (display_name.to_owned(), unique_name.to_owned());
        let identity = Identity { id: id.clone(), display_name, unique_name, is_group };
        self.identities.insert(id.clone(), identity);
        id
    }

    /// Makes an identity the one that acts from now on.
    pub fn act_as(&mut self, identity: &str) {
        assert!(self.identities.contains_key(identity), "there is no identity {identity}");
        identity.clone_into(&mut self.actor);
    }

    /// The identity that acts now.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Adds an organization of ADO Services, reached at `/{name}`.
    pub fn create_organization(&mut self, name: &str) {
        self.create_organization_at(name, &format!("/{name}"));
    }

    /// Adds an organization reached at a path such as `/tfs/Collection`, as on an ADO Server.
    pub fn create_organization_at(&mut self, name: &str, path: &str) {
        let (id, collection_id) = (self.random.guid(), self.random.guid());
        let (name, path) = (name.to_owned(), path.trim_end_matches('/').to_owned());
        self.organizations.push(Organization { id, collection_id, name, path });
    }

    /// Adds a project and returns its GUID.
    pub fn create_project(&mut self, organization: &str, name: &str) -> String {
        let known = self.organizations.iter().any(|one| one.name == organization);
        assert!(known, "there is no organization {organization}");
        let id = self.random.guid();
        let (name, organization) = (name.to_owned(), organization.to_owned());
        self.projects.push(Project { id: id.clone(), name, organization, is_deleted: false });
        id
    }

    /// Adds an empty repository to a project, given by GUID, and returns its GUID.
    pub fn create_repository(&mut self, project: &str, name: &str) -> String {
        let id = self.random.guid();
        let organization = self.project(project).organization.clone();
        let repository = Repository {
            id: id.clone(),
            name: name.to_owned(),
            project: project.to_owned(),
            organization,
            default_branch: None,
            parent: None,
            is_disabled: false,
            is_deleted: false,
            refs: BTreeMap::new(),
            tag_objects: BTreeMap::new(),
            commits: BTreeMap::new(),
            pushes: Vec::new(),
        };
        self.repositories.insert(id.clone(), repository);
        id
    }

    /// Forks a repository into a project and returns the GUID of the fork.
    pub fn create_fork(&mut self, parent: &str, project: &str, name: &str) -> String {
        let id = self.create_repository(project, name);
        let origin = self.repository(parent).clone();
        let fork = self.repository_mut(&id);
        fork.parent = Some(origin.id);
        fork.default_branch = origin.default_branch;
        fork.commits = origin.commits;
        let is_branch = |(name, _): &(String, String)| name.starts_with("refs/heads/");
        fork.refs = origin.refs.into_iter().filter(is_branch).collect();
        id
    }
}
