//! Setting up: how far each organization is, until Azure DevOps has shown a green check of it. Each
//! step follows from evidence; nobody ticks one.

use actix_web::HttpResponse;
use askama::Template;
use askama::filters::HtmlSafe;

use super::about;
use super::badge::Badge;
use super::visit::{Visit, part};
use crate::domain::decision::Source;
use crate::domain::run::{Run, State};
use crate::domain::slot::StatusOutcome;
use crate::domain::status::Shown;
use crate::domain::subscription;
use crate::health::ProblemKind;
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{
    Availability, DeliveryFilter, Page, RunFilter, StatusFilter, SubscriptionFilter,
};

/// Subscriptions, runs and statuses that are looked through for evidence.
const ROWS_MAX: usize = 50;

/// One step.
struct Step {
    badge: Badge,
    is_done: bool,
    words: String,
    /// The address of the page for it, and the words.
    link: Option<(String, &'static str)>,
}

/// How far an organization is.
#[derive(Template)]
#[template(path = "steps.html")]
pub(super) struct Progress {
    organization: String,
    steps: Vec<Step>,
}

impl HtmlSafe for Progress {}

impl Progress {
    /// The step that is next; none where all are done.
    fn next(&self) -> Option<usize> {
        self.steps.iter().position(|step| !step.is_done)
    }

    /// Whether Azure DevOps has shown a green check. A step before that may fail again, which is a
    /// problem then, and no part of setting up.
    fn is_green(&self) -> bool {
        self.steps.last().is_some_and(|step| step.is_done)
    }

    fn is_next(&self, number: &usize) -> bool {
        self.next() == Some(*number)
    }
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    organizations: Vec<Progress>,
}

impl SetupPage {
    /// Whether nothing is left to set up.
    fn is_over(&self) -> bool {
        self.organizations.iter().all(Progress::is_green)
    }
}

part!(SetupSteps of SetupPage: "setup.html", "setup");

/// `GET /ui/setup`.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["part"])?;
    let mut organizations = Vec::new();
    for name in visit.state.organizations.names() {
        organizations.push(progress(&visit, name).await?);
    }
    Ok(page(&visit, organizations))
}

/// The page with the organizations that are not set up yet.
pub(super) fn page(visit: &Visit, organizations: Vec<Progress>) -> HttpResponse {
    let twins = Twins { api: Some("/v1/organizations".to_owned()), command: None };
    let frame = visit.frame("Setting up", "", twins).about(about::ALL);
    let page = SetupPage { frame, organizations };
    visit.answer(&page, &[("setup", &SetupSteps(&page))])
}

/// How far the organizations are that have shown no green check yet. One that has is not looked at
/// again by this process.
pub(super) async fn unfinished(visit: &Visit) -> Result<Vec<Progress>, Problem> {
    let mut unfinished = Vec::new();
    for name in visit.state.organizations.names() {
        if visit.state.set_up.contains(name) {
            continue;
        }
        let progress = progress(visit, name).await?;
        match progress.is_green() {
            true => drop(visit.state.set_up.insert(name.to_owned())),
            false => unfinished.push(progress),
        }
    }
    Ok(unfinished)
}

async fn progress(visit: &Visit, name: &str) -> Result<Progress, Problem> {
    let store = &visit.state.deps.store;
    let organization = || Some(name.to_owned());
    let newest = |limit| Page { limit, before: None };
    let runs = RunFilter { organization: organization(), ..RunFilter::default() };
    let runs = store.runs(runs, newest(ROWS_MAX)).await?.items;
    let green = is_green(visit, name).await?;
    let delivered = DeliveryFilter {
        organization: organization(),
        source: Some(Source::Hook),
        ..DeliveryFilter::default()
    };
    let is_reached = green || !store.deliveries(delivered, newest(1)).await?.items.is_empty();
    let identity = identity(visit, name).await?;
    let permissions = permissions(visit, name, identity.is_done, green);
    let steps = vec![
        step("The store can be written", store.health() == Availability::Writable, None),
        step(format!("{name} is configured"), true, None),
        identity,
        permissions,
        hooks(visit, name).await?,
        step("Azure DevOps reaches the gateway: a hook has delivered", is_reached, None),
        started(&runs),
        step("Azure DevOps shows a green check", green, None),
    ];
    Ok(Progress { organization: name.to_owned(), steps })
}

fn step(words: impl Into<String>, is_done: bool, link: Option<(String, &'static str)>) -> Step {
    let badge = if is_done { Badge::good("done") } else { Badge::waits("to do") };
    Step { badge, is_done, words: words.into(), link }
}

impl Step {
    /// The same step where it does not wait but was tried in vain.
    fn refused(self) -> Self {
        Self { badge: Badge::bad("refused"), ..self }
    }
}

/// Whether Azure DevOps shows a green check, as far as the newest statuses tell.
async fn is_green(visit: &Visit, name: &str) -> Result<bool, Problem> {
    let filter = StatusFilter {
        organization: Some(name.to_owned()),
        outcome: Some(StatusOutcome::Posted.as_str().to_owned()),
        ..StatusFilter::default()
    };
    let page = Page { limit: ROWS_MAX, before: None };
    let posted = visit.state.deps.store.statuses(filter, page).await?.items;
    Ok(posted.iter().any(|row| row.status.state == Shown::Succeeded))
}

async fn identity(visit: &Visit, name: &str) -> Result<Step, Problem> {
    let identities = &visit.state.identities;
    let link = Some((visit.filtered("/connections", &[("organization", name)]), "Connections"));
    if !identities.linking.is_linkable(name) {
        let kind = identities.by_organization.get(name).map_or("", |identity| identity.kind);
        return Ok(step(format!("The gateway signs in by {kind}"), true, link));
    }
    let linked = identities.linking.linked_user(name).await?;
    Ok(match linked {
        Some(linked) => step(format!("{} is linked", linked.user_name), true, link),
        None => step("A service user is linked", false, link),
    })
}

/// What Azure DevOps has taken proves them; else only looking does, which asks Azure DevOps.
fn permissions(visit: &Visit, name: &str, is_somebody: bool, green: bool) -> Step {
    let raised = visit.state.deps.health.list();
    let mut raised = raised.iter().filter(|it| it.organization == name && !it.kind.is_warning());
    // Not what Azure DevOps refuses.
    let is_own =
        |kind| matches!(kind, ProblemKind::Ci | ProblemKind::Configuration | ProblemKind::Damage);
    let is_refused = raised.any(|it| !is_own(it.kind));
    let link = Some((visit.filtered("/permissions", &[("organization", name)]), "Look"));
    match (green, is_somebody, is_refused) {
        (true, ..) => step("Permissions are there: a status was taken", true, link),
        (false, false, _) => step("Permissions: they are those of the service user", false, None),
        (false, true, true) => {
            let words = "Permissions: something is refused. Grant it, then apply the plan";
            step(words, false, link).refused()
        }
        (false, true, false) => step("Permissions: nothing is refused so far", true, link),
    }
}

async fn hooks(visit: &Visit, name: &str) -> Result<Step, Problem> {
    let link = Some((visit.filtered("/subscriptions/plan", &[("organization", name)]), "Plan"));
    let reconcilers = visit.state.reconcilers.get(name);
    let is_managed = reconcilers.is_some_and(|it| it.subscriptions.reconciler.is_managed());
    if !is_managed {
        return Ok(step("Hooks are made by hand (hooks = false)", true, None));
    }
    let filter = SubscriptionFilter { organization: Some(name.to_owned()) };
    let page = Page { limit: ROWS_MAX, before: None };
    let found = visit.state.deps.store.subscriptions(filter, page).await?.items;
    let enabled = found.iter().filter(|row| row.found.state == subscription::State::Enabled);
    let enabled = enabled.count();
    if found.is_empty() {
        return Ok(step("Hooks are made", false, link));
    }
    let words = format!("Hooks are made: {enabled} of {} are enabled", found.len());
    Ok(step(words, enabled == found.len(), link))
}

fn started(runs: &[Run]) -> Step {
    let started = runs.iter().find(|run| !matches!(run.state, State::Planned | State::Errored));
    match started {
        Some(run) => step(format!("{} has started a run", run.ci), true, None),
        None if runs.is_empty() => step(
            "A CI has started a run: open a pull request in a repository with a check",
            false,
            None,
        ),
        None => step("A CI has started a run: it was asked, and has not", false, None),
    }
}
