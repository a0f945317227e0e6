//! What people have the gateway do for an organization: look for missed events, give hooks new
//! secrets, remove them, unlink the service user.

use actix_web::HttpResponse;

use super::cell::{Cell, Facts};
use super::confirm::{Choice, ChoiceKind, Confirm, Sent};
use super::visit::Visit;
use crate::domain::audit::Action;
use crate::server::actions::{REMOVED, rotation};
use crate::server::organization::Organization;
use crate::server::problem::Problem;
use crate::storage::HookRow;

const PROJECT: &str = "project";
const AT_ONCE: &str = "at_once";
const NAME: &str = "name";

/// `GET /ui/organizations/{name}/catch-up`.
pub(super) async fn confirm_catch_up(
    visit: Visit,
    organization: Organization,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let last = visit.state.actions.of(&organization)?.catch_up.last().await?;
    let mut page = confirm(&visit, "Look for missed events", &organization, "/subscriptions");
    let last = last.map_or(Cell::text("never"), |last| visit.moment(last.at).full().into());
    page.facts = Facts::new(vec![("Last looked", last)]);
    page.consequences = vec![
        "Azure DevOps is asked for the pull requests and pushes of every watched repository."
            .into(),
        "What no hook delivered is decided like a delivery, and may start runs.".into(),
    ];
    page.undo = "It cannot be undone: runs that it starts can be cancelled.".to_owned();
    page.button = "Look now".to_owned();
    Ok(page.show())
}

/// `POST /ui/organizations/{name}/catch-up`.
pub(super) async fn catch_up(
    visit: Visit,
    organization: Organization,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    let actor = visit.session.actor.clone();
    let doing = visit.state.actions.catch_up(&actor, &organization);
    once(&visit, &sent, (Action::CatchUp, "", &organization), async { doing.await.map(drop) })
        .await?;
    let next = "the next pass looks for events that no hook delivered; what it finds is under \
                Deliveries, told by catch-up";
    Ok(visit.asked("Looking for missed events", next, ("/deliveries", "Deliveries")))
}

/// `GET /ui/organizations/{name}/rotate`.
pub(super) async fn confirm_rotate(
    visit: Visit,
    organization: Organization,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let hooks = visit.state.deps.store.hooks(&organization.0).await?;
    let subscriptions = &visit.state.actions.of(&organization)?.subscriptions;
    let mut page = confirm(&visit, "Give hooks new secrets", &organization, "/subscriptions");
    page.facts = Facts::new(vec![("Hooks", Cell::text(hooks.hook_scopes.len().to_string()))]);
    page.consequences = vec![
        "The next pass changes the password of each of these hooks at Azure DevOps.".into(),
        "The old secrets are accepted until the new ones have delivered for a while, unless they \
         are to end at once: then what arrives before the pass is refused, and catch-up finds it."
            .into(),
    ];
    page.refused = if !subscriptions.reconciler.is_managed() {
        Some("the hooks of this organization are made by hand (hooks = false)".to_owned())
    } else if hooks.is_held {
        Some("the hooks were removed: make a plan and apply it first".to_owned())
    } else if hooks.hook_scopes.is_empty() {
        Some("there is no hook yet: make a plan and apply it first".to_owned())
    } else {
        None
    };
    page.undo = "It cannot be undone: the old secrets end.".to_owned();
    let every = (String::new(), "All projects".to_owned());
    let projects =
        [every].into_iter().chain(projects(&visit, &organization, &hooks.hook_scopes).await?);
    page.choices = vec![
        Choice {
            name: PROJECT,
            label: "Hooks of".to_owned(),
            kind: ChoiceKind::OneOf(projects.collect()),
        },
        Choice {
            name: AT_ONCE,
            label: "End the old secrets at once, because they are known to somebody".to_owned(),
            kind: ChoiceKind::Tick,
        },
    ];
    page.button = "Give new secrets".to_owned();
    page.is_grave = true;
    Ok(page.show())
}

/// The projects with hooks: their ids and names.
async fn projects(
    visit: &Visit,
    organization: &Organization,
    hooks: &[HookRow],
) -> Result<Vec<(String, String)>, Problem> {
    let filter = crate::storage::SubscriptionFilter { organization: Some(organization.0.clone()) };
    let page = crate::storage::Page { limit: 500, before: None };
    let rows = visit.state.deps.store.subscriptions(filter, page).await?.items;
    let mut ids: Vec<String> =
        hooks.iter().map(|hook| hook.hook_scope.project_id.clone()).collect();
    ids.sort();
    ids.dedup();
    let name = |id: &String| {
        let of = rows.iter().find(|row| row.found.project_id.as_ref() == Some(id));
        of.and_then(|row| row.project.clone()).unwrap_or_else(|| id.clone())
    };
    Ok(ids.iter().map(|id| (id.clone(), name(id))).collect())
}

/// `POST /ui/organizations/{name}/rotate`.
pub(super) async fn rotate(
    visit: Visit,
    organization: Organization,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    let actor = visit.session.actor.clone();
    let project = sent.get(PROJECT).filter(|id| !id.is_empty()).cloned();
    let at_once = sent.get(AT_ONCE).is_some_and(|value| value == "true");
    let detail = rotation(project.as_deref(), at_once);
    let doing = visit.state.actions.rotate(&actor, &organization, project, at_once);
    once(&visit, &sent, (Action::Rotate, &detail, &organization), async { doing.await.map(drop) })
        .await?;
    let next = "the next pass gives the hooks their new secrets";
    Ok(visit.asked("Hooks get new secrets", next, ("/subscriptions", "Subscriptions")))
}

/// `GET /ui/organizations/{name}/remove`.
pub(super) async fn confirm_remove(
    visit: Visit,
    organization: Organization,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let hooks = visit.state.deps.store.hooks(&organization.0).await?;
    let mut page = confirm(&visit, "Remove the hooks", &organization, "/subscriptions");
    page.facts = Facts::new(vec![("Hooks", Cell::text(hooks.hook_scopes.len().to_string()))]);
    page.consequences = vec![
        "The next pass deletes every hook of this gateway at Azure DevOps; hooks of others stay."
            .into(),
        "Azure DevOps tells nothing any more: only catch-up finds events.".into(),
        "Secrets that were given to these hooks end at once.".into(),
    ];
    if hooks.is_held {
        page.refused = Some("the hooks were removed already".to_owned());
    }
    page.undo = "It is undone by making a plan and applying it.".to_owned();
    page.choices = vec![Choice {
        name: NAME,
        label: format!("Type the name of the organization, {}", organization.0),
        kind: ChoiceKind::Text,
    }];
    page.button = "Remove the hooks".to_owned();
    page.is_grave = true;
    Ok(page.show())
}

/// `POST /ui/organizations/{name}/remove`.
pub(super) async fn remove(
    visit: Visit,
    organization: Organization,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let typed = sent.get(NAME).map(|name| name.trim()).unwrap_or_default();
    if typed != organization.0 {
        let why = format!("type {} to remove its hooks: nothing was removed", organization.0);
        return Err(Problem::field(NAME, why));
    }
    let actor = visit.session.actor.clone();
    let doing = visit.state.actions.remove_hooks(&actor, &organization);
    once(&visit, &sent, (Action::Remove, REMOVED, &organization), async { doing.await.map(drop) })
        .await?;
    let next = "the next pass deletes the hooks";
    Ok(visit.asked("The hooks are being removed", next, ("/subscriptions", "Subscriptions")))
}

/// `GET /ui/organizations/{name}/unlink`.
pub(super) async fn confirm_unlink(
    visit: Visit,
    organization: Organization,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let linked = visit.state.identities.linking.linked_user(&organization.0).await?;
    let mut page = confirm(&visit, "Unlink the service user", &organization, "/connections");
    let user = linked.as_ref().map(|linked| &linked.user_name);
    page.facts = Facts::new(vec![("Service user", Cell::optional(user))]);
    let waiting = visit.state.counts.get().await?.unposted;
    page.consequences = vec![
        "The gateway forgets the sign-in; tokens that it made are revoked.".into(),
        format!("Statuses wait until somebody is linked again; {waiting} wait now."),
        "Hooks go on to deliver, and runs to start.".into(),
    ];
    if linked.is_none() {
        page.refused = Some("nobody is linked".to_owned());
    }
    page.undo = "It is undone by linking a service user again.".to_owned();
    page.button = "Unlink".to_owned();
    page.is_grave = true;
    Ok(page.show())
}

/// `POST /ui/organizations/{name}/unlink`.
pub(super) async fn unlink(
    visit: Visit,
    organization: Organization,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    let actor = visit.session.actor.clone();
    let doing = visit.state.actions.unlink(&actor, &organization.0);
    once(&visit, &sent, (Action::Unlink, "", &organization), doing).await?;
    Ok(visit.see("/connections"))
}

/// Does what the form asks for, unless the same person has done it since the form was shown.
pub(super) async fn once(
    visit: &Visit,
    sent: &Sent,
    (action, detail, organization): (Action, &str, &Organization),
    doing: impl Future<Output = Result<(), Problem>>,
) -> Result<(), Problem> {
    visit.may_act()?;
    // Two clicks arrive at the same time.
    let _turn = visit.state.acting.lock().await;
    if visit.was_done(sent, (action, detail), &organization.0).await? {
        Ok(())
    } else {
        doing.await
    }
}

fn confirm(visit: &Visit, what: &str, organization: &Organization, area: &'static str) -> Confirm {
    let mut page = Confirm::new(visit, format!("{what}: {}", organization.0), area);
    page.carried = vec![visit.shown_now()];
    page
}
