//! The kinds of deliveries, how often each comes, and what it looks like. The bodies have all keys
//! that Azure DevOps sends, whether the gateway reads them or not.

use super::names::{PEOPLE, Repository, SENTENCES, TITLE};
use super::pick;
use super::template::{self, Template};

/// A kind of delivery.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Push,
    /// A pull request was opened or changed.
    PullRequest(&'static Change),
    Comment,
    /// What the portal's test button sends: a published sample that belongs to no subscription.
    Test,
}

/// What a body says about a pull request.
#[derive(Debug)]
struct Change {
    event_type: &'static str,
    did: &'static str,
    status: &'static str,
    merge_status: &'static str,
}

const CREATED: Change = Change {
    event_type: "git.pullrequest.created",
    did: "created",
    status: "active",
    merge_status: "queued",
};
const PUSHED: Change = Change {
    event_type: "git.pullrequest.updated",
    did: "updated the source branch of",
    status: "active",
    merge_status: "succeeded",
};
const VOTED: Change = Change { did: "approved", ..PUSHED };
const COMPLETED: Change = Change { did: "completed", status: "completed", ..PUSHED };
const ABANDONED: Change = Change { did: "abandoned", status: "abandoned", ..PUSHED };
/// Azure DevOps tries to merge after each push.
const ATTEMPTED: Change =
    Change { event_type: "git.pullrequest.merged", did: "tried to merge", ..PUSHED };
const CONFLICTING: Change = Change { merge_status: "conflicts", ..ATTEMPTED };

/// The kinds of a busy project's deliveries, in repeated order.
const MIX: [Kind; 18] = [
    Kind::Push,
    Kind::PullRequest(&PUSHED),
    Kind::PullRequest(&ATTEMPTED),
    Kind::PullRequest(&CREATED),
    Kind::Comment,
    Kind::Push,
    Kind::PullRequest(&PUSHED),
    Kind::PullRequest(&ATTEMPTED),
    Kind::PullRequest(&VOTED),
    Kind::Push,
    Kind::PullRequest(&PUSHED),
    Kind::PullRequest(&CONFLICTING),
    Kind::Comment,
    Kind::Push,
    Kind::PullRequest(&PUSHED),
    Kind::PullRequest(&COMPLETED),
    Kind::Push,
    Kind::PullRequest(&ABANDONED),
];
/// One delivery in this many is a test.
const TEST_EVERY: u64 = 36;

/// A pull request was opened in this repository.
pub(super) fn opened(variant: u64, repository: &Repository) -> Template {
    let text = pull_request(variant, &CREATED, &repository.head);
    Template::new(&fill_in_repository(&text, variant, repository))
}

/// One of all kinds, about a repository that does not exist.
pub(super) fn mixed(variant: u64) -> Template {
    let repository = Repository::made_up(variant);
    let kind = match variant % TEST_EVERY {
        0 => Kind::Test,
        _ => pick(&MIX, variant),
    };
    let text = match kind {
        Kind::Test => include_str!("test.json").to_owned(),
        Kind::Push => push(variant),
        Kind::PullRequest(change) => pull_request(variant, change, &repository.head),
        Kind::Comment => include_str!("comment.json")
            .replace("@PULL_REQUEST@", &pull_request_resource(variant, &PUSHED, &repository.head))
            .replace("@comment@", pick(&SENTENCES, variant)),
    };
    Template::new(&fill_in_repository(&text, variant, &repository))
}

fn pull_request(variant: u64, change: &Change, base: &str) -> String {
    include_str!("pull_request_event.json")
        .replace("@PULL_REQUEST@", &pull_request_resource(variant, change, base))
        .replace("@event_type@", change.event_type)
        .replace("@did@", change.did)
        .replace("@title@", TITLE)
}

fn pull_request_resource(variant: u64, change: &Change, base: &str) -> String {
    let reviewers: Vec<String> =
        (0..variant % 4).map(|number| person(include_str!("reviewer.json"), number + 1)).collect();
    // A few descriptions are pages long.
    let sentences = if variant % 9 == 7 { 48 } else { variant % 5 };
    let description: Vec<&str> = (0..sentences).map(|number| pick(&SENTENCES, number)).collect();
    let closed = match change.status {
        "active" => "",
        _ => r#""closedDate":"2026-03-02T08:59:58.4470912Z","#,
    };
    include_str!("pull_request.json")
        .replace("@REVIEWERS@", &reviewers.join(","))
        .replace("@CLOSED@", closed)
        .replace("@description@", &description.join(" "))
        .replace("@status@", change.status)
        .replace("@merge_status@", change.merge_status)
        .replace("@base@", base)
        .replace("@title@", TITLE)
        .replace("@branch@", "cached-legs")
}

fn push(variant: u64) -> String {
    let commit = |number: u64| {
        let hash = format!("{:016x}{:016x}0badcafe", template::mix(variant), template::mix(number));
        person(include_str!("commit.json"), number)
            .replace("@hash@", &hash)
            .replace("@comment@", pick(&SENTENCES, variant + number))
    };
    let commits: Vec<String> = (0..1 + variant % 8).map(commit).collect();
    include_str!("push.json").replace("@COMMITS@", &commits.join(","))
}

fn fill_in_repository(text: &str, variant: u64, repository: &Repository) -> String {
    let text = text
        .replace("@REPOSITORY@", include_str!("repository.json"))
        .replace("@CONTAINERS@", include_str!("containers.json"))
        .replace("@PERSON@", include_str!("person.json"))
        .replace("@repository_name@", &repository.name)
        .replace("@repository@", &repository.id)
        .replace("@project@", &repository.project.0)
        .replace("Logistics", &repository.project.1)
        .replace("dev.azure.com/contoso/", &format!("dev.azure.com/{}/", repository.organization));
    // Azure DevOps sends no line breaks.
    let text: String = text.lines().map(str::trim_start).collect();
    person(&text, variant)
}

fn person(text: &str, number: u64) -> String {
    let (name, mail, id, descriptor) = pick(&PEOPLE, number);
    let vote = if number.is_multiple_of(2) { "0" } else { "10" };
    text.replace("@name@", name)
        .replace("@mail@", mail)
        .replace("@person@", id)
        .replace("@descriptor@", descriptor)
        .replace("@vote@", vote)
}
