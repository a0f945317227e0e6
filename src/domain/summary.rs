//! The summary of a pull request: one status that is green when all others of the gateway are.
//!
//! It is computed again whenever one of them is posted, from all that the gateway wants shown on
//! the same commit.

use super::check::Check;
use super::pull_request::PullRequest;
use super::status::{self, Context, Shown, Status, Target};
use super::text::cut;

const GENRE: &str = "azdo-gateway";
const NAME: &str = "summary";
/// Names that a description lists, at most.
const NAMES_MAX: usize = 5;

/// Whether a context, compared as Azure DevOps compares them, is that of summaries.
pub fn is_context(genre: &str, name: &str) -> bool {
    genre.eq_ignore_ascii_case(GENRE) && name.eq_ignore_ascii_case(NAME)
}

/// The number and the commit of the pull request whose summary `status` changes; none where it has
/// no summary, or is one.
pub fn summarized(status: &Status) -> Option<(i64, &str)> {
    match &status.target {
        Target::PullRequest { id, commit: Some(commit) } if !is_summary(status) => {
            Some((*id, commit))
        }
        _ => None,
    }
}

/// The summary to queue, where it differs from the one that is queued or shown. `statuses` has the
/// newest status of each context on one commit of a pull request, with the summary if there is one.
pub fn summarize(statuses: &[Status]) -> Option<Status> {
    let others: Vec<&Status> = statuses.iter().filter(|status| !is_summary(status)).collect();
    let first = others.first()?;
    let of = |states: &[Shown]| -> Vec<&Status> {
        others.iter().copied().filter(|status| states.contains(&status.state)).collect()
    };
    let (failed, broken) = (of(&[Shown::Failed]), of(&[Shown::Error]));
    let pending = of(&[Shown::Pending]);
    let wrong: Vec<&Status> = failed.iter().chain(&broken).copied().collect();
    let (state, description) = if !wrong.is_empty() {
        let state = if failed.is_empty() { Shown::Error } else { Shown::Failed };
        (state, format!("Not green: {}", names(&wrong)))
    } else if !pending.is_empty() {
        let ended = others.len() - pending.len();
        let of = others.len();
        (Shown::Pending, format!("{ended} of {of} are green; waits for {}", names(&pending)))
    } else if of(&[Shown::Succeeded]).is_empty() {
        (Shown::NotApplicable, "No check applies here".to_owned())
    } else {
        (Shown::Succeeded, format!("All are green: {}", names(&others)))
    };
    let summary = Status {
        context: context(),
        state,
        description: cut(&description, status::DESCRIPTION_CHARS_MAX),
        url: wrong.first().and_then(|status| status.url.clone()),
        run: None,
        ..(*first).clone()
    };
    let shown = statuses.iter().find(|status| is_summary(status));
    (shown != Some(&summary)).then_some(summary)
}

/// The summary of a pull request on which no check of the gateway shows anything.
pub fn of_nothing(
    organization: &str,
    check: &Check,
    pull_request: &PullRequest,
    commit: &str,
) -> Status {
    let shown = (Shown::NotApplicable, "No check runs on this commit");
    let status = status::without_run(organization, check, pull_request, commit, shown);
    Status { context: context(), ..status }
}

fn context() -> Context {
    Context { genre: GENRE.to_owned(), name: NAME.to_owned() }
}

fn is_summary(status: &Status) -> bool {
    is_context(&status.context.genre, &status.context.name)
}

/// The first names, and how many more there are.
fn names(statuses: &[&Status]) -> String {
    let names: Vec<&str> =
        statuses.iter().take(NAMES_MAX).map(|status| status.context.name.as_str()).collect();
    match statuses.len().saturating_sub(NAMES_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, state: Shown) -> Status {
        Status {
            organization: "fabrikam".into(),
            project: "p".into(),
            repository: "r".into(),
            target: Target::PullRequest { id: 7, commit: Some("a".repeat(40)) },
            context: Context { genre: "ci".into(), name: name.into() },
            state,
            description: "as its CI says".into(),
            url: Some(format!("https://ci/{name}")),
            run: None,
        }
    }

    #[test]
    fn a_summary_is_green_when_all_are_and_says_what_is_not() {
        use Shown::*;
        for (states, expected, words, url) in [
            (vec![Pending, Pending], Pending, "0 of 2 are green; waits for a, b", None),
            (vec![Succeeded, Pending], Pending, "1 of 2 are green; waits for b", None),
            (vec![Succeeded, Succeeded], Succeeded, "All are green: a, b", None),
            (vec![Succeeded, NotApplicable], Succeeded, "All are green: a, b", None),
            (vec![NotApplicable], NotApplicable, "No check applies here", None),
            (vec![Failed, Pending], Failed, "Not green: a", Some("https://ci/a")),
            (vec![Error, Pending], Error, "Not green: a", Some("https://ci/a")),
            (vec![Error, Failed], Failed, "Not green: b, a", Some("https://ci/b")),
            (
                vec![Pending; 7],
                Pending,
                "0 of 7 are green; waits for a, b, c, d, e and 2 more",
                None,
            ),
        ] {
            let named =
                states.iter().zip('a'..).map(|(state, name)| status(&name.to_string(), *state));
            let named: Vec<Status> = named.collect();
            let summary = summarize(&named).unwrap();
            assert_eq!((summary.state, summary.description.as_str()), (expected, words));
            assert_eq!(summary.url.as_deref(), url, "{words}");
            assert_eq!((&summary.target, summary.run), (&named[0].target, None));
            let again: Vec<Status> = named.into_iter().chain([summary]).collect();
            assert_eq!(summarize(&again), None, "{words}: it is shown already");
        }
        assert_eq!(summarize(&[]), None);
    }

    #[test]
    fn a_status_on_a_commit_of_a_pull_request_changes_its_summary_and_a_summary_does_not() {
        let on_head = status("a", Shown::Failed);
        assert_eq!(summarized(&on_head), Some((7, "a".repeat(40).as_str())));
        let target = Target::PullRequest { id: 7, commit: None };
        assert_eq!(summarized(&Status { target, ..on_head.clone() }), None);
        assert_eq!(summarized(&Status { context: context(), ..on_head }), None);
    }
}
