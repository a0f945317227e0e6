//! Organizations: the gateway's identity in each, what that identity sees, and whether it has the
//! permissions that the checks need.

use std::sync::Arc;

use actix_web::web::{Data, Json};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::link;
use super::paging::Parameters;
use super::resource::{ItemResult, ListResult, Resource};
use crate::credentials::Identities;
use crate::deps::Deps;
use crate::domain::permission::{Findings, Identity, Probe, Project, Row, Seen};
use crate::domain::policy::Verdict;
use crate::reconcile::survey::Surveys;
use crate::server::auth::Viewer;
use crate::server::organization::{Organization, Organizations};
use crate::server::problem::Problem;
use crate::storage::{PROBLEM_SHOWN_FOR, Page, Paged, ProblemRow};

/// The organizations, and what is known of each.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) organizations: Arc<Organizations>,
    pub(super) identities: Arc<Identities>,
    pub(super) deps: Deps,
    pub(super) surveys: Arc<Surveys>,
}

impl Resource for Directory {
    const PATH: &'static str = "/v1/organizations";
    const NAME: &'static str = "organization";
    const FILTERS: &'static [&'static str] = &[];
    type Source = Self;

    /// All organizations, since there are few.
    async fn list(directory: &Self, _: &Parameters, _: Page) -> ListResult {
        let mut items = Vec::new();
        for name in directory.organizations.names() {
            items.push(directory.summary(name).await?);
        }
        Ok(Paged { items, next: None })
    }

    /// The organization as the gateway's identity sees it now.
    async fn show(directory: &Self, name: &str) -> ItemResult {
        let Some(name) = directory.organizations.find(name) else { return Ok(None) };
        let Some(findings) = directory.surveys.look(name).await else { return Ok(None) };
        let mut shown = directory.summary(name).await?;
        if let Some(fields) = shown.as_object_mut() {
            let projects: Vec<Value> = findings.projects.iter().map(project).collect();
            fields.insert("identity".into(), json!(findings.identity.as_ref().map(identity)));
            fields.insert("projects".into(), json!(projects));
            // Beside the problems that the parts of the gateway have reported.
            if let Some(Value::Array(problems)) = fields.get_mut("problems") {
                problems.extend(findings.problems.into_iter().map(Value::String));
            }
        }
        Ok(Some(shown))
    }
}

impl Directory {
    async fn summary(&self, name: &str) -> Result<Value, Problem> {
        let linking = &self.identities.linking;
        let link = if linking.is_linkable(name) { linking.linked_user(name).await? } else { None };
        let identity = self.identities.by_organization.get(name);
        let (problems, warnings) = (self.deps.health.problems(), self.deps.health.warnings());
        let problems: Vec<&String> =
            [problems.get(name), warnings.get(name)].into_iter().flatten().collect();
        Ok(json!({
            "name": name,
            "kind": identity.map(|identity| identity.kind),
            "link": link.as_ref().map(link::render),
            "problems": problems,
            "open_problems": self.open_problems(name).await?,
        }))
    }

    /// The problems that some process sees, each with what it is about and since when.
    async fn open_problems(&self, organization: &str) -> Result<Vec<Value>, Problem> {
        let seen_after = self.deps.clock.now().minus(PROBLEM_SHOWN_FOR);
        let mut rows = self.deps.store.problems(seen_after).await?;
        rows.retain(|row| row.key.0 == organization);
        let render = |row: &ProblemRow| {
            let ProblemRow { key: (_, kind, about), reason, since } = row;
            json!({ "kind": kind, "about": about, "reason": reason, "since": since })
        };
        Ok(rows.iter().map(render).collect())
    }
}

/// `GET /v1/permissions`: the permissions that the checks need and whether the gateway's identity
/// has them, in one organization or in all.
pub(super) async fn permissions(
    _: Viewer,
    parameters: Parameters,
    directory: Data<Directory>,
) -> Result<Json<Value>, Problem> {
    parameters.only(&["organization"])?;
    let organizations = &directory.organizations;
    let names = match parameters.get("organization") {
        Some(name) => {
            vec![organizations.find(&name).ok_or_else(|| Organization::unknown(&name))?]
        }
        None => organizations.names(),
    };
    let surveys = join_all(names.iter().map(|name| directory.surveys.survey(name))).await;
    let (mut items, mut probes) = (Vec::new(), Vec::new());
    let (mut policies, mut problems) = (Vec::new(), Vec::new());
    for findings in surveys.iter().flatten() {
        let organization = &findings.organization;
        items.extend(findings.permissions.iter().map(|row| permission(findings, row)));
        probes.extend(findings.probes.iter().map(|one| probe(findings, one)));
        policies.extend(findings.policies.iter().map(|one| policy(findings, one)));
        problems.extend(findings.problems.iter().map(|one| format!("{organization}: {one}")));
    }
    Ok(Json(json!({
        "items": items,
        "next": null,
        "probes": probes,
        "policies": policies,
        "problems": problems,
    })))
}

fn identity(identity: &Identity) -> Value {
    json!({
        "id": identity.id,
        "display_name": identity.display_name,
        "account": identity.account,
        "descriptor": identity.descriptor,
    })
}

fn project(project: &Project) -> Value {
    let repository = |one: &Seen| json!({ "id": one.id, "name": one.name, "checks": one.checks });
    let repositories: Vec<Value> = project.repositories.iter().map(repository).collect();
    json!({ "id": project.id, "name": project.name, "repositories": repositories })
}

fn permission(findings: &Findings, row: &Row) -> Value {
    let needed = &row.needed;
    json!({
        "organization": findings.organization,
        "project": needed.project,
        "repository": needed.repository,
        "permission": needed.permission.name,
        "for": needed.permission.purpose,
        "namespace": needed.permission.namespace,
        "bit": needed.permission.bit,
        "token": needed.token,
        "optional": needed.permission.is_optional,
        "has": row.has,
        "grant": findings.grant_line(row),
    })
}

fn probe(findings: &Findings, probe: &Probe) -> Value {
    json!({
        "organization": findings.organization,
        "project": probe.project,
        "repository": probe.repository,
        "allowed": probe.allowed,
        "detail": probe.detail,
    })
}

fn policy(findings: &Findings, verdict: &Verdict) -> Value {
    json!({
        "organization": findings.organization,
        "project": verdict.project,
        "repository": verdict.repository,
        "branches": verdict.branches,
        "context": verdict.context,
        "policy": verdict.policy,
        "problem": verdict.problem,
    })
}
