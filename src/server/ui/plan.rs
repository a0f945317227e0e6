//! The plan of the next pass over hooks and policies, and having it done.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use sha2::{Digest, Sha256};

use super::badge::Badge;
use super::cell::{Cell, Row, Table};
use super::confirm::{Sent, incomplete};
use super::organization_actions::once;
use super::visit::Visit;
use crate::domain::audit::Action;
use crate::domain::{policy, subscription};
use crate::server::actions::RECONCILED;
use crate::server::html::{Frame, Twins, answer};
use crate::server::organization::Organization;
use crate::server::problem::Problem;

/// The field with the steps that were shown.
const STEPS: &str = "steps";
/// Bytes of the digest of a step.
const DIGEST_BYTES: usize = 8;

/// One step as it is shown.
struct Step {
    badge: Badge,
    is_due: bool,
    kind: &'static str,
    /// Of what it changes; empty where it adds something.
    id: String,
    project: String,
    what: String,
    reason: String,
    changes: Vec<String>,
}

/// The steps of an organization.
struct Plan {
    steps: Vec<Step>,
    kept: usize,
    foreign: usize,
    is_managed: bool,
    is_held: bool,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    /// Where several organizations are configured and none was chosen.
    choose: Vec<(String, String)>,
    made_at: String,
    plan: Option<Plan>,
    steps: Table,
    due: usize,
    carried: Vec<(String, String)>,
    may_apply: bool,
    back: String,
}

/// `GET /ui/subscriptions/plan`. Asks Azure DevOps.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let chosen = chosen(&visit)?;
    let plan = match &chosen {
        Some(organization) => Some(plan(&visit, organization).await?),
        None => None,
    };
    let name = chosen.as_ref().map(|organization| organization.0.clone());
    let twins = Twins {
        api: name.as_ref().map(|name| format!("/v1/organizations/{name}/plan")),
        command: name.as_ref().map(|name| format!("azdo-gateway hooks plan {name}")),
    };
    let title = name.map_or("Plan".to_owned(), |name| format!("Plan for {name}"));
    let all = plan.as_ref().map_or([].as_slice(), |plan| &plan.steps);
    let page = PlanPage {
        frame: visit.frame(title, "/subscriptions", twins),
        choose: choices(&visit, "/subscriptions/plan"),
        made_at: visit.moment(visit.now).absolute(),
        steps: table(all),
        due: all.iter().filter(|step| step.is_due).count(),
        carried: vec![visit.shown_now(), (STEPS.to_owned(), digests(all).join(" "))],
        may_apply: visit.may_act().is_ok(),
        plan,
        back: visit.href("/subscriptions"),
    };
    Ok(answer(StatusCode::OK, &page))
}

/// `POST /ui/subscriptions/plan`: has the steps done that were shown.
pub(super) async fn apply(visit: Visit, sent: Sent) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let organization = chosen(&visit)?.ok_or_else(incomplete)?;
    let shown: Vec<&str> =
        sent.get(STEPS).ok_or_else(incomplete)?.split_ascii_whitespace().collect();
    let is_same = async || {
        let plan = plan(&visit, &organization).await?;
        Ok::<_, Problem>(digests(&plan.steps) == shown)
    };
    let of = (Action::Reconcile, RECONCILED);
    if !visit.was_done(&sent, of, &organization.0).await? && !is_same().await? {
        return Err(Problem::conflict(
            "the plan has changed since it was shown: nothing was done; make the plan again and \
             look at it",
        ));
    }
    let actor = visit.session.actor.clone();
    let applying = visit.state.actions.reconcile(&actor, &organization);
    let of = (Action::Reconcile, RECONCILED, &organization);
    once(&visit, &sent, of, async { applying.await.map(drop) }).await?;
    let next = "the next pass does these steps";
    Ok(visit.asked("The plan is being applied", next, ("/subscriptions", "Subscriptions")))
}

/// The organization that the query names, or the only one.
pub(super) fn chosen(visit: &Visit) -> Result<Option<Organization>, Problem> {
    visit.parameters.only(&["organization"])?;
    let organizations = &visit.state.organizations;
    let name = match (visit.parameters.get("organization"), organizations.names().as_slice()) {
        (Some(name), _) => {
            Some(organizations.find(&name).ok_or_else(|| Organization::unknown(&name))?)
        }
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    Ok(name.map(|name| Organization(name.to_owned())))
}

/// The address of a page for each organization, and the name.
pub(super) fn choices(visit: &Visit, path: &str) -> Vec<(String, String)> {
    let address = |name: &str| visit.filtered(path, &[("organization", name)]);
    let names = visit.state.organizations.names().into_iter();
    names.map(|name| (address(name), name.to_owned())).collect()
}

async fn plan(visit: &Visit, organization: &Organization) -> Result<Plan, Problem> {
    let (preview, policies) = visit.state.actions.plan(organization, true).await?;
    let of_hook = |one: &crate::reconcile::subscriptions::StepPreview| {
        let step = &one.step;
        let changes = match &step.action {
            subscription::Action::Change { changes, .. } => {
                changes.iter().map(|it| format!("{}: {} → {}", it.field, it.from, it.to)).collect()
            }
            _ => Vec::new(),
        };
        let what = step.hook_scope.as_ref().map(|hook_scope| hook_scope.topic.as_str());
        Step {
            badge: step.kind.into(),
            is_due: is_due(step.kind),
            kind: "hook",
            id: step.id.clone().unwrap_or_default(),
            project: one.project.clone(),
            what: what.unwrap_or_default().to_owned(),
            reason: step.reason.clone(),
            changes,
        }
    };
    let of_policy = |step: &policy::Step| Step {
        badge: step.kind.into(),
        is_due: step.kind != policy::Kind::Report,
        kind: "policy",
        id: step.policy.map(|id| id.to_string()).unwrap_or_default(),
        project: step.project.clone(),
        what: step.what(),
        reason: step.reason.clone(),
        changes: step
            .changes
            .iter()
            .map(|it| format!("{}: {} → {}", it.field, it.from, it.to))
            .collect(),
    };
    let hooks = preview.steps.iter().map(of_hook);
    Ok(Plan {
        steps: hooks.chain(policies.iter().map(of_policy)).collect(),
        kept: preview.unchanged,
        foreign: preview.foreign,
        is_managed: preview.is_managed,
        is_held: preview.is_held,
    })
}

/// Whether the next pass does it.
fn is_due(kind: subscription::Kind) -> bool {
    !matches!(kind, subscription::Kind::Wait | subscription::Kind::Report)
}

/// A digest of each step that is done, in an order of their own.
fn digests(steps: &[Step]) -> Vec<String> {
    let digest = |step: &Step| {
        let Step { badge, kind, id, project, what, changes, .. } = step;
        let text = [badge.word, kind, id, project, what, &changes.join("\n")].join("\n");
        let digest = Sha256::digest(text);
        digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
    };
    let due = steps.iter().filter(|step| step.is_due);
    let mut digests: Vec<String> = due.map(digest).collect();
    digests.sort_unstable();
    digests
}

fn table(steps: &[Step]) -> Table {
    let row = |(number, step): (usize, &Step)| {
        let changes = step.changes.iter().map(|change| Cell::cut(change));
        let why = [Cell::text(&step.reason)].into_iter().chain(changes).collect();
        let cells = vec![
            Cell::Badge(step.badge),
            Cell::text(step.kind),
            Cell::cut(&step.project),
            Cell::cut(&step.what),
            Cell::Lines(why),
        ];
        Row { id: format!("step-{number}"), cells }
    };
    Table {
        caption: "Steps of the plan",
        columns: vec!["Step", "Kind", "Project", "What", "Why"],
        rows: steps.iter().enumerate().map(row).collect(),
    }
}
