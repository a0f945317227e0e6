//! What an operator wants run and shown, and whether one fact is a case for it.
//!
//! Every refusal carries its reason, since "why did nothing start?" is what people ask most. It
//! must never know the configuration file, nor what Azure DevOps calls things.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::event::Repository;
use super::pull_request::PullRequest;
use super::run::Targets;

/// What starts a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    PullRequest,
    Push,
    Tag,
    PullRequestClosed,
}

/// What to do about pull requests from forks, whose code nobody here has read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forks {
    Run,
    Approve,
    Ignore,
}

/// One `[[check]]`.
#[derive(Clone, Debug)]
pub struct Check {
    /// Name and genre of the status context.
    pub name: String,
    pub genre: String,
    pub organization: String,
    /// `project/repository`, compared without case, or GUIDs.
    pub repositories: Patterns,
    pub on: Vec<Trigger>,
    pub target_branches: Patterns,
    pub branches: Patterns,
    pub drafts: bool,
    pub forks: Forks,
    /// A pull request needs one of them; none named means any.
    pub labels: Vec<String>,
    pub skip_ci: bool,
    /// Comments on pull requests may command it.
    pub commands: bool,
    /// Merging waits for it.
    pub required: bool,
    pub supersede: bool,
    /// Runs at the CI at the same time.
    pub concurrency: Option<u32>,
    pub timeout: Duration,
    pub targets: Targets,
    /// Which `[ci.…]` runs it.
    pub ci: String,
}

/// Globs, any of which may match. `*` stays within one path segment, `**` does not.
#[derive(Clone)]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
    any_case: bool,
}

impl fmt::Debug for Patterns {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(&self.texts).finish()
    }
}

impl Patterns {
    /// Compared without case, as Azure DevOps compares project and repository names.
    ///
    /// # Errors
    /// The first pattern that is not a glob, and what is wrong with it.
    pub fn of_names(texts: &[String]) -> Result<Self, (usize, String)> {
        Self::build(texts, true)
    }

    /// Compared with case, as git does; `refs/heads/` may be written or left out.
    ///
    /// # Errors
    /// The first pattern that is not a glob, and what is wrong with it.
    pub fn of_branches(texts: &[String]) -> Result<Self, (usize, String)> {
        let short: Vec<String> = texts
            .iter()
            .map(|text| text.strip_prefix("refs/heads/").unwrap_or(text).to_owned())
            .collect();
        Self::build(&short, false)
    }

    fn build(texts: &[String], any_case: bool) -> Result<Self, (usize, String)> {
        let mut set = GlobSetBuilder::new();
        for (at, text) in texts.iter().enumerate() {
            // The case folding of globs knows ASCII only.
            let folded = if any_case { text.to_lowercase() } else { text.clone() };
            let glob = GlobBuilder::new(&folded)
                .literal_separator(true)
                .build()
                .map_err(|error| (at, error.kind().to_string()))?;
            set.add(glob);
        }
        let set = set.build().map_err(|error| (0, error.kind().to_string()))?;
        Ok(Self { texts: texts.to_vec(), set, any_case })
    }

    /// Whether any of them matches.
    pub fn matches(&self, text: &str) -> bool {
        self.set.is_match(self.folded(text).as_ref())
    }

    /// Whether one matches in which the ids are written out: `*/b*` is about names, not about
    /// every repository whose id happens to begin with a `b`.
    fn matches_ids(&self, text: &str, ids: &[&str]) -> bool {
        let written = |text: &str| {
            let text = text.to_ascii_lowercase();
            ids.iter().all(|id| !id.is_empty() && text.contains(&id.to_ascii_lowercase()))
        };
        let found = self.set.matches(self.folded(text).as_ref());
        found.iter().any(|at| self.texts.get(*at).is_some_and(|text| written(text)))
    }

    fn folded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.any_case { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
    }

    /// As written, for people.
    pub fn listed(&self) -> String {
        self.texts.join(", ")
    }

    /// As written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// Why an active pull request is no case for a check.
struct Refusal {
    /// As the end of a sentence.
    why: String,
    /// The check has nothing to do with it; otherwise it may still come to run.
    is_for_good: bool,
}

impl Refusal {
    fn for_good(why: impl Into<String>) -> Result<(), Self> {
        Err(Self { why: why.into(), is_for_good: true })
    }

    fn for_now(why: impl Into<String>) -> Result<(), Self> {
        Err(Self { why: why.into(), is_for_good: false })
    }
}

impl Check {
    /// Whether this check watches a repository, by its GUIDs, its name, or a name that it had
    /// before (`former`, as `project/repository`): a rename must not end a check.
    pub fn watches(&self, organization: &str, repository: &Repository, former: &[String]) -> bool {
        if !self.organization.eq_ignore_ascii_case(organization) {
            return false;
        }
        let Repository { id, name, project_id, project } = repository;
        self.repositories.matches(&format!("{project}/{name}"))
            || self.repositories.matches_ids(&format!("{project_id}/{id}"), &[project_id, id])
            || self.repositories.matches_ids(&format!("{project_id}/{name}"), &[project_id])
            || self.repositories.matches_ids(&format!("{project}/{id}"), &[id])
            || former.iter().any(|name| self.repositories.matches(name))
    }

    /// Whether it is started by `trigger`.
    pub fn is_on(&self, trigger: Trigger) -> bool {
        self.on.contains(&trigger)
    }

    /// Whether a watched, active pull request is a case for it.
    ///
    /// # Errors
    /// Why it is not, as the end of a sentence.
    pub fn admits(&self, pull_request: &PullRequest) -> Result<(), String> {
        self.judge(pull_request).map_err(|refusal| refusal.why)?;
        // Anybody could switch off what merging waits for in a commit message.
        match self.skips(pull_request).filter(|_| !self.required) {
            Some(spelling) => Err(format!("{spelling} is asked for (skip_ci = true)")),
            None => Ok(()),
        }
    }

    /// Why merging an active pull request need not wait for this check, though it is required: as
    /// the end of a sentence. Nothing where it is a case for it, or may become one by itself: a
    /// draft that is published, a fork that is approved, labels that are told later.
    pub fn exempts(&self, pull_request: &PullRequest) -> Option<String> {
        let may_be_published = pull_request.is_draft && !self.drafts;
        let refusal = self.judge(pull_request).err()?;
        (refusal.is_for_good && !may_be_published).then_some(refusal.why)
    }

    /// The spelling in which a pull request asks for no CI, where that would be honoured if the
    /// check were not required.
    pub fn skips(&self, pull_request: &PullRequest) -> Option<&'static str> {
        let mut told = [&pull_request.title].into_iter().chain(pull_request.messages.first());
        let found = told.find_map(|message| skips_ci(message));
        found.filter(|_| self.skip_ci)
    }

    fn judge(&self, pull_request: &PullRequest) -> Result<(), Refusal> {
        let branch = pull_request.target_branch();
        if !self.target_branches.matches(branch) {
            let wanted = self.target_branches.listed();
            return Refusal::for_good(format!("target branch {branch} does not match {wanted}"));
        }
        if pull_request.is_draft && !self.drafts {
            return Refusal::for_now("it is a draft (drafts = false)");
        }
        match self.forks {
            Forks::Ignore if pull_request.is_fork => {
                return Refusal::for_good("it comes from a fork (forks = \"ignore\")");
            }
            Forks::Approve if pull_request.is_fork => {
                let why = "it comes from a fork and waits for approval (forks = \"approve\")";
                return Refusal::for_now(why);
            }
            _ => {}
        }
        let labelled = |label: &String| {
            pull_request.labels.iter().any(|found| found.eq_ignore_ascii_case(label))
        };
        if !self.labels.is_empty() && !self.labels.iter().any(labelled) {
            // Merging must not go on because nobody has looked yet.
            if self.required && !pull_request.labels_told {
                let why = "Azure DevOps has not told its labels yet: catch-up looks for them";
                return Refusal::for_now(why);
            }
            let wanted = self.labels.join(", ");
            return Refusal::for_good(format!("it has none of the labels {wanted}"));
        }
        Ok(())
    }

    /// Whether a push to a branch of a watched repository is a case for it.
    ///
    /// # Errors
    /// Why it is not, as the end of a sentence.
    pub fn admits_branch(&self, branch: &str, messages: &[String]) -> Result<(), String> {
        if !self.branches.matches(branch) {
            let wanted = self.branches.listed();
            return Err(format!("branch {branch} does not match {wanted}"));
        }
        self.admits_messages(messages.iter())
    }

    /// Whether none of the messages asks for no CI.
    ///
    /// # Errors
    /// Which spelling was found.
    pub fn admits_messages<'a>(
        &self,
        mut messages: impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        if !self.skip_ci {
            return Ok(());
        }
        match messages.find_map(|message| skips_ci(message)) {
            Some(spelling) => Err(format!("{spelling} is asked for (skip_ci = true)")),
            None => Ok(()),
        }
    }
}

/// The spellings that Azure Pipelines honours, and GitHub's and GitLab's.
/// Source: Microsoft Learn, "Skipping CI for individual pushes".
const SKIP_CI: [&str; 13] = [
    "[skip ci]",
    "[ci skip]",
    "[no ci]",
    "[skip actions]",
    "[skip azurepipelines]",
    "[azurepipelines skip]",
    "[skip azpipelines]",
    "[azpipelines skip]",
    "[skip azp]",
    "[azp skip]",
    "skip-checks: true",
    "skip-checks:true",
    "***no_ci***",
];

fn skips_ci(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    SKIP_CI.into_iter().find(|spelling| message.contains(spelling))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
