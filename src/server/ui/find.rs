//! Find: what people have at hand, such as the address of a pull request or a commit, leads to what
//! the gateway knows of it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use url::Url;

use super::visit::Visit;
use crate::domain::event::{Repository, short};
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::text::cut;
use crate::server::html::{self, Frame, Twins, answer};
use crate::server::problem::Problem;
use crate::storage::{Page, RunFilter};

/// Runs that are looked at for the repositories that they are of.
const RUNS_MAX: usize = 200;

/// As much as a page shows of what was sought.
const SHOWN_CHARS_MAX: usize = 200;

/// What somebody may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// Without a repository: a pull request of any.
    PullRequest {
        id: i64,
        repository: Option<(String, String)>,
    },
    Delivery(DeliveryId),
    Run(RunId),
    Commit(String),
}

/// Everything that the text may mean.
fn meanings(text: &str) -> Vec<Meaning> {
    if let Ok(url) = Url::parse(text) {
        return pull_request_at(&url).into_iter().collect();
    }
    let any = |id| Meaning::PullRequest { id, repository: None };
    if let Some(number) = text.strip_prefix(['!', '#']) {
        return number.parse().map(any).into_iter().collect();
    }
    if let Ok(number) = text.parse() {
        return vec![any(number), Meaning::Delivery(DeliveryId(number))];
    }
    if let Ok(run) = text.parse() {
        return vec![Meaning::Run(run)];
    }
    let is_commit = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| Meaning::Commit(text.to_ascii_lowercase())).into_iter().collect()
}

/// `…/{project}/_git/{repository}/pullrequest/{id}`. The project is left out where it has the name
/// of the repository.
fn pull_request_at(url: &Url) -> Option<Meaning> {
    let decoded =
        |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let parts: Vec<String> = url.path_segments()?.map(decoded).collect();
    let at = parts.iter().position(|part| part.eq_ignore_ascii_case("pullrequest"))?;
    let id = parts.get(at + 1)?.parse().ok()?;
    let git = at.checked_sub(2).filter(|git| parts.get(*git).is_some_and(|it| it == "_git"));
    let repository = git.and_then(|git| {
        let repository = parts.get(git + 1)?.clone();
        let project = git.checked_sub(1).and_then(|before| parts.get(before));
        Some((project.unwrap_or(&repository).clone(), repository))
    });
    Some(Meaning::PullRequest { id, repository })
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
    sought: String,
    hits: Vec<Hit>,
}

/// `GET /ui/find`.
pub(super) async fn find(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["q"])?;
    let sought = visit.parameters.get("q").unwrap_or_default().trim().to_owned();
    let mut hits = Vec::new();
    for meaning in meanings(&sought) {
        hits.extend(look_up(&visit, meaning).await?);
    }
    if let [only] = hits.as_slice() {
        let mut response = HttpResponse::SeeOther();
        response.insert_header((header::LOCATION, only.href.as_str()));
        return Ok(html::protect(response).finish());
    }
    let sought = cut(&sought, SHOWN_CHARS_MAX);
    let frame = visit.frame("Find", "-", Twins::default());
    Ok(answer(StatusCode::OK, &FindPage { frame, sought, hits }))
}

async fn look_up(visit: &Visit, meaning: Meaning) -> Result<Vec<Hit>, Problem> {
    let store = &visit.state.deps.store;
    match meaning {
        Meaning::Delivery(id) => {
            let found = store.delivery(id).await?;
            let hit = |_| Hit {
                href: visit.href(&format!("/deliveries/{id}")),
                words: format!("Delivery {id}"),
            };
            Ok(found.map(hit).into_iter().collect())
        }
        Meaning::Run(id) => {
            let hit =
                |_| Hit { href: visit.href(&format!("/runs/{id}")), words: format!("Run {id}") };
            Ok(store.run(id).await?.map(hit).into_iter().collect())
        }
        Meaning::Commit(commit) => {
            let filter = RunFilter { commit: Some(commit.clone()), ..RunFilter::default() };
            let words = format!("commit {}", short(&commit));
            by_repository(visit, filter, ("commit", &commit), &words, None).await
        }
        Meaning::PullRequest { id, repository } => {
            let filter = RunFilter { pull_request: Some(id), ..RunFilter::default() };
            let (number, words) = (id.to_string(), format!("!{id}"));
            by_repository(visit, filter, ("pull_request", &number), &words, repository).await
        }
    }
}

/// A hit for each repository that has runs which match, of `only` one where it is given.
async fn by_repository(
    visit: &Visit,
    filter: RunFilter,
    (name, value): (&str, &str),
    words: &str,
    only: Option<(String, String)>,
) -> Result<Vec<Hit>, Problem> {
    let page = Page { limit: RUNS_MAX, before: None };
    let runs = visit.state.deps.store.runs(filter, page).await?.items;
    let mut found = BTreeMap::new();
    for run in runs {
        let repository = run.repository;
        let is_meant =
            only.as_ref().is_none_or(|(project, name)| repository.is_called(project, name));
        if is_meant {
            found.entry((run.organization, repository.id.clone())).or_insert(repository);
        }
    }
    let hit = |((organization, id), repository): ((String, String), Repository)| {
        let Repository { project, name: called, .. } = repository;
        let filters = [
            ("organization", organization.as_str()),
            ("repository_id", id.as_str()),
            (name, value),
        ];
        Hit {
            href: visit.filtered("/runs", &filters),
            words: format!("{organization}: {project}/{called} {words}"),
        }
    };
    Ok(found.into_iter().map(hit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_have_at_hand_is_understood() {
        let of = |id, project: &str, repository: &str| Meaning::PullRequest {
            id,
            repository: Some((project.to_owned(), repository.to_owned())),
        };
        let any = |id| Meaning::PullRequest { id, repository: None };
        let commit = "9A79DA292222222222222222222222222222beef";
        let run: RunId = "0193a000-0000-7000-8000-000000000001".parse().unwrap();
        for (text, expected) in [
            (
                "https://dev.azure.com/fabrikam/My%20Shop/_git/shop/pullrequest/12?_a=files",
                vec![of(12, "My Shop", "shop")],
            ),
            ("https://dev.azure.com/_git/shop/pullrequest/12", vec![of(12, "shop", "shop")]),
            ("https://example.com/else", vec![]),
            ("javascript:alert(1)", vec![]),
            ("!12", vec![any(12)]),
            ("12", vec![any(12), Meaning::Delivery(DeliveryId(12))]),
            ("0193a000-0000-7000-8000-000000000001", vec![Meaning::Run(run)]),
            (commit, vec![Meaning::Commit(commit.to_lowercase())]),
            ("a branch", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(meanings(text), expected, "{text}");
        }
    }
}
