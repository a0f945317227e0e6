//! Subscriptions: validation and masking, and test notifications.

use serde_json::json;

use super::Scene;
use crate::ado::SubscriptionStatus;

#[test]
fn secrets_come_back_masked_and_are_sent_in_the_clear() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let shown = scene.get(&format!("hooks/subscriptions/{id}")).body_json();
    assert_eq!(shown["consumerInputs"]["basicAuthPassword"], "********");
    assert_eq!(shown["consumerInputs"]["basicAuthUsername"], "azure-devops");
    assert!(shown["publisherInputs"]["tfsSubscriptionId"].is_string());
    scene.world.push(&scene.repository, "main", "Second");
    let now_ms = scene.world.now_ms();
    let outgoing = scene.world.due_deliveries(now_ms).remove(0);
    let basic = "Basic YXp1cmUtZGV2b3BzOnNlY3JldA==".to_owned();
    assert!(outgoing.headers.contains(&("Authorization".to_owned(), basic)));
    assert!(!scene.world.notifications(&id)[0].request.contains("YXp1cmU"));
}

#[test]
fn what_ado_would_refuse_is_refused() {
    let mut scene = Scene::new();
    let good = scene.subscription_body("git.pullrequest.updated");
    for (pointer, value) in [
        ("/eventType", json!("git.pushed")),
        ("/resourceVersion", json!("3.0")),
        ("/publisherInputs/projectId", json!("9c2e0d6b-0000-4000-a000-000000000000")),
        ("/publisherInputs/repository", json!("9c2e0d6b-0000-4000-a000-000000000000")),
        ("/publisherInputs/repository", json!(5)),
        ("/consumerInputs/url", json!("http://gateway.example.com")),
        ("/consumerInputs/url", json!("https://127.0.0.1/hooks")),
        ("/consumerInputs/url", json!("https://10.0.0.1/hooks")),
        ("/consumerInputs/url", json!("https://localhost/hooks")),
        ("/consumerInputs/basicAuthPassword", json!("with space")),
        ("/consumerInputs/resourceDetailsToSend", json!("everything")),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let answer = scene.send("POST", "hooks/subscriptions", &body);
        assert_eq!(answer.status, 400, "{pointer} {value}");
    }
    let mut body = good.clone();
    body["publisherInputs"]["notificationType"] = json!("StatusUpdate");
    assert_eq!(scene.send("POST", "hooks/subscriptions", &body).status, 400);
    assert_eq!(scene.send("POST", "hooks/subscriptions", &good).status, 200);
}

#[test]
fn a_put_enables_and_a_delete_forgets() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    scene.world.change_subscription(&id, |one| one.status = SubscriptionStatus::DisabledBySystem);
    let mut body = scene.subscription_body("git.push");
    body["status"] = json!("enabled");
    let path = format!("hooks/subscriptions/{id}");
    assert_eq!(scene.send("PUT", &path, &body).body_json()["status"], "enabled");
    assert_eq!(scene.send("DELETE", &path, &json!({})).status, 204);
    assert_eq!(scene.get(&path).status, 404);
}

#[test]
fn a_query_finds_by_its_conditions() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", "main"));
    scene.subscribe("git.push", ("branch", "release"));
    let condition = json!({"inputId": "branch", "operator": "equals", "inputValue": "main"});
    let body = json!({
        "publisherId": "tfs",
        "publisherInputFilters": [{"conditions": [condition]}],
    });
    let answer = scene.send("POST", "hooks/subscriptionsquery", &body).body_json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["id"], id);
}

#[test]
fn a_test_notification_belongs_to_nobody_and_disables_nothing() {
    let mut scene = Scene::new();
    let body = json!({"details": scene.subscription_body("git.push")});
    assert_eq!(scene.send("POST", "hooks/testnotifications", &body).status, 200);
    let now_ms = scene.world.now_ms();
    let outgoing = scene.world.due_deliveries(now_ms).remove(0);
    let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!(body["subscriptionId"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(body["id"], "03c164c2-8912-4d5e-8009-3707d5f83734");
    let answer = crate::ado::Answer::Status(500);
    scene.world.delivery_answered(outgoing.token, answer, now_ms);
    assert_eq!(scene.world.deliveries_pending(), 0);
}
