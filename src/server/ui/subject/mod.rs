//! The pages of pull requests, commits and branches. Their addresses below `/ui` are those that
//! they have at Azure DevOps, with names or GUIDs.

/// What is known, in a few queries.
mod load;
/// Checks by iterations.
mod matrix;
/// What happened, and whose time it was.
mod timeline;

/// What there is instead, where nothing is known.
mod absence;
/// What each check would do with a pull request as it is now.
mod look;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use askama::Template;

use super::badge::Badge;
use super::cell::Cell;
use super::visit::{BEAT, Visit, part};
use crate::domain::address::{self, Subject};
use crate::domain::decision::Remembered;
use crate::domain::event::{Repository, short};
use crate::domain::merging::{Merging, merging};
use crate::domain::pull_request::{PullRequest, Status};
use crate::domain::run::Run;
use crate::domain::timeline::{Iteration, compose};
use crate::server::api::deliveries::Deliveries;
use crate::server::api::resource::Resource;
use crate::server::html::{self, Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::RepositoryRow;
use absence::Absence;
use load::Loaded;
use look::Looked;
use matrix::Matrix;
use timeline::Part;

/// Parameters that Azure DevOps has in such addresses. They change nothing here.
const FOREIGN: [&str; 9] = [
    "_a",
    "path",
    "view",
    "iteration",
    "base",
    "discussionId",
    "refName",
    "fullScreen",
    "anchorCommentId",
];

#[derive(Template)]
#[template(path = "subject.html")]
struct SubjectPage {
    frame: Frame,
    /// Of the pull request, as Azure DevOps last told it.
    title: Option<String>,
    state: Option<Badge>,
    about: String,
    actions: Vec<Cell>,
    /// What merging waits for, sentence by sentence.
    merging: Vec<String>,
    looked: Option<Looked>,
    matrix: Matrix,
    /// Newest first.
    parts: Vec<Part>,
    /// All deliveries about it.
    deliveries: Option<String>,
    absence: Option<Absence>,
    /// What it is read again for.
    live: &'static str,
}

part!(SubjectMatrix of SubjectPage: "subject.html", "matrix");
part!(SubjectAbsence of SubjectPage: "subject.html", "absence");
part!(SubjectTimeline of SubjectPage: "subject.html", "timeline");

/// `GET /ui/{organization}/{project}/_git/{repository}/pullrequest/{id}`.
pub(super) async fn pull_request(
    visit: Visit,
    path: Path<(String, String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (organization, project, repository, id) = path.into_inner();
    let number = id.parse().map_err(|_| visit.missing("pull request", &id))?;
    show(&visit, [organization, project, repository], Subject::PullRequest(number)).await
}

/// `GET /ui/{organization}/{project}/_git/{repository}/commit/{id}`.
pub(super) async fn commit(
    visit: Visit,
    path: Path<(String, String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (organization, project, repository, commit) = path.into_inner();
    show(&visit, [organization, project, repository], Subject::Commit(commit.to_lowercase())).await
}

/// `GET /ui/{organization}/{project}/_git/{repository}`: of a branch or tag with `version`, else of
/// all runs of the repository.
pub(super) async fn repository(
    visit: Visit,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (organization, project, repository) = path.into_inner();
    let expected = "GB and a branch, GT and a tag, or GC and a commit";
    let version = visit.parameters.parse_with("version", expected, Subject::of_version)?;
    let subject = version.unwrap_or(Subject::Repository);
    show(&visit, [organization, project, repository], subject).await
}

/// `GET /ui/{organization}/_git/{repository}` and what is below it: Azure DevOps leaves out a
/// project that has the name of its repository.
pub(super) async fn without_project(
    visit: Visit,
    request: actix_web::HttpRequest,
    path: Path<(String, String, String)>,
) -> HttpResponse {
    let (organization, repository, rest) = path.into_inner();
    let [organization, name] = [organization, repository].map(|name| address::segment(&name));
    let parts = rest.split('/').filter(|part| !part.is_empty());
    let rest: String = parts.map(|part| format!("/{}", address::segment(part))).collect();
    let query = match request.query_string() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    to(&visit.href(&format!("/{organization}/{name}/_git/{name}{rest}{query}")))
}

fn to(href: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, href));
    html::protect(response).finish()
}

impl Visit {
    /// The page of something of a repository.
    pub(super) fn subject(
        &self,
        organization: &str,
        repository: &Repository,
        subject: &Subject,
    ) -> String {
        let path = subject.path(&repository.project, &repository.name);
        self.href(&format!("/{}{path}", address::segment(organization)))
    }

    /// The organization as configured, and what is known of a repository that an address names so.
    /// Refuses who may not read it.
    pub(super) async fn repository(
        &self,
        organization: &str,
        project: &str,
        name: &str,
    ) -> Result<(String, Option<RepositoryRow>), Problem> {
        let configured = self.state.organizations.find(organization).map(str::to_owned);
        let organization = configured.ok_or_else(|| self.missing("organization", organization))?;
        let row = self.state.deps.store.repository_called(&organization, project, name).await?;
        match &row {
            // As it is known, whatever the address calls it.
            Some(RepositoryRow { repository, .. }) => {
                let project = repository.project_key();
                self.may_read(&organization, project, &repository.id).await?;
            }
            None => self.may_read(&organization, project, name).await?,
        }
        Ok((organization, row))
    }
}

async fn show(
    visit: &Visit,
    [organization, project, name]: [String; 3],
    subject: Subject,
) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[&["version", "look", "part"], &FOREIGN[..]].concat())?;
    if let Subject::Commit(commit) = &subject
        && !address::is_commit(commit)
    {
        return Err(visit.missing("commit", commit));
    }
    let (organization, row) = visit.repository(&organization, &project, &name).await?;
    if let (Subject::Repository, Some(row)) = (&subject, &row) {
        let filters =
            [("organization", organization.as_str()), ("repository_id", &row.repository.id)];
        return Ok(to(&visit.filtered("/runs", &filters)));
    }
    let unknown = Repository { name, project, ..Repository::default() };
    let loaded = load::load(visit, organization, unknown, row, subject).await?;
    let looked = match visit.parameters.get("look").as_deref() {
        // A part that is read again asks nobody.
        Some("ado") if visit.parameters.get("part").is_some() => None,
        None => None,
        Some("ado") => look::look(visit, &loaded).await?,
        Some(_) => return Err(Problem::field("look", "ado is needed")),
    };
    page(visit, loaded, looked).await
}

async fn page(
    visit: &Visit,
    loaded: Loaded,
    looked: Option<Looked>,
) -> Result<HttpResponse, Problem> {
    let iterations = compose(&loaded.known, visit.now);
    let absence = match iterations.is_empty() && loaded.pull_request.is_none() {
        true => Some(absence::absence(visit, &loaded).await?),
        false => None,
    };
    let seen = loaded.pull_request.as_ref().map(|known| &known.pull_request);
    // Nobody tells of a repository that nobody has told of.
    let (told_of, live) = match loaded.row {
        Some(_) => (path(&loaded), "delivery run status"),
        None => (BEAT.to_owned(), BEAT),
    };
    let page = SubjectPage {
        frame: visit.frame(heading(&loaded), area(&loaded.subject), twins(&loaded)).about(told_of),
        live,
        title: seen.map(|seen| seen.title.clone()),
        state: seen.map(state),
        about: about(&loaded),
        actions: actions(visit, &loaded),
        merging: seen
            .map(|seen| waits(visit, &loaded, seen, iterations.last()))
            .unwrap_or_default(),
        looked,
        matrix: matrix::matrix(visit, &loaded, &iterations),
        parts: timeline::parts(visit, &loaded, &iterations),
        deliveries: loaded.filters().map(|filters| {
            let filters: Vec<_> =
                filters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            visit.filtered("/deliveries", &filters)
        }),
        absence,
    };
    let (matrix, timeline) = (SubjectMatrix(&page), SubjectTimeline(&page));
    let absence = SubjectAbsence(&page);
    Ok(visit.answer(&page, &[("matrix", &matrix), ("timeline", &timeline), ("absence", &absence)]))
}

fn area(subject: &Subject) -> &'static str {
    if matches!(subject, Subject::PullRequest(_)) { "/pull-requests" } else { "/runs" }
}

/// `Fabrikam/web !7`.
fn heading(loaded: &Loaded) -> String {
    let Repository { project, name, .. } = &loaded.repository;
    format!("{project}/{name} {}", called(&loaded.subject))
}

fn called(subject: &Subject) -> String {
    match subject {
        Subject::PullRequest(id) => format!("!{id}"),
        Subject::Commit(commit) => format!("commit {}", short(commit)),
        Subject::Ref(name) => match name.strip_prefix("refs/tags/") {
            Some(tag) => format!("tag {tag}"),
            None => format!("branch {}", branch(name)),
        },
        Subject::Repository => String::new(),
    }
}

/// A branch without `refs/heads/`.
pub(super) fn branch(name: &str) -> &str {
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

fn state(seen: &PullRequest) -> Badge {
    match seen.status {
        Status::Active if seen.is_draft => Badge::none("Draft"),
        Status::Active => Badge::active("Active"),
        Status::Abandoned => Badge::none("Abandoned"),
        Status::Completed => Badge::good("Completed"),
    }
}

fn about(loaded: &Loaded) -> String {
    let organization = &loaded.organization;
    let Some(Remembered { pull_request: seen, .. }) = &loaded.pull_request else {
        return match &loaded.head {
            Some(head) => format!("{organization}, head {}", short(head)),
            None => organization.clone(),
        };
    };
    let (source, target) = (branch(&seen.source_ref), branch(&seen.target_ref));
    let head = seen.source_commit.as_deref().map(|commit| format!(" at {}", short(commit)));
    format!("{organization}: {source}{} into {target}", head.unwrap_or_default())
}

fn actions(visit: &Visit, loaded: &Loaded) -> Vec<Cell> {
    let at = visit.state.identities.by_organization.get(&loaded.organization);
    let open = at.map(|identity| {
        let base =
            identity.client.options().azure_devops_url.as_str().trim_end_matches('/').to_owned();
        let Repository { project, name, .. } = &loaded.repository;
        let address = format!("{base}{}", loaded.subject.path(project, name));
        Cell::away(Some(&address), "Open in Azure DevOps")
    });
    let look = matches!(loaded.subject, Subject::PullRequest(_)).then(|| {
        let here = visit.subject(&loaded.organization, &loaded.repository, &loaded.subject);
        Cell::text("Look at Azure DevOps now").at(format!("{here}?look=ado"))
    });
    let rerun = match (&loaded.subject, loaded.filters()) {
        (Subject::PullRequest(_), Some(filters)) if visit.may_act().is_ok() => {
            let filters: Vec<_> =
                filters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Some(Cell::text("Run again…").at(visit.filtered("/runs/rerun", &filters)))
        }
        _ => None,
    };
    open.into_iter().chain(look).chain(rerun).collect()
}

fn waits(
    visit: &Visit,
    loaded: &Loaded,
    seen: &PullRequest,
    newest: Option<&Iteration>,
) -> Vec<String> {
    let of_check = |name: &str| {
        let found = newest.and_then(|iteration| iteration.checks.get(name));
        let run = found.and_then(|found| found.run).and_then(|id| loaded.run(id));
        // A run of an older head says nothing about this one.
        let of_head = |run: &&Run| loaded.head.as_ref().is_none_or(|head| run.commit == *head);
        (run.filter(of_head), found.and_then(|found| found.outcome.as_ref()))
    };
    let checks = visit.state.examine.checks();
    let former = &loaded.former_names;
    let merging = merging(checks, &loaded.organization, former, seen, of_check);
    if merging.is_empty() {
        return Vec::new();
    }
    let Merging { waits_for, fulfilled, not_required } = merging;
    let first = match waits_for.as_slice() {
        [] if fulfilled.is_empty() => {
            return vec!["No check of this gateway is required.".to_owned()];
        }
        [] => "Merging waits for no check of this gateway.".to_owned(),
        waits_for => format!("Merging waits for {}.", waits_for.join(", ")),
    };
    let second = match fulfilled.as_slice() {
        [] => None,
        [only] => Some(format!("{only} has succeeded or need not run.")),
        several => Some(format!("{} have succeeded or need not run.", several.join(", "))),
    };
    let third = match not_required.as_slice() {
        [] => None,
        [only] => Some(format!("{only} is not required.")),
        several => Some(format!("{} are not required.", several.join(", "))),
    };
    [Some(first), second, third].into_iter().flatten().collect()
}

/// Its path below `/ui`, with ids: names may change while the page is open.
fn path(loaded: &Loaded) -> String {
    let repository = &loaded.repository;
    let organization = address::segment(&loaded.organization);
    let path = loaded.subject.path(repository.project_key(), &repository.id);
    format!("/{organization}{path}")
}

fn twins(loaded: &Loaded) -> Twins {
    let api = loaded.filters().map(|filters| {
        let filters = filters.iter().map(|(name, value)| (*name, value.as_str()));
        format!("{}{}", Deliveries::PATH, super::visit::query(filters))
    });
    let Repository { project, name, .. } = &loaded.repository;
    let command = match &loaded.subject {
        Subject::PullRequest(id) => {
            let of = format!("{}/{project}/{name}/{id}", loaded.organization);
            Some(format!("azdo-gateway explain --against {}", super::list::quoted(&of)))
        }
        _ => None,
    };
    Twins { api, command }
}
