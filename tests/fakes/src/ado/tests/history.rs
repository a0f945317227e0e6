//! The notification history: what is in it, and for how long.

use serde_json::{Value, json};

use super::Fixture;
use crate::ado::Answer;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Fixture {
    fn history(&mut self, query: &Value) -> Value {
        let answer = self.send("POST", "hooks/notificationsquery", query);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()
    }

    fn answer_now(&mut self, status: u16) {
        self.answer_due(self.world.now_ms(), Answer::Status(status));
    }
}

#[test]
fn the_history_has_finished_deliveries_and_no_events_lost_on_probation() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    let other = fixture.subscribe("git.push", ("branch", "other"));
    fixture.world.push(&fixture.repository, "main", "Arrives");
    fixture.answer_now(202);
    fixture.world.push(&fixture.repository, "main", "Fails");
    fixture.answer_now(500);
    fixture.world.push(&fixture.repository, "main", "Is lost");
    assert_eq!(fixture.world.lost().len(), 1);
    let answer = fixture.history(&json!({"subscriptionIds": [id], "includeDetails": true}));
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][0]["details"]["requestAttempts"], 1);
    let counts = json!([
        {"result": "pending", "notificationCount": 1},
        {"result": "succeeded", "notificationCount": 1},
    ]);
    assert_eq!(answer["summary"], json!([{"subscriptionId": id, "results": counts}]));
    assert_eq!(answer["associatedSubscriptions"][0]["id"], id);
    let answer = fixture.history(&json!({"subscriptionIds": [id], "resultType": "succeeded"}));
    assert_eq!(answer["results"][0]["id"], 1);
    assert_eq!(answer["results"][0]["details"], Value::Null);
    let answer = fixture.history(&json!({"subscriptionIds": [other]}));
    assert_eq!(answer["results"], json!([]));
}

#[test]
fn the_history_goes_back_seven_days() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Long ago");
    fixture.answer_now(202);
    let count = |fixture: &mut Fixture| {
        let listed = fixture.get(&format!("hooks/subscriptions/{id}/notifications")).body_json();
        let one = fixture.get(&format!("hooks/subscriptions/{id}/notifications/1")).status;
        let found = fixture.history(&json!({"subscriptionIds": [id]}));
        (listed["count"].as_u64().unwrap(), one, found["results"].as_array().unwrap().len())
    };
    let begun_ms = fixture.world.now_ms();
    fixture.world.set_now(begun_ms + 7 * DAY_MS);
    assert_eq!(count(&mut fixture), (1, 200, 1));
    fixture.world.set_now(begun_ms + 7 * DAY_MS + 1);
    assert_eq!(count(&mut fixture), (0, 404, 0));
}
