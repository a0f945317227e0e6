//! Organizations: who we are to each, what we see there, and whether we may do what the checks
//! need. It must never change anything there.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::link;
use super::page::{Parameters, only};
use crate::domain::permission::{Findings, Identity, Probe, Project, Row, Seen};
use crate::domain::policy::Verdict;
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;

pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &[])?;
    let mut items = Vec::new();
    for name in names(&state) {
        items.push(summary(&state, name).await?);
    }
    Ok(Json(json!({ "items": items, "next": null })))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let name = known(&state, &path)?;
    let findings = state.surveys.look(name).await.ok_or_else(|| unknown(&path))?;
    let mut shown = summary(&state, name).await?;
    if let Some(fields) = shown.as_object_mut() {
        let projects: Vec<Value> = findings.projects.iter().map(project).collect();
        fields.insert("identity".into(), json!(findings.identity.as_ref().map(identity)));
        fields.insert("projects".into(), json!(projects));
        fields.insert("problems".into(), json!(findings.problems));
    }
    Ok(Json(shown))
}

/// What the checks need and whether we have it, in one organization or in all of them.
pub(super) async fn permissions(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &["organization"])?;
    let asked = match parameters.get("organization") {
        Some(name) => vec![known(&state, name)?],
        None => names(&state),
    };
    let surveys = join_all(asked.iter().map(|name| state.surveys.survey(name))).await;
    let (mut items, mut probes) = (Vec::new(), Vec::new());
    let (mut policies, mut problems) = (Vec::new(), Vec::new());
    for findings in surveys.iter().flatten() {
        items.extend(findings.permissions.iter().map(|row| permission(findings, row)));
        probes.extend(findings.probes.iter().map(|one| probe(findings, one)));
        policies.extend(findings.policies.iter().map(|one| policy(findings, one)));
        let told = findings.problems.iter();
        problems.extend(told.map(|problem| format!("{}: {problem}", findings.organization)));
    }
    Ok(Json(json!({
        "items": items,
        "next": null,
        "probes": probes,
        "policies": policies,
        "problems": problems,
    })))
}

fn names(state: &State) -> Vec<&String> {
    let mut names: Vec<&String> = state.organizations.values().collect();
    names.sort_by_key(|name| name.to_lowercase());
    names
}

fn known<'s>(state: &'s State, name: &str) -> Result<&'s String, Problem> {
    state.organizations.get(&name.to_ascii_lowercase()).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found("organization", name)
}

async fn summary(state: &State, name: &str) -> Result<Value, Problem> {
    let linking = &state.identities.linking;
    let link = match linking.is_linkable(name) {
        true => linking.linked_user(name).await?,
        false => None,
    };
    let identity = state.identities.by_organization.get(name);
    let (wrong, soon) = (state.health.problems(), state.health.warnings());
    let problems: Vec<&String> = [wrong.get(name), soon.get(name)].into_iter().flatten().collect();
    Ok(json!({
        "name": name,
        "kind": identity.map(|identity| identity.kind),
        "link": link.as_ref().map(link::render),
        "problems": problems,
    }))
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
