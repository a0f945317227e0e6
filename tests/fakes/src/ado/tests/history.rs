//! The notification history: what is in it, for how long, and what is not.

use serde_json::{Value, json};

use super::Scene;
use crate::ado::Answer;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Scene {
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
fn it_tells_how_deliveries_ended_and_nothing_of_what_probation_lost() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let other = scene.subscribe("git.push", ("branch", "other"));
    scene.world.push(&scene.repository, "main", "Arrives");
    scene.answer_now(202);
    scene.world.push(&scene.repository, "main", "Fails");
    scene.answer_now(500);
    scene.world.push(&scene.repository, "main", "Is lost");
    assert_eq!(scene.world.lost().len(), 1);
    let answer = scene.history(&json!({"subscriptionIds": [id], "includeDetails": true}));
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][0]["details"]["requestAttempts"], 1);
    let counts = json!([
        {"result": "pending", "notificationCount": 1},
        {"result": "succeeded", "notificationCount": 1},
    ]);
    assert_eq!(answer["summary"], json!([{"subscriptionId": id, "results": counts}]));
    assert_eq!(answer["associatedSubscriptions"][0]["id"], id);
    let answer = scene.history(&json!({"subscriptionIds": [id], "resultType": "succeeded"}));
    assert_eq!(answer["results"][0]["id"], 1);
    assert_eq!(answer["results"][0]["details"], Value::Null);
    let answer = scene.history(&json!({"subscriptionIds": [other]}));
    assert_eq!(answer["results"], json!([]));
}

#[test]
fn it_goes_back_seven_days() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    scene.world.push(&scene.repository, "main", "Long ago");
    scene.answer_now(202);
    let count = |scene: &mut Scene| {
        let listed = scene.get(&format!("hooks/subscriptions/{id}/notifications")).body_json();
        let one = scene.get(&format!("hooks/subscriptions/{id}/notifications/1")).status;
        let found = scene.history(&json!({"subscriptionIds": [id]}));
        (listed["count"].as_u64().unwrap(), one, found["results"].as_array().unwrap().len())
    };
    let begun_ms = scene.world.now_ms();
    scene.world.set_now(begun_ms + 7 * DAY_MS);
    assert_eq!(count(&mut scene), (1, 200, 1));
    scene.world.set_now(begun_ms + 7 * DAY_MS + 1);
    assert_eq!(count(&mut scene), (0, 404, 0));
}
