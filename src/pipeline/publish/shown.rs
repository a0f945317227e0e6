//! A status as Azure DevOps is to show it, and whether it does.

use url::Url;

use crate::ado;
use crate::domain::slot::Posted;
use crate::domain::status::Status;

/// The status with the page of its run as its link, where it has no other.
pub(super) fn linked(status: &Status, public_url: &Url) -> Status {
    let mut linked = status.clone();
    if let (None, Some(run)) = (&linked.url, linked.run) {
        let base = public_url.as_str().trim_end_matches('/');
        linked.url = Some(format!("{base}/ui/runs/{run}"));
    }
    linked
}

/// Whether the last post of the slot was the same.
pub(super) fn is_posted(posted: Option<&Posted>, status: &Status, iteration: Option<i64>) -> bool {
    posted.is_some_and(|posted| {
        posted.state == status.state
            && posted.description == status.description
            && posted.url == status.url
            && posted.iteration == iteration
    })
}

/// Whether Azure DevOps shows the same.
pub(super) fn is_shown(shown: &ado::ShownStatus, status: &Status) -> bool {
    shown.state == status.state.as_str()
        && shown.description == status.description
        && shown.url == status.url
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::RunId;
    use crate::domain::status::{Context, Shown, Target};

    #[test]
    fn a_status_without_a_link_leads_to_the_page_of_its_run() {
        let run = RunId(Uuid::nil());
        let status = |url: Option<&str>, run| Status {
            organization: "fabrikam".into(),
            project: "Fabrikam".into(),
            repository: "web".into(),
            target: Target::Commit { commit: "a".repeat(40) },
            context: Context { genre: "ci".into(), name: "unit".into() },
            state: Shown::Pending,
            description: String::new(),
            url: url.map(str::to_owned),
            run,
        };
        let base = Url::parse("https://ci.example.com/gateway/").unwrap();
        let link = |status: &Status| linked(status, &base).url;
        let page = format!("https://ci.example.com/gateway/ui/runs/{run}");
        assert_eq!(link(&status(None, Some(run))), Some(page));
        let at_ci = Some("https://ci/9");
        assert_eq!(link(&status(at_ci, Some(run))).as_deref(), at_ci);
        assert_eq!(link(&status(None, None)), None);
    }
}
