//! `[[check]]`: what is run, where, on what, and by which CI.
//!
//! It must never know how a check is decided: it only fills in what the decision reads.

use std::time::Duration;

use crate::domain::check::{Check, Forks, Patterns, Trigger};
use crate::domain::run::Targets;

use super::references::{branch_patterns, path_patterns, reference, repository_patterns};
use super::section::Section;
use super::value::{Range, Value};

/// What a check may refer to.
pub(super) struct Defined<'d> {
    pub(super) organizations: Vec<&'d str>,
    pub(super) ci: Vec<&'d str>,
    /// Every organization has a name: what is not defined is really not there.
    pub(super) is_complete: bool,
}

/// The checks that could be read, and the CI systems that any of them names.
#[derive(Default)]
pub(super) struct Read {
    pub(super) checks: Vec<Check>,
    pub(super) ci_used: Vec<String>,
}

/// Every `[[check]]`.
pub(super) fn read(sections: Vec<Section<'_>>, defined: &Defined<'_>) -> Read {
    let mut read = Read::default();
    let mut contexts: Vec<(Context, usize)> = Vec::new();
    for mut section in sections {
        let shown = shown(&mut section, defined, &mut contexts);
        let ci = section.required("ci", "\"builder\"");
        let ci = ci.and_then(|value| reference(&value, &defined.ci, "[ci.NAME]", true));
        read.ci_used.extend(ci.clone());
        let started = started(&mut section);
        let run = run(&mut section);
        let commands = warn_about_unused(&mut section);
        let required = section.flag("required", false);
        section.finish();
        if let (Some(shown), Some(started), Some(ci)) = (shown, started, ci) {
            read.checks.push(Check { commands, required, ..assemble(shown, started, run, ci) });
        }
    }
    read
}

/// Organization, genre and name, folded: one status context.
type Context = (String, String, String);

struct Shown {
    name: String,
    genre: String,
    organization: String,
    targets: Targets,
}

fn shown(
    section: &mut Section<'_>,
    defined: &Defined<'_>,
    contexts: &mut Vec<(Context, usize)>,
) -> Option<Shown> {
    let name_value = section.required("name", "\"unit-tests\"");
    let name = name_value.and_then(|value| value.text_of(1, 100));
    let genre = section.value("genre", "\"azdo-gateway\"");
    let genre = genre.map_or(Some("azdo-gateway"), |value| value.text_of(0, 100));
    let organization = section.required("organization", "\"my-devops-org\"");
    let organization = organization.and_then(|value| {
        reference(&value, &defined.organizations, "[[organization]]", defined.is_complete)
    });
    let targets = targets(section.value("statuses", "[\"pull_request\", \"commit\"]"));
    let (name, genre, organization) = (name?, genre?, organization?);
    let context = (organization.to_lowercase(), genre.to_lowercase(), name.to_lowercase());
    let line = section.reader.line(section.at);
    if let Some((_, first)) = contexts.iter().find(|(other, _)| *other == context) {
        let what =
            format!("check {genre}/{name} has the status context of the one in line {first}");
        let at = name_value.map_or(section.at, |value| value.at);
        section.reader.refuse(at, what, "give one of them another name or genre");
        return None;
    }
    contexts.push((context, line));
    Some(Shown { name: name.to_owned(), genre: genre.to_owned(), organization, targets })
}

#[derive(Clone, Copy, PartialEq)]
enum Target {
    PullRequest,
    Commit,
}

const TARGETS: [(&str, Target); 2] =
    [("pull_request", Target::PullRequest), ("commit", Target::Commit)];

fn targets(value: Option<Value<'_>>) -> Targets {
    let given = value.and_then(|value| value.words(&TARGETS));
    let has = |target| given.as_ref().is_none_or(|given| given.contains(&target));
    Targets { pull_request: has(Target::PullRequest), commit: has(Target::Commit) }
}

struct Started {
    repositories: Patterns,
    on: Vec<Trigger>,
    target_branches: Patterns,
    branches: Patterns,
    labels: Vec<String>,
    drafts: bool,
    forks: Forks,
    skip_ci: bool,
}

const TRIGGERS: [(&str, Trigger); 4] = [
    ("pull_request", Trigger::PullRequest),
    ("push", Trigger::Push),
    ("tag", Trigger::Tag),
    ("pull_request_closed", Trigger::PullRequestClosed),
];

const FORKS: [(&str, Forks); 3] =
    [("run", Forks::Run), ("approve", Forks::Approve), ("ignore", Forks::Ignore)];

fn started(section: &mut Section<'_>) -> Option<Started> {
    let repositories = section.required("repositories", "[\"PROJECT/*\"]");
    let repositories = repositories.and_then(|value| repository_patterns(&value));
    let on = section.value("on", "[\"pull_request\"]");
    let on = on.map_or(Some(vec![Trigger::PullRequest]), |value| value.words(&TRIGGERS));
    let target_branches = section.value("target_branches", "[\"**\"]");
    let branches = section.value("branches", "[\"**\"]");
    let (target_branches, branches) = (branch_patterns(target_branches), branch_patterns(branches));
    let labels = section.value("labels", "[]").and_then(|value| value.texts());
    let labels = labels.unwrap_or_default().into_iter().map(|(_, text)| text.to_owned()).collect();
    let drafts = section.flag("drafts", false);
    let forks = section.value("forks", "\"approve\"").and_then(|value| value.word(&FORKS));
    let forks = forks.unwrap_or(Forks::Approve);
    let skip_ci = section.flag("skip_ci", true);
    let (repositories, on) = (repositories?, on?);
    let (target_branches, branches) = (target_branches?, branches?);
    Some(Started { repositories, on, target_branches, branches, labels, drafts, forks, skip_ci })
}

struct HowRun {
    supersede: bool,
    concurrency: Option<u32>,
    timeout: Duration,
}

fn run(section: &mut Section<'_>) -> HowRun {
    let supersede = section.flag("supersede", true);
    let concurrency = section.value("concurrency", "10").map(|value| value.count());
    let range = Range { least: "1s", most: "30d", because: "" };
    let timeout = section.duration("timeout", "2h", range);
    HowRun { supersede, concurrency: concurrency.flatten(), timeout }
}

fn assemble(shown: Shown, started: Started, run: HowRun, ci: String) -> Check {
    let Shown { name, genre, organization, targets } = shown;
    let Started { repositories, on, target_branches, branches, .. } = started;
    let Started { labels, drafts, forks, skip_ci, .. } = started;
    let HowRun { supersede, concurrency, timeout } = run;
    Check {
        name,
        genre,
        organization,
        repositories,
        on,
        target_branches,
        branches,
        drafts,
        forks,
        labels,
        skip_ci,
        commands: false,
        required: false,
        supersede,
        concurrency,
        timeout,
        targets,
        ci,
    }
}

/// What is accepted, since other versions do it, and has no effect in this one. Says whether
/// commands are on: their comments are subscribed to.
fn warn_about_unused(section: &mut Section<'_>) -> bool {
    for key in ["paths", "paths_ignore"] {
        if let Some(value) = section.value(key, "[\"src/**\"]") {
            let patterns = path_patterns(&value);
            if patterns.is_some_and(|patterns| !patterns.texts().is_empty()) {
                value.warn_unused("the check runs whatever files change");
            }
        }
    }
    let given = section.value("commands", "true");
    let commands = given.map_or(Some(true), |value| value.flag()).unwrap_or(false);
    if let Some(value) = given.filter(|_| commands) {
        value.warn_unused("comments such as /retest are received and do nothing");
    }
    commands
}
