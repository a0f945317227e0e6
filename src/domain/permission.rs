//! The permissions that the gateway's identity needs for the checks of an organization, and the
//! commands that grant those that are missing.
//!
//! Only permissions that a check needs are listed, so that nobody grants more. Namespaces, bits and
//! tokens are those of Microsoft Learn, "Security namespaces and permissions reference".

use uuid::Uuid;

use super::check::{Check, Trigger, in_pipelines};
use super::event::Repository;
use super::policy::Verdict;

/// A permission that can be granted.
#[derive(Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name at Azure DevOps.
    pub name: &'static str,
    /// The GUID of its security namespace.
    pub namespace: &'static str,
    pub bit: u32,
    /// What the gateway does with it, for an operator.
    pub purpose: &'static str,
    /// Whether everything works without it.
    pub is_optional: bool,
}

const fn of(name: &'static str, namespace: &'static str, bit: u32) -> Permission {
    Permission { name, namespace, bit, purpose: "", is_optional: false }
}

impl Permission {
    const fn for_(self, purpose: &'static str) -> Self {
        Self { purpose, ..self }
    }
}

const PROJECT: &str = "52d39943-cb85-4d7f-8fa8-c6baac873819";
const HOOKS: &str = "cb594ebe-87dd-4fc9-ac2c-6a10a4c92046";
const GIT: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";

static READ_PROJECT: Permission = of("GENERIC_READ", PROJECT, 1).for_("see the project");
static VIEW_HOOKS: Permission =
    of("ViewSubscriptions", HOOKS, 1).for_("see which service hooks there are");
static EDIT_HOOKS: Permission =
    of("EditSubscriptions", HOOKS, 2).for_("create, change and delete service hooks");
/// Azure DevOps Services does not use it any more: there, editing includes deleting.
static DELETE_HOOKS: Permission = Permission {
    is_optional: true,
    ..of("DeleteSubscriptions", HOOKS, 4).for_("delete service hooks, where editing is not enough")
};
static READ: Permission = of("GenericRead", GIT, 2).for_("read pull requests, branches and pushes");
/// Whoever has it may also give commands in comments.
pub static CONTRIBUTE: Permission =
    of("GenericContribute", GIT, 4).for_("post statuses of commits (statuses = [\"commit\"])");
static PULL_REQUESTS: Permission = of("PullRequestContribute", GIT, 16_384)
    .for_("post statuses of pull requests, and answers to commands in comments");
static POLICIES: Permission =
    of("EditPolicies", GIT, 2_048).for_("keep the policies of required checks (required = true)");

/// A permission that is needed for one project or repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    pub permission: &'static Permission,
    /// The security token: how the namespace names the project or repository. See
    /// [`project_named_in`] for a project whose id is not known.
    pub token: String,
    pub project: String,
    /// None if the permission is for the whole project.
    pub repository: Option<String>,
}

impl Needed {
    /// A permission for a repository.
    pub fn in_repository(permission: &'static Permission, repository: &Repository) -> Self {
        Self {
            permission,
            token: format!("repoV2/{}/{}", repository.project_id, repository.id),
            project: repository.project.clone(),
            repository: Some(repository.name.clone()),
        }
    }
}

/// A needed permission, and whether the identity has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub needed: Needed,
    pub has: bool,
}

impl Row {
    /// A permission that the identity lacks.
    pub fn missing(needed: Needed) -> Self {
        Self { needed, has: false }
    }

    /// Whether something fails because the identity lacks it.
    pub fn is_missing(&self) -> bool {
        !self.has && !self.needed.permission.is_optional
    }
}

/// The gateway's identity in an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// GUID.
    pub id: String,
    /// Its name in access control entries.
    pub descriptor: Option<String>,
    /// Its name for the command line of Azure DevOps, if it has no account.
    pub subject_descriptor: Option<String>,
    pub display_name: String,
    /// Mostly an email address.
    pub account: Option<String>,
}

impl Identity {
    /// The value for `az devops … --subject`.
    pub fn subject(&self) -> Option<&str> {
        let account = self.account.as_deref();
        let mail = account.filter(|account| account.contains('@'));
        mail.or(self.subject_descriptor.as_deref()).or(account)
    }
}

/// A project that the identity sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub repositories: Vec<Seen>,
}

/// A repository that the identity sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub name: String,
    /// The names of the checks that watch it.
    pub checks: Vec<String>,
}

/// The result of trying to post a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub project: String,
    pub repository: String,
    /// None if it could not be tried.
    pub allowed: Option<bool>,
    /// The message of Azure DevOps, if it was not allowed.
    pub detail: String,
}

/// What is known of the gateway's identity in one organization: who it is, what it sees, and what
/// it is allowed to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub organization: String,
    /// Without a trailing slash.
    pub url: String,
    /// The value of `kind` in the configuration.
    pub kind: &'static str,
    /// Whether it is Azure DevOps Server instead of Services.
    pub is_server: bool,
    /// None if Azure DevOps refused the credential.
    pub identity: Option<Identity>,
    pub projects: Vec<Project>,
    pub permissions: Vec<Row>,
    pub probes: Vec<Probe>,
    /// For each required check, whether a policy makes merging wait for it.
    pub policies: Vec<Verdict>,
    /// What an operator should look at.
    pub problems: Vec<String>,
}

impl Findings {
    /// The command that grants everything that is missing under the security token of `row`. None
    /// if nothing is missing, or for Azure DevOps Server, which the command does not support.
    pub fn grant_line(&self, row: &Row) -> Option<String> {
        let Permission { namespace, .. } = row.needed.permission;
        let grants = grants(&self.permissions);
        let grant = grants.iter().find(|grant| {
            row.is_missing() && grant.namespace == *namespace && grant.token == row.needed.token
        });
        let subject = self.identity.as_ref()?.subject()?;
        grant.filter(|_| !self.is_server).map(|grant| grant.az_line(&self.url, subject))
    }
}

/// The permissions to grant under one security token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub namespace: String,
    pub token: String,
    /// The permissions' bits, and no other.
    pub bits: u32,
}

impl Grant {
    /// Adds a bit to the grant of this namespace and token, or adds a grant.
    pub fn add(grants: &mut Vec<Grant>, namespace: &str, token: &str, bit: u32) {
        let same = |grant: &&mut Grant| grant.namespace == namespace && grant.token == token;
        match grants.iter_mut().find(same) {
            Some(grant) => grant.bits |= bit,
            None => {
                let (namespace, token) = (namespace.to_owned(), token.to_owned());
                grants.push(Grant { namespace, token, bits: bit });
            }
        }
    }

    /// The command that grants these permissions and no others.
    pub fn az_line(&self, organization_url: &str, subject: &str) -> String {
        let Self { namespace, token, bits } = self;
        let (url, subject) = (quoted(organization_url), quoted(subject));
        let token = match project_named_in(token) {
            None => quoted(token),
            // Whoever grants the permission sees the project, and looks its id up.
            Some((before, project)) => {
                let (before, project) = (quoted(before), quoted(project));
                format!(
                    "{before}\"$(az devops project show --org {url} --project {project} \
                     --query id --output tsv)\""
                )
            }
        };
        format!(
            "az devops security permission update --org {url} --namespace-id {namespace} \
             --subject {subject} --token {token} --allow-bit {bits}"
        )
    }
}

/// A grant for each security token under which permissions are missing.
pub fn grants(rows: &[Row]) -> Vec<Grant> {
    let mut grants = Vec::new();
    for Row { needed, .. } in rows.iter().filter(|row| row.is_missing()) {
        let Permission { namespace, bit, .. } = needed.permission;
        Grant::add(&mut grants, namespace, &needed.token, *bit);
    }
    grants
}

/// The text as one word for a shell. The tokens of projects begin with a dollar sign.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:@._-+=,".contains(c);
    match text.chars().all(is_plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// The permissions that the checks need for these repositories, and for those of `projects` whose
/// pipelines run checks, ordered by project.
pub fn needed(
    checks: &[Check],
    organization: &str,
    repositories: &[Repository],
    projects: &[Project],
    is_server: bool,
) -> Vec<Needed> {
    let watching = |repository| -> Vec<&Check> {
        checks.iter().filter(|check| check.watches(organization, repository, &[])).collect()
    };
    let mut watched: Vec<(&Repository, Vec<&Check>)> = repositories
        .iter()
        .map(|repository| (repository, watching(repository)))
        .filter(|(_, checks)| !checks.is_empty())
        .collect();
    watched.sort_by_key(|(of, _)| (of.project.to_lowercase(), of.name.to_lowercase()));
    let (mut needed, mut project) = (Vec::new(), None);
    for (repository, checks) in watched {
        if project != Some(&repository.project_id) {
            project = Some(&repository.project_id);
            needed.extend(in_project(&repository.project_id, &repository.project, is_server));
        }
        needed.extend(in_repository(repository, &checks));
    }
    for Project { id, name, .. } in projects {
        let runs_a_check = in_pipelines(checks, organization).any(|(_, one)| one.is(id, name));
        if runs_a_check && !needed.iter().any(|one| one.token == project_token(id)) {
            needed.extend(in_project(id, name, is_server));
        }
    }
    needed.sort_by_key(|one| one.project.to_lowercase());
    needed
}

fn in_project(id: &str, name: &str, is_server: bool) -> Vec<Needed> {
    let project = project_token(id);
    let hooks = format!("PublisherSecurity/{id}");
    let mut rows = vec![(&READ_PROJECT, &project), (&VIEW_HOOKS, &hooks), (&EDIT_HOOKS, &hooks)];
    rows.extend(is_server.then_some((&DELETE_HOOKS, &hooks)));
    let needed = |(permission, token): (&'static Permission, &String)| Needed {
        permission,
        token: token.clone(),
        project: name.to_owned(),
        repository: None,
    };
    rows.into_iter().map(needed).collect()
}

fn project_token(id: &str) -> String {
    format!("$PROJECT:vstfs:///Classification/TeamProject/{id}")
}

/// The permission to see each project that the checks name and that is not among `projects`, those
/// that the identity sees. Where a check names the project and not its id, the token has
/// `{id of NAME}` in place of the id: see [`project_named_in`].
pub fn unseen(checks: &[Check], organization: &str, projects: &[Project]) -> Vec<Needed> {
    let of_organization =
        checks.iter().filter(|check| check.organization.eq_ignore_ascii_case(organization));
    let mut named: Vec<&str> = Vec::new();
    let of_repositories = of_organization.flat_map(|check| check.repositories.texts());
    let of_repositories = of_repositories.filter_map(|text| Some(text.split_once('/')?.0));
    let is_pattern = |name: &&str| name.contains(['*', '?', '[', ']', '{', '}', '!', '\\']);
    let of_pipelines = in_pipelines(checks, organization).map(|(_, one)| one.project.as_str());
    for project in of_repositories.filter(|name| !is_pattern(name)).chain(of_pipelines) {
        let is = |other: &str| other.to_lowercase() == project.to_lowercase();
        let is_seen = projects.iter().any(|seen| is(&seen.name) || is(&seen.id));
        if !is_seen && !named.iter().any(|other| is(other)) {
            named.push(project);
        }
    }
    let needed = |project: &str| {
        let is_id = project.len() == 36 && Uuid::try_parse(project).is_ok();
        let id =
            if is_id { project.to_lowercase() } else { format!("{ID_OF}{project}{ID_OF_END}") };
        Needed {
            permission: &READ_PROJECT,
            token: project_token(&id),
            project: project.to_owned(),
            repository: None,
        }
    };
    named.into_iter().map(needed).collect()
}

/// Stands in a token for the id of a project that is only known by its name. No name of a project
/// has a brace.
const ID_OF: &str = "{id of ";
const ID_OF_END: char = '}';

/// What precedes the id in the token of a project that is only known by its name, and the name.
pub fn project_named_in(token: &str) -> Option<(&str, &str)> {
    let (before, rest) = token.split_once(ID_OF)?;
    Some((before, rest.strip_suffix(ID_OF_END)?))
}

fn in_repository(repository: &Repository, checks: &[&Check]) -> Vec<Needed> {
    let on_commits = |check: &&Check| check.targets.commit;
    // A check that only runs on pushes has no pull request to post statuses to.
    let on_pull_requests = |check: &&Check| {
        let is_about_one =
            check.is_on(Trigger::PullRequest) || check.is_on(Trigger::PullRequestClosed);
        let answers = check.commands && check.replies;
        (check.targets.pull_request || answers) && is_about_one
    };
    let mut permissions = vec![&READ];
    permissions.extend(checks.iter().any(on_commits).then_some(&CONTRIBUTE));
    permissions.extend(checks.iter().any(on_pull_requests).then_some(&PULL_REQUESTS));
    permissions.extend(checks.iter().any(|check| check.required).then_some(&POLICIES));
    let needed = |permission| Needed::in_repository(permission, repository);
    permissions.into_iter().map(needed).collect()
}

/// The repositories for which a check posts statuses of commits.
pub fn with_commit_statuses<'r>(
    checks: &[Check],
    organization: &str,
    repositories: &'r [Repository],
) -> Vec<&'r Repository> {
    let wanted = |repository: &&Repository| {
        let watches = |check: &Check| check.watches(organization, repository, &[]);
        checks.iter().any(|check| check.targets.commit && watches(check))
    };
    repositories.iter().filter(wanted).collect()
}

/// The projects, each with its repositories and the checks that watch them. `projects` are ids and
/// names; a project that is only known from one of its repositories is added.
pub fn seen(
    checks: &[Check],
    organization: &str,
    projects: Vec<(String, String)>,
    repositories: &[Repository],
) -> Vec<Project> {
    let project = |(id, name)| Project { id, name, repositories: Vec::new() };
    let mut projects: Vec<Project> = projects.into_iter().map(project).collect();
    for repository in repositories {
        let watching = checks.iter().filter(|check| check.watches(organization, repository, &[]));
        let seen = Seen {
            id: repository.id.clone(),
            name: repository.name.clone(),
            checks: watching.map(|check| check.name.clone()).collect(),
        };
        match projects.iter_mut().find(|project| project.id == repository.project_id) {
            Some(project) => project.repositories.push(seen),
            None => projects.push(Project {
                id: repository.project_id.clone(),
                name: repository.project.clone(),
                repositories: vec![seen],
            }),
        }
    }
    for project in &mut projects {
        project.repositories.sort_by_key(|repository| repository.name.to_lowercase());
    }
    projects.sort_by_key(|project| project.name.to_lowercase());
    projects
}

/// A problem for each check that watches none of these repositories.
pub fn idle(checks: &[Check], organization: &str, repositories: &[Repository]) -> Vec<String> {
    let of_organization =
        checks.iter().filter(|check| check.organization.eq_ignore_ascii_case(organization));
    let watches_none = |check: &&Check| {
        !repositories.iter().any(|repository| check.watches(organization, repository, &[]))
    };
    let problem = |check: &Check| {
        let (name, globs) = (&check.name, check.repositories.listed());
        format!(
            "check {name}: no repository that the identity sees matches {globs}: correct \
             `repositories`, or let the identity read them"
        )
    };
    of_organization.filter(watches_none).map(problem).collect()
}

#[cfg(test)]
#[path = "permission_tests.rs"]
mod tests;
