//! Find: what people have at hand, such as the address of a pull request or a commit, leads to what
//! the gateway knows of it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use futures_util::{StreamExt, TryStreamExt, stream};
use url::Url;

use super::visit::Visit;
use crate::domain::about::{commit_subject, key};
use crate::domain::address::{self, Address, Subject};
use crate::domain::event::{Repository, short};
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::run::Run;
use crate::domain::text::cut;
use crate::server::html::{self, Frame, Twins, answer};
use crate::server::problem::Problem;
use crate::storage::{DeliveryFilter, Named, Page};

/// As much as a page shows of what was sought.
const SHOWN_CHARS_MAX: usize = 200;
/// Digits of a commit: fewer mean too many commits, and all of them are 40.
const COMMIT_CHARS_MIN: usize = 7;
const COMMIT_CHARS: usize = 40;
/// The beginning of a commit that the store has an index of.
const INDEXED_CHARS: usize = 16;
/// No ref of Azure DevOps has a longer name.
const REF_CHARS_MAX: usize = 250;

/// What somebody may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    At(Address),
    /// In any repository.
    PullRequest(i64),
    Delivery(DeliveryId),
    Run(RunId),
    /// The beginning of its id, or all of it.
    Commit(String),
    /// Full names of a branch and a tag.
    Refs([String; 2]),
}

/// Everything that the text may mean. The `configured` organizations say where they are.
fn meanings(text: &str, configured: &[(&str, &Url)]) -> Vec<Meaning> {
    if text.contains("://") {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let at = url.and_then(|url| address::parse(&url, configured));
        return at.map(Meaning::At).into_iter().collect();
    }
    if let Some(number) = text.strip_prefix(['!', '#']) {
        return number.parse().map(Meaning::PullRequest).into_iter().collect();
    }
    if let Ok(run) = text.parse() {
        return vec![Meaning::Run(run)];
    }
    let mut found = Vec::new();
    if let Ok(number) = text.parse() {
        found.extend([Meaning::PullRequest(number), Meaning::Delivery(DeliveryId(number))]);
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (COMMIT_CHARS_MIN..=COMMIT_CHARS).contains(&text.len()) {
        found.push(Meaning::Commit(text.to_ascii_lowercase()));
    }
    let is_name = !text.is_empty() && text.len() <= REF_CHARS_MAX;
    if is_name && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        let name = text.strip_prefix("refs/heads/").unwrap_or(text);
        let tag = text.strip_prefix("refs/tags/").unwrap_or(text);
        found.push(Meaning::Refs([format!("refs/heads/{name}"), format!("refs/tags/{tag}")]));
    }
    found
}

/// Something that fits.
struct Hit {
    href: String,
    words: String,
}

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    frame: Frame,
    sees_all: bool,
    sought: String,
    hits: Vec<Hit>,
}

/// `GET /ui/find`.
pub(super) async fn find(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["q"])?;
    let sought = visit.parameters.get("q").unwrap_or_default().trim().to_owned();
    let mut hits = Vec::new();
    for meaning in meanings(&sought, &visit.addresses()) {
        hits.extend(look_up(&visit, meaning).await?);
    }
    if let [only] = hits.as_slice() {
        let mut response = HttpResponse::SeeOther();
        response.insert_header((header::LOCATION, only.href.as_str()));
        return Ok(html::protect(response).finish());
    }
    let sought = cut(&sought, SHOWN_CHARS_MAX);
    let frame = visit.frame("Find", "/find", Twins::default());
    Ok(answer(StatusCode::OK, &FindPage { frame, sees_all: visit.sees_all(), sought, hits }))
}

async fn look_up(visit: &Visit, meaning: Meaning) -> Result<Vec<Hit>, Problem> {
    let store = &visit.state.deps.store;
    match meaning {
        Meaning::At(address) => Ok(at(visit, address).into_iter().collect()),
        // Deliveries are for viewers.
        Meaning::Delivery(_) if !visit.sees_all() => Ok(Vec::new()),
        Meaning::Delivery(id) => {
            let found = store.delivery(id).await?;
            let hit = |_| Hit {
                href: visit.href(&format!("/deliveries/{id}")),
                words: format!("Delivery {id}"),
            };
            Ok(found.map(hit).into_iter().collect())
        }
        Meaning::Run(id) => {
            let Some(run) = store.run(id).await? else { return Ok(Vec::new()) };
            let hit = Hit { href: visit.href(&format!("/runs/{id}")), words: format!("Run {id}") };
            let may = may_see(visit, &run.organization, &run.repository).await?;
            Ok(may.then_some(hit).into_iter().collect())
        }
        Meaning::PullRequest(id) => {
            let found = store.pull_requests_numbered(id).await?;
            named(visit, found, &Subject::PullRequest(id), &format!("!{id}")).await
        }
        Meaning::Refs(names) => {
            let mut hits = Vec::new();
            for name in &names {
                let found = store.refs_named(name).await?;
                hits.extend(named(visit, found, &Subject::Ref(name.clone()), name).await?);
            }
            Ok(hits)
        }
        Meaning::Commit(commit) => commits(visit, &commit).await,
    }
}

/// The page of an address exists also where nothing is known of it: it says why.
fn at(visit: &Visit, address: Address) -> Option<Hit> {
    let Address { organization, project, repository, subject } = address;
    let organization = visit.state.organizations.find(&organization)?;
    let words = format!("{organization}: {project}/{repository}");
    let repository = Repository { project, name: repository, ..Repository::default() };
    Some(Hit { href: visit.subject(organization, &repository, &subject), words })
}

/// Of so many things Azure DevOps is asked whether a developer may see them.
const ASKED_MAX: usize = 10;
/// Of so many at the same time.
const ASKED_AT_ONCE: usize = 4;

/// Whether the page of something of this repository would show it.
async fn may_see(
    visit: &Visit,
    organization: &str,
    repository: &Repository,
) -> Result<bool, Problem> {
    match visit.may_read(organization, repository.project_key(), &repository.id).await {
        Ok(()) => Ok(true),
        Err(problem) if problem.is_missing() => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Those of the first ones that may be seen, each with the organization and repository that it is
/// of.
async fn visible<T>(
    visit: &Visit,
    found: Vec<T>,
    of: fn(&T) -> (&str, &Repository),
) -> Result<Vec<T>, Problem> {
    let limit = if visit.sees_all() { usize::MAX } else { ASKED_MAX };
    let asked = found.into_iter().take(limit).map(async |one| {
        let (organization, repository) = of(&one);
        let may = may_see(visit, organization, repository).await?;
        Ok::<_, Problem>(may.then_some(one))
    });
    let asked: Vec<Option<T>> = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(asked.into_iter().flatten().collect())
}

async fn named<T>(
    visit: &Visit,
    found: Vec<Named<T>>,
    subject: &Subject,
    called: &str,
) -> Result<Vec<Hit>, Problem> {
    let found = visible(visit, found, |one| (&one.organization, &one.repository)).await?;
    let hit = |one: &Named<T>| hit(visit, &one.organization, &one.repository, subject, called);
    Ok(found.iter().map(hit).collect())
}

fn hit(
    visit: &Visit,
    organization: &str,
    repository: &Repository,
    subject: &Subject,
    called: &str,
) -> Hit {
    let Repository { project, name, .. } = repository;
    Hit {
        href: visit.subject(organization, repository, subject),
        words: format!("{organization}: {project}/{name} {called}"),
    }
}

/// The commits that have runs, in each of their repositories; a commit that started nothing leads
/// to the deliveries about it, since those do not name its repository.
async fn commits(visit: &Visit, beginning: &str) -> Result<Vec<Hit>, Problem> {
    let store = &visit.state.deps.store;
    let indexed = beginning.get(..INDEXED_CHARS).unwrap_or(beginning);
    let mut found: BTreeMap<(String, String, String), Run> = BTreeMap::new();
    for run in store.runs_of_commits(indexed).await? {
        let of = (run.organization.clone(), run.repository.id.clone(), run.commit.clone());
        if run.commit.starts_with(beginning) {
            found.entry(of).or_insert(run);
        }
    }
    let found = found.into_values().collect();
    let found = visible(visit, found, |run: &Run| (&run.organization, &run.repository)).await?;
    let hit = |run: &Run| {
        let subject = Subject::Commit(run.commit.clone());
        let words = format!("commit {}", short(&run.commit));
        hit(visit, &run.organization, &run.repository, &subject, &words)
    };
    // Deliveries are for viewers.
    if !found.is_empty() || beginning.len() < COMMIT_CHARS || !visit.sees_all() {
        return Ok(found.iter().map(hit).collect());
    }
    let mut hits = Vec::new();
    for organization in visit.state.organizations.names() {
        let subject = commit_subject(beginning);
        let about = Some(key(organization, &subject));
        let filter = DeliveryFilter { about, ..DeliveryFilter::default() };
        let deliveries = store.deliveries(filter, Page { limit: 1, before: None }).await?;
        if !deliveries.items.is_empty() {
            let filters = [("organization", organization), ("commit", beginning)];
            let words = format!("{organization}: deliveries about commit {}", short(beginning));
            hits.push(Hit { href: visit.filtered("/deliveries", &filters), words });
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Meaning> {
        let base = Url::parse("https://dev.azure.com/fabrikam").unwrap();
        meanings(text, &[("fabrikam", &base)])
    }

    #[test]
    fn what_people_have_at_hand_is_understood() {
        let address = |subject| {
            let (organization, project) = ("fabrikam".into(), "My Shop".into());
            vec![Meaning::At(Address { organization, project, repository: "shop".into(), subject })]
        };
        let refs =
            |name: &str| Meaning::Refs(["heads", "tags"].map(|it| format!("refs/{it}/{name}")));
        let of_number = |number| {
            vec![
                Meaning::PullRequest(number),
                Meaning::Delivery(DeliveryId(number)),
                refs(&number.to_string()),
            ]
        };
        let commit = "9A79DA292222222222222222222222222222beef";
        let run: RunId = "0193a000-0000-7000-8000-000000000001".parse().unwrap();
        for (text, expected) in [
            (
                "https://dev.azure.com/fabrikam/My%20Shop/_git/shop/pullrequest/12?_a=files",
                address(Subject::PullRequest(12)),
            ),
            (
                "https://dev.azure.com/fabrikam/My%20Shop/_git/shop?version=GBmain",
                address(Subject::Ref("refs/heads/main".into())),
            ),
            ("https://example.com/else", vec![]),
            ("javascript://%0aalert(1)", vec![]),
            ("!12", vec![Meaning::PullRequest(12)]),
            ("#12", vec![Meaning::PullRequest(12)]),
            ("12", of_number(12)),
            ("0193a000-0000-7000-8000-000000000001", vec![Meaning::Run(run)]),
            (commit, vec![Meaning::Commit(commit.to_lowercase()), refs(commit)]),
            ("9a79da2", vec![Meaning::Commit("9a79da2".into()), refs("9a79da2")]),
            ("9a79da", vec![refs("9a79da")]),
            ("feature/search", vec![refs("feature/search")]),
            ("a branch", vec![]),
            (&"x".repeat(4_000), vec![]),
            ("", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
