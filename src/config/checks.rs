//! `[[check]]`: which events start a run, at which CI, and which status shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ci::{Kind, Sample, Template};
use crate::domain::check::{Check, Forks, Patterns, Trigger};
use crate::domain::follow::{Abilities, default_verdict};
use crate::domain::run::{StatusLink, Targets, Verdict};
use crate::domain::summary;

use super::references::{branch_patterns, file_patterns, reference, repository_patterns};
use super::section::Section;
use super::value::{Range, Value};

/// The names that a check may refer to.
pub(super) struct Defined<'d> {
    pub(super) organizations: Vec<&'d str>,
    pub(super) ci: Vec<&'d str>,
    /// What each CI can be asked.
    pub(super) abilities: BTreeMap<&'d str, Abilities>,
    /// How many runs may be at each CI at the same time; of CIs with a limit.
    pub(super) concurrency: BTreeMap<&'d str, u32>,
    /// What each CI is.
    pub(super) kinds: BTreeMap<&'d str, &'d dyn Kind>,
    /// The organizations whose pull requests have a summary.
    pub(super) summaries: Vec<&'d str>,
    /// False where an organization has no readable name: a check may mean that one.
    pub(super) has_all_organizations: bool,
}

impl Defined<'_> {
    fn has_summary(&self, organization: &str) -> bool {
        self.summaries.iter().any(|name| name.eq_ignore_ascii_case(organization))
    }
}

/// The valid checks, and the CI systems that any check names.
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
        let status = status(&mut section, defined, &mut contexts);
        let ci_value = section.required("ci", "\"builder\"");
        let ci = ci_value.and_then(|value| reference(&value, &defined.ci, "[ci.NAME]", true));
        read.ci_used.extend(ci.clone());
        let conditions = conditions(&mut section);
        let on = conditions.as_ref().map_or(&[][..], |it| it.on.as_slice());
        let limits = limits(&mut section, on);
        let commands = section.flag("commands", true);
        let replies = section.flag("replies", false);
        let abilities = ci.as_deref().and_then(|ci| defined.abilities.get(ci)).copied();
        let guard = guard(&mut section, abilities);
        let kind = ci.as_deref().and_then(|ci| defined.kinds.get(ci)).copied();
        let samples = samples(on);
        let inputs = inputs(&mut section, &samples);
        if let (Some(value), Some(ci)) = (&ci_value, &ci) {
            try_templates(value, ci, kind, &samples, &inputs);
        }
        section.finish();
        if let (Some(status), Some(conditions), Some(ci)) = (status, conditions, ci) {
            read.checks.push(Check {
                has_summary: defined.has_summary(&status.organization),
                name: status.name,
                genre: status.genre,
                organization: status.organization,
                targets: status.targets,
                status_link: status.link,
                repositories: conditions.repositories,
                on: conditions.on,
                target_branches: conditions.target_branches,
                branches: conditions.branches,
                paths: conditions.paths,
                paths_ignore: conditions.paths_ignore,
                labels: conditions.labels,
                drafts: conditions.drafts,
                skip_ci: conditions.skip_ci,
                supersede: limits.supersede,
                reuse_results: limits.reuse_results,
                concurrency: limits.concurrency,
                timeout: limits.timeout,
                required: guard.required,
                forks: guard.forks,
                verdict: guard.verdict,
                commands,
                replies,
                inputs,
                is_cancellable: abilities.is_some_and(|can| can.cancels),
                ci_concurrency: defined.concurrency.get(ci.as_str()).copied(),
                pipeline_project: kind.and_then(|kind| kind.pipeline_project()),
                ci,
            });
        }
    }
    read
}

/// Organization, genre and name in lower case, which identify a status context.
type Context = (String, String, String);

/// The status that shows the runs of a check.
struct Status {
    name: String,
    genre: String,
    organization: String,
    targets: Targets,
    link: StatusLink,
}

fn status(
    section: &mut Section<'_>,
    defined: &Defined<'_>,
    contexts: &mut Vec<(Context, usize)>,
) -> Option<Status> {
    let name_value = section.required("name", "\"unit-tests\"");
    let name = name_value.and_then(|value| value.text_of(1, 100));
    let genre = section.value("genre", "\"azdo-gateway\"");
    let genre = genre.map_or(Some("azdo-gateway"), |value| value.text_of(0, 100));
    let organization = section.required("organization", "\"my-devops-org\"");
    let organization = organization.and_then(|value| {
        reference(&value, &defined.organizations, "[[organization]]", defined.has_all_organizations)
    });
    let targets = targets(section.value("statuses", "[\"pull_request\", \"commit\"]"));
    let link = section.value("status_link", "\"ci\"").and_then(|value| value.word(&LINKS));
    let (name, genre, organization) = (name?, genre?, organization?);
    let context = (organization.to_lowercase(), genre.to_lowercase(), name.to_lowercase());
    let line = section.reader.line(section.offset);
    if let Some((_, first)) = contexts.iter().find(|(other, _)| *other == context) {
        let what =
            format!("check {genre}/{name} has the status context of the check in line {first}");
        let offset = name_value.map_or(section.offset, |value| value.offset);
        section.reader.refuse(offset, what, "give one of them another name or genre");
        return None;
    }
    if defined.has_summary(&organization) && summary::is_context(genre, name) {
        let what = format!("check {genre}/{name} has the status context of the summary");
        let offset = name_value.map_or(section.offset, |value| value.offset);
        section.reader.refuse(offset, what, "give it another name or genre");
        return None;
    }
    contexts.push((context, line));
    let (name, genre) = (name.to_owned(), genre.to_owned());
    Some(Status { name, genre, organization, targets, link: link.unwrap_or_default() })
}

const LINKS: [(&str, StatusLink); 2] = [("ci", StatusLink::Ci), ("run", StatusLink::Run)];

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

/// The conditions under which an event starts a run.
struct Conditions {
    repositories: Patterns,
    on: Vec<Trigger>,
    target_branches: Patterns,
    branches: Patterns,
    paths: Patterns,
    paths_ignore: Patterns,
    labels: Vec<String>,
    drafts: bool,
    skip_ci: bool,
}

const TRIGGERS: [(&str, Trigger); 4] = [
    ("pull_request", Trigger::PullRequest),
    ("push", Trigger::Push),
    ("tag", Trigger::Tag),
    ("pull_request_closed", Trigger::PullRequestClosed),
];

fn conditions(section: &mut Section<'_>) -> Option<Conditions> {
    let repositories = section.required("repositories", "[\"PROJECT/*\"]");
    let repositories = repositories.and_then(|value| repository_patterns(&value));
    let on = section.value("on", "[\"pull_request\"]");
    let on = on.map_or(Some(vec![Trigger::PullRequest]), |value| value.words(&TRIGGERS));
    let target_branches = section.value("target_branches", "[\"**\"]");
    let branches = section.value("branches", "[\"**\"]");
    let (target_branches, branches) = (branch_patterns(target_branches), branch_patterns(branches));
    let paths = file_patterns(section.value("paths", "[\"src/**\"]"));
    let paths_ignore = file_patterns(section.value("paths_ignore", "[\"docs/**\"]"));
    let labels = section.value("labels", "[]").and_then(|value| value.texts());
    let labels = labels.unwrap_or_default().into_iter().map(|(_, text)| text.to_owned()).collect();
    let drafts = section.flag("drafts", false);
    let skip_ci = section.flag("skip_ci", true);
    let (repositories, on) = (repositories?, on?);
    let (target_branches, branches) = (target_branches?, branches?);
    let (paths, paths_ignore) = (paths?, paths_ignore?);
    Some(Conditions {
        repositories,
        on,
        target_branches,
        branches,
        paths,
        paths_ignore,
        labels,
        drafts,
        skip_ci,
    })
}

/// What merging waits for, and what code that nobody has reviewed may do about it.
struct Guard {
    required: bool,
    forks: Forks,
    verdict: Verdict,
}

const FORKS: [(&str, Forks); 3] =
    [("run", Forks::Run), ("approve", Forks::Approve), ("ignore", Forks::Ignore)];

const VERDICTS: [(&str, Verdict); 3] =
    [("report", Verdict::Report), ("reporter", Verdict::Reporter), ("poll", Verdict::Poll)];

/// None for the abilities of a CI that is not valid.
fn guard(section: &mut Section<'_>, can: Option<Abilities>) -> Guard {
    let required = section.flag("required", false);
    let given = section.value("forks", "\"approve\"");
    let forks = given.and_then(|value| value.word(&FORKS)).unwrap_or(Forks::Approve);
    let verdict = verdict(section.value("verdict", "\"report\""), can);
    if let Some(value) = given {
        match forks {
            Forks::Ignore if required => value.refuse(
                "forks cannot be \"ignore\" where required is true: a pull request from a fork \
                 could be merged without the check",
                "write forks = \"run\", or forks = \"approve\", which waits for a person",
            ),
            Forks::Run if verdict == Verdict::Report => value.warn(
                "code from a fork can read the token of its run, so that token cannot end the run \
                 unless somebody has approved the code",
                "write verdict = \"reporter\", and have your CI report the end with an API token \
                 of the role reporter",
            ),
            _ => {}
        }
    }
    Guard { required, forks, verdict }
}

fn verdict(value: Option<Value<'_>>, can: Option<Abilities>) -> Verdict {
    let default = default_verdict(can.unwrap_or_default());
    let Some(value) = value else { return default };
    let Some(verdict) = value.word(&VERDICTS) else { return default };
    if verdict == Verdict::Poll && can.is_some_and(|can| !can.polls) {
        value.refuse(
            "verdict cannot be \"poll\": this CI cannot be asked how a run ended",
            "write verdict = \"report\" or verdict = \"reporter\"",
        );
    }
    verdict
}

/// What may start a run of a check.
fn samples(on: &[Trigger]) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    for trigger in on {
        let sample = match trigger {
            Trigger::PullRequest | Trigger::PullRequestClosed => Sample::PullRequest,
            Trigger::Push => Sample::Push,
            Trigger::Tag => Sample::Tag,
        };
        if !samples.contains(&sample) {
            samples.push(sample);
        }
    }
    samples
}

const GUARD: &str = "write a guard, such as {{ pull_request.id if pull_request }}: an empty value \
                     leaves its key out";

/// Refuses a CI whose templates do not render for what starts the check.
fn try_templates(
    ci: &Value<'_>,
    name: &str,
    kind: Option<&dyn Kind>,
    samples: &[Sample],
    inputs: &BTreeMap<String, String>,
) {
    let tried = samples.iter().map(|sample| (sample, sample.try_on(kind, name, inputs)));
    if let Some((sample, Err(why))) = tried.into_iter().find(|(_, tried)| tried.is_err()) {
        let what = format!("[ci.{name}] does not render for a {}: {why}", sample.as_str());
        ci.refuse(what, GUARD);
    }
}

/// `[check.inputs]`: what the CI is given, by name; each is a template. Returns those that render.
fn inputs(section: &mut Section<'_>, samples: &[Sample]) -> BTreeMap<String, String> {
    let mut inputs = BTreeMap::new();
    let Some(table) = section.table("inputs", "check.inputs") else { return inputs };
    for (name, value) in table.any_keys() {
        let Some(text) = value.text() else { continue };
        match Template::parse(text) {
            Ok(_) => {
                let one = BTreeMap::from([(name.to_owned(), text.to_owned())]);
                let tried = samples.iter().map(|it| (it, it.try_on(None, "", &one)));
                match tried.into_iter().find(|(_, tried)| tried.is_err()) {
                    Some((sample, Err(why))) => {
                        value.refuse(format!("for a {}, {why}", sample.as_str()), GUARD);
                    }
                    _ => drop(inputs.insert(name.to_owned(), text.to_owned())),
                }
            }
            Err(why) => value.refuse(
                format!("the input {name} is not a template: {why}"),
                "write text, with placeholders such as {{ commit }}",
            ),
        }
    }
    inputs
}

/// The limits of the runs of a check.
struct Limits {
    supersede: bool,
    reuse_results: bool,
    concurrency: Option<u32>,
    timeout: Duration,
}

fn limits(section: &mut Section<'_>, on: &[Trigger]) -> Limits {
    let supersede = section.flag("supersede", true);
    let given = section.value("reuse_results", "false");
    let reuse_results = given.and_then(|value| value.flag()).unwrap_or(false);
    if let Some(value) = given.filter(|_| reuse_results && on.contains(&Trigger::PullRequestClosed))
    {
        value.refuse(
            "reuse_results cannot be true where on has \"pull_request_closed\": a result from \
             before would stand for the clean-up",
            "write a [[check]] of its own for \"pull_request_closed\"",
        );
    }
    let concurrency = section.value("concurrency", "10").map(|value| value.count());
    let range = Range { least: "1s", greatest: "30d", because: "" };
    let timeout = section.duration("timeout", "2h", range);
    Limits { supersede, reuse_results, concurrency: concurrency.flatten(), timeout }
}
