//! Deliveries: retries, probation, loss, filters, rendering at delivery time.

use serde_json::Value;

use super::Fixture;
use crate::ado::hooks::classification::{Class, class};
use crate::ado::hooks::{LossReason, Progress};
use crate::ado::{Answer, SubscriptionStatus};

impl Fixture {
    fn status_of(&self, id: &str) -> SubscriptionStatus {
        self.world.subscription(id).unwrap().status
    }

    /// Lets every attempt fail until nothing is due any more; returns the waits in seconds.
    fn waits(&mut self, answer: Answer) -> Vec<i64> {
        let mut waits = Vec::new();
        let mut at_ms = self.world.now_ms();
        while let Some(due_ms) = self.world.next_due_ms() {
            assert!(waits.len() < 100, "ADO retries without end");
            waits.push((due_ms - at_ms) / 1_000);
            at_ms = due_ms;
            self.answer_due(at_ms, answer);
        }
        waits
    }

    fn bodies(&mut self) -> Vec<Value> {
        let now_ms = self.world.now_ms();
        let due = self.world.due_deliveries(now_ms);
        due.iter().map(|one| serde_json::from_slice(&one.body).unwrap()).collect()
    }
}

#[test]
fn answers_are_classified_as_documented() {
    let classes = [
        (200, Class::Success),
        (202, Class::Success),
        (204, Class::Success),
        (302, Class::Enduring),
        (401, Class::Enduring),
        (404, Class::Enduring),
        (408, Class::Transient),
        (410, Class::Terminal),
        (429, Class::Enduring),
        (500, Class::Enduring),
        (502, Class::Transient),
        (503, Class::Transient),
        (504, Class::Transient),
    ];
    for (status, expected) in classes {
        assert_eq!(class(Answer::Status(status)), expected, "{status}");
    }
    assert_eq!(class(Answer::Timeout), Class::Enduring);
    assert_eq!(class(Answer::NoConnection), Class::Enduring);
}

#[test]
fn a_transient_failure_is_retried_eight_times_then_seven_more_on_probation() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Second");
    let quick = [0, 1, 2, 4, 8, 16, 32, 60, 60];
    let slow = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 54_000];
    assert_eq!(fixture.waits(Answer::Status(503)), [&quick[..], &slow[..]].concat());
    assert_eq!(fixture.status_of(&id), SubscriptionStatus::DisabledBySystem);
    assert_eq!(fixture.world.subscription(&id).unwrap().probation_retries, 7);
}

#[test]
fn events_during_probation_are_lost_and_success_ends_it() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Fails");
    let now_ms = fixture.world.now_ms();
    assert_eq!(fixture.answer_due(now_ms, Answer::Status(429)), 1);
    assert_eq!(fixture.status_of(&id), SubscriptionStatus::OnProbation);
    fixture.world.push(&fixture.repository, "main", "Is lost");
    assert_eq!(fixture.world.lost().len(), 1);
    assert_eq!(fixture.world.lost()[0].why, LossReason::OnProbation);
    assert_eq!(fixture.answer_due(now_ms + 1_199_999, Answer::Status(202)), 0);
    assert_eq!(fixture.answer_due(now_ms + 1_200_000, Answer::Status(202)), 1);
    assert_eq!(fixture.status_of(&id), SubscriptionStatus::Enabled);
    fixture.world.push(&fixture.repository, "main", "Arrives");
    assert_eq!(fixture.world.deliveries_pending(), 1);
}

#[test]
fn status_410_disables_a_subscription_at_once() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Second");
    fixture.world.push(&fixture.repository, "main", "Third");
    let now_ms = fixture.world.now_ms();
    let first = fixture.world.due_deliveries_at_most(now_ms, 1).remove(0);
    fixture.world.delivery_answered(first.token, Answer::Status(410), now_ms);
    assert_eq!(fixture.status_of(&id), SubscriptionStatus::DisabledBySystem);
    assert_eq!(fixture.world.deliveries_pending(), 0);
    assert_eq!(fixture.world.lost()[0].why, LossReason::Disabled);
}

#[test]
fn a_subscription_loses_events_of_a_repository_that_its_owner_may_not_read() {
    let mut fixture = Fixture::new();
    fixture.subscribe("git.push", ("branch", ""));
    let (service, read) = (fixture.service.clone(), crate::ado::Permission::GenericRead);
    fixture.world.deny(&service, read, Some(&fixture.repository));
    fixture.world.push(&fixture.repository, "main", "Second");
    assert_eq!(fixture.world.lost()[0].why, LossReason::NotPermitted);
}

#[test]
fn filters_decide_which_subscriptions_get_an_event() {
    let mut fixture = Fixture::new();
    let branch = fixture.subscribe("git.push", ("branch", "main"));
    let full_name = fixture.subscribe("git.push", ("branch", "refs/heads/main"));
    let pushes = ("notificationType", "PushNotification");
    let pushes = fixture.subscribe("git.pullrequest.updated", pushes);
    let all = fixture.subscribe("git.pullrequest.updated", ("branch", ""));
    let id = fixture.pull_request();
    fixture.world.push(&fixture.repository, "topic", "More");
    fixture.world.edit_title(id, "Another title");
    fixture.world.push(&fixture.repository, "main", "Second");
    let counts =
        [&branch, &full_name, &pushes, &all].map(|id| fixture.world.notifications(id).len());
    assert_eq!(counts, [1, 0, 1, 2]);
}

#[test]
fn a_resource_is_rendered_when_it_is_delivered() {
    let mut fixture = Fixture::new();
    fixture.subscribe("git.pullrequest.created", ("branch", ""));
    let id = fixture.pull_request();
    let head = fixture.world.push(&fixture.repository, "topic", "More");
    let body = fixture.bodies().remove(0);
    assert_eq!(body["resource"]["pullRequestId"], id);
    assert_eq!(body["resource"]["lastMergeSourceCommit"]["commitId"], head);
}

#[test]
fn a_deleted_branch_has_no_commits_and_no_new_object() {
    let mut fixture = Fixture::new();
    fixture.world.push(&fixture.repository, "topic", "Change");
    fixture.subscribe("git.push", ("branch", ""));
    fixture.world.delete_branch(&fixture.repository, "topic");
    let body = fixture.bodies().remove(0);
    assert_eq!(body["resource"].get("commits"), None);
    assert_eq!(body["resource"]["refUpdates"][0]["newObjectId"], "0".repeat(40));
}

#[test]
fn an_event_has_one_id_and_each_subscription_numbers_its_notifications() {
    let mut fixture = Fixture::new();
    fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Second");
    fixture.bodies();
    fixture.subscribe("git.push", ("branch", "main"));
    fixture.world.push(&fixture.repository, "main", "Third");
    let bodies = fixture.bodies();
    assert_eq!(bodies[0]["id"], bodies[1]["id"]);
    assert_eq!([&bodies[0]["notificationId"], &bodies[1]["notificationId"]], [2, 1]);
}

#[test]
fn editing_and_deleting_a_comment_are_events() {
    let mut fixture = Fixture::new();
    fixture.subscribe("ms.vss-code.git-pullrequest-comment-event", ("branch", ""));
    let id = fixture.pull_request();
    let (thread, _) = fixture.world.comment(id, "First");
    fixture.world.set_now(fixture.world.now_ms() + 1_000);
    fixture.world.edit_comment(id, thread, "Second");
    let edited = fixture.bodies().remove(1);
    let comment = &edited["resource"]["comment"];
    assert_eq!(comment["content"], "Second");
    assert_ne!(comment["lastUpdatedDate"], comment["publishedDate"]);
    fixture.world.delete_comment(id, thread);
    let deleted = fixture.bodies().remove(0);
    assert_eq!(deleted["resource"]["comment"]["isDeleted"], true);
}

#[test]
fn version_two_of_a_push_has_no_resource() {
    let mut fixture = Fixture::new();
    let mut body = fixture.subscription_body("git.push");
    body["resourceVersion"] = "2.0".into();
    fixture.send("POST", "hooks/subscriptions", &body);
    fixture.world.push(&fixture.repository, "main", "Second");
    let body = fixture.bodies().remove(0);
    assert!(body["resource"].is_null() && body["resourceVersion"].is_null());
    assert!(body["message"]["text"].is_string());
}

#[test]
fn deliveries_are_duplicated_when_the_options_say_so() {
    let mut fixture = Fixture::new();
    fixture.world.options.duplicate_percent = 100;
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Second");
    let now_ms = fixture.world.now_ms();
    assert_eq!(fixture.answer_due(now_ms, Answer::Status(202)), 1);
    fixture.world.options.duplicate_percent = 0;
    assert_eq!(fixture.answer_due(now_ms, Answer::Status(202)), 1);
    assert_eq!(fixture.world.notifications(&id)[0].attempts.len(), 2);
    assert_eq!(fixture.world.notifications(&id)[0].progress, Progress::Succeeded);
}
