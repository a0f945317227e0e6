//! The kinds of deliveries, how often each comes, and what it looks like. Azure DevOps' own bodies
//! have these keys; it must never know which of them anybody reads.

use super::names::{PEOPLE, Place, SENTENCES, TITLE};
use super::pick;
use super::template::{self, Template};

/// A kind of delivery.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Push,
    /// What became of a pull request.
    PullRequest(&'static Change),
    Comment,
    /// What the button in the portal sends: a published sample, of no subscription.
    Test,
}

/// What is said of a pull request.
#[derive(Debug)]
pub(super) struct Change {
    event_type: &'static str,
    did: &'static str,
    status: &'static str,
    merge_status: &'static str,
}

pub(super) const CREATED: Change = Change {
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
/// An attempt to merge, of which there is one after each push.
const ATTEMPTED: Change =
    Change { event_type: "git.pullrequest.merged", did: "tried to merge", ..PUSHED };
const CONFLICTING: Change = Change { merge_status: "conflicts", ..ATTEMPTED };

/// How a busy project's deliveries divide into kinds, over and over.
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
/// One in so many is a test.
const TEST_EVERY: u64 = 36;

/// A pull request that was opened there.
pub(super) fn opened(variant: u64, place: &Place) -> Template {
    Template::new(&common(&pull_request(variant, &CREATED, &place.head), variant, place))
}

/// One of the mix.
pub(super) fn of_mix(variant: u64) -> Template {
    let place = Place::made_up(variant);
    let kind = match variant % TEST_EVERY {
        0 => Kind::Test,
        _ => pick(&MIX, variant),
    };
    let text = match kind {
        Kind::Test => include_str!("test.json").to_owned(),
        Kind::Push => push(variant),
        Kind::PullRequest(change) => pull_request(variant, change, &place.head),
        Kind::Comment => include_str!("comment.json")
            .replace("@PULL_REQUEST@", &pull_request_resource(variant, &PUSHED, &place.head))
            .replace("@comment@", pick(&SENTENCES, variant)),
    };
    Template::new(&common(&text, variant, &place))
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

fn common(text: &str, variant: u64, place: &Place) -> String {
    let text = text
        .replace("@REPOSITORY@", include_str!("repository.json"))
        .replace("@CONTAINERS@", include_str!("containers.json"))
        .replace("@PERSON@", include_str!("person.json"))
        .replace("@repository_name@", &place.repository.1)
        .replace("@repository@", &place.repository.0)
        .replace("@project@", &place.project.0)
        .replace("Logistics", &place.project.1)
        .replace("dev.azure.com/contoso/", &format!("dev.azure.com/{}/", place.organization));
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
