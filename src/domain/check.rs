//! A check as the operator configured it, and whether a pull request or push matches it.
//!
//! Every mismatch has a reason, since "why did nothing start?" is the question that people ask
//! most.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::event::Repository;
use super::pipeline_project::PipelineProject;
use super::pull_request::PullRequest;
use super::run::{StatusLink, Targets, Verdict};

/// The kind of event that starts a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    PullRequest,
    Push,
    Tag,
    PullRequestClosed,
}

/// What to do about pull requests from forks, whose code was not reviewed yet.
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
    /// Runs only where one of these files changes; an empty list means any file.
    pub paths: Patterns,
    /// Files that do not count.
    pub paths_ignore: Patterns,
    pub drafts: bool,
    pub forks: Forks,
    /// A pull request needs one of these labels; an empty list means any pull request.
    pub labels: Vec<String>,
    pub skip_ci: bool,
    /// Commands in comments of a pull request are obeyed.
    pub commands: bool,
    /// They are also answered by a comment.
    pub replies: bool,
    /// Whether the pull requests of its organization have a summary.
    pub has_summary: bool,
    /// Merging waits for it: a blocking status policy is kept.
    pub required: bool,
    pub supersede: bool,
    /// A result for a commit and a target branch is shown again instead of another run.
    pub reuse_results: bool,
    /// Runs at the CI at the same time, at most.
    pub concurrency: Option<u32>,
    pub timeout: Duration,
    pub targets: Targets,
    pub status_link: StatusLink,
    /// Who may end its runs by a report.
    pub verdict: Verdict,
    /// Name of the `[ci.…]` section that runs it.
    pub ci: String,
    /// The templates of what the CI is given, by name.
    pub inputs: BTreeMap<String, String>,
    /// The CI can be told to cancel its runs.
    pub is_cancellable: bool,
    /// Runs at that CI at the same time, at most, over all checks and organizations.
    pub ci_concurrency: Option<u32>,
    /// Where its builds are; none where its CI is not Azure Pipelines.
    pub pipeline_project: Option<PipelineProject>,
}

/// Globs, any of which may match. `*` stays within one path segment, `**` does not.
#[derive(Clone, Default)]
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

    /// Compared with case; a leading `/` may be written or left out.
    ///
    /// # Errors
    /// The first pattern that is not a glob, and what is wrong with it.
    pub fn of_paths(texts: &[String]) -> Result<Self, (usize, String)> {
        let stripped = texts.iter().map(|text| text.strip_prefix('/').unwrap_or(text).to_owned());
        Self::build(&stripped.collect::<Vec<_>>(), false)
    }

    fn build(texts: &[String], any_case: bool) -> Result<Self, (usize, String)> {
        let mut set = GlobSetBuilder::new();
        for (at, text) in texts.iter().enumerate() {
            // globset ignores case for ASCII letters only.
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

    /// Whether any pattern matches.
    pub fn matches(&self, text: &str) -> bool {
        self.set.is_match(self.folded(text).as_ref())
    }

    /// Whether a pattern matches that contains the ids literally. So `*/b*` matches names only, and
    /// not every repository whose id begins with a `b`.
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

    /// The patterns as configured, separated by commas.
    pub fn listed(&self) -> String {
        self.texts.join(", ")
    }

    /// The patterns as configured.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// Why a check does not run on a pull request or a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of the configuration that it does not match, if it is one.
    pub key: Option<&'static str>,
    /// A clause, without capital letter and full stop, such as `it is a draft (drafts = false)`.
    pub why: String,
    /// Nothing but a change of the pull request by a person makes it match; otherwise it may match
    /// later.
    pub is_permanent: bool,
}

impl Mismatch {
    /// That of a key of the configuration.
    pub fn of(key: &'static str, why: impl Into<String>) -> Self {
        Self { key: Some(key), why: why.into(), is_permanent: false }
    }

    /// That of no key.
    pub fn other(why: impl Into<String>) -> Self {
        Self { key: None, why: why.into(), is_permanent: false }
    }

    fn permanent(self) -> Self {
        Self { is_permanent: true, ..self }
    }
}

impl Check {
    /// Whether this check watches a repository: by its GUIDs, its name, or a former name
    /// (`project/repository`), so that a rename does not end the check.
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

    /// Whether commands in comments on pull requests are about it.
    pub fn obeys_commands(&self) -> bool {
        let is_on = |trigger| self.is_on(trigger);
        self.commands && (is_on(Trigger::PullRequest) || is_on(Trigger::PullRequestClosed))
    }

    /// Whether it matters which files change.
    pub fn has_path_rules(&self) -> bool {
        !self.paths.texts().is_empty() || !self.paths_ignore.texts().is_empty()
    }

    /// Whether `trigger` starts it.
    pub fn is_on(&self, trigger: Trigger) -> bool {
        self.on.contains(&trigger)
    }

    /// Whether a watched, active pull request matches.
    ///
    /// # Errors
    /// Why it does not match.
    pub fn admits(&self, pull_request: &PullRequest) -> Result<(), Mismatch> {
        self.match_pull_request(pull_request)?;
        // A required check ignores `[skip ci]`: otherwise a commit message could open the merge.
        match self.skips(pull_request).filter(|_| !self.required) {
            Some(spelling) => Err(contains(spelling)),
            None => Ok(()),
        }
    }

    /// Why merging an active pull request need not wait for this check, though it is required: a
    /// clause. None where the pull request matches, or may match later: a draft may be published, a
    /// fork approved, labels may become known.
    pub fn exempts(&self, pull_request: &PullRequest) -> Option<String> {
        let may_be_published = pull_request.is_draft && !self.drafts;
        let mismatch = self.match_pull_request(pull_request).err()?;
        (mismatch.is_permanent && !may_be_published).then_some(mismatch.why)
    }

    /// Whether the check waits for a command that approves the head of a pull request from a fork.
    pub fn awaits_approval(&self, pull_request: &PullRequest) -> bool {
        self.commands && self.forks == Forks::Approve && !pull_request.is_trusted()
    }

    fn waits_for_approval(&self) -> &'static str {
        if self.commands {
            "it comes from a fork and waits for approval: somebody who may contribute comments \
             /ok-to-test (forks = \"approve\")"
        } else {
            "it comes from a fork and waits for approval, which commands = false rules out \
             (forks = \"approve\")"
        }
    }

    /// Who may end a run for this pull request. Code from a fork that nobody has approved can read
    /// the token of its run, so that token ends nothing.
    pub fn verdict_on(&self, pull_request: &PullRequest) -> Verdict {
        match self.verdict {
            Verdict::Report if !pull_request.is_trusted() => Verdict::Reporter,
            verdict => verdict,
        }
    }

    /// The spelling of `[skip ci]` in the title or the newest commit message, if the check honours
    /// `skip_ci`.
    pub fn skips(&self, pull_request: &PullRequest) -> Option<&'static str> {
        let mut texts = [&pull_request.title].into_iter().chain(pull_request.messages.first());
        let found = texts.find_map(|message| skips_ci(message));
        found.filter(|_| self.skip_ci)
    }

    fn match_pull_request(&self, pull_request: &PullRequest) -> Result<(), Mismatch> {
        let branch = pull_request.target_branch();
        if !self.target_branches.matches(branch) {
            let wanted = self.target_branches.listed();
            let why = format!("target branch {branch} does not match target_branches [{wanted}]");
            return Err(Mismatch::of("target_branches", why).permanent());
        }
        if pull_request.is_draft && !self.drafts {
            return Err(Mismatch::of("drafts", "it is a draft (drafts = false)"));
        }
        match self.forks {
            // Never permanent: otherwise a pull request from a fork could be merged unchecked.
            Forks::Ignore if pull_request.is_fork => {
                return Err(Mismatch::of("forks", "it comes from a fork (forks = \"ignore\")"));
            }
            Forks::Approve if !pull_request.is_trusted() => {
                return Err(Mismatch::of("forks", self.waits_for_approval()));
            }
            _ => {}
        }
        let labelled = |label: &String| {
            pull_request.labels.iter().any(|found| found.eq_ignore_ascii_case(label))
        };
        if !self.labels.is_empty() && !self.labels.iter().any(labelled) {
            // Unknown labels must not open the merge.
            if self.required && !pull_request.labels_known {
                let why = "its labels are not known yet: catch-up reads them";
                return Err(Mismatch::of("labels", why));
            }
            let why = format!("it has none of the labels [{}]", self.labels.join(", "));
            return Err(Mismatch::of("labels", why).permanent());
        }
        Ok(())
    }

    /// Whether a push to a branch of a watched repository matches.
    ///
    /// # Errors
    /// Why it does not match.
    pub fn admits_branch(&self, branch: &str, messages: &[String]) -> Result<(), Mismatch> {
        if !self.branches.matches(branch) {
            let wanted = self.branches.listed();
            let why = format!("branch {branch} does not match branches [{wanted}]");
            return Err(Mismatch::of("branches", why));
        }
        self.admits_messages(messages.iter())
    }

    /// Whether no commit message contains `[skip ci]`, or the check does not honour it.
    ///
    /// # Errors
    /// The spelling that was found.
    pub fn admits_messages<'a>(
        &self,
        mut messages: impl Iterator<Item = &'a String>,
    ) -> Result<(), Mismatch> {
        if !self.skip_ci {
            return Ok(());
        }
        match messages.find_map(|message| skips_ci(message)) {
            Some(spelling) => Err(contains(spelling)),
            None => Ok(()),
        }
    }
}

/// The checks that run in pipelines of an organization, each with the project of its pipeline.
pub fn in_pipelines<'c>(
    checks: &'c [Check],
    organization: &str,
) -> impl Iterator<Item = (&'c Check, &'c PipelineProject)> {
    let in_pipelines =
        checks.iter().filter_map(|check| Some((check, check.pipeline_project.as_ref()?)));
    in_pipelines.filter(move |(_, project)| project.is_in(organization))
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

fn contains(spelling: &str) -> Mismatch {
    Mismatch::of("skip_ci", format!("its text contains {spelling} (skip_ci = true)"))
}

fn skips_ci(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    SKIP_CI.into_iter().find(|spelling| message.contains(spelling))
}

#[cfg(test)]
#[path = "check_tests.rs"]
pub(in crate::domain) mod tests;
