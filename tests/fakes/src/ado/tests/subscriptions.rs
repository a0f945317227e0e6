//! Subscriptions: validation, masking, looking them up, what a PUT can do, and test notifications.

use serde_json::json;

use super::Scene;
use crate::ado::{Answer, SubscriptionStatus, Unfiltered};
use crate::http::Release;

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
fn a_put_undoes_only_what_a_person_did_and_a_delete_forgets() {
    use SubscriptionStatus::{
        DisabledByInactiveIdentity, DisabledBySystem, DisabledByUser, Enabled, OnProbation,
    };
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let path = format!("hooks/subscriptions/{id}");
    for (before, asked, after) in [
        (DisabledByUser, "enabled", "enabled"),
        (DisabledBySystem, "enabled", "disabledBySystem"),
        (DisabledBySystem, "disabledByUser", "disabledBySystem"),
        (DisabledByInactiveIdentity, "enabled", "disabledByInactiveIdentity"),
        (OnProbation, "enabled", "onProbation"),
        (Enabled, "disabledByUser", "disabledByUser"),
        (Enabled, "disabledBySystem", "enabled"),
    ] {
        scene.world.change_subscription(&id, |one| one.status = before);
        let mut body = scene.subscription_body("git.push");
        body["status"] = json!(asked);
        let answer = scene.send("PUT", &path, &body).body_json();
        assert_eq!(answer["status"], after, "{before:?}, asked for {asked}");
    }
    assert_eq!(scene.send("DELETE", &path, &json!({})).status, 204);
    assert_eq!(scene.get(&path).status, 404);
}

#[test]
fn a_put_that_echoes_the_mask_loses_the_secret() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let path = format!("hooks/subscriptions/{id}");
    let shown = scene.get(&path).body_json();
    assert_eq!(scene.send("PUT", &path, &shown).status, 200);
    let known = scene.world.subscription(&id).unwrap();
    assert_eq!(known.consumer_inputs["basicAuthPassword"], "********");
}

#[test]
fn a_look_up_without_an_event_type_is_counted_and_fails_where_there_is_much() {
    let mut scene = Scene::new();
    scene.subscribe("git.push", ("branch", ""));
    scene.subscribe("git.push", ("branch", "main"));
    let query = json!({"publisherId": "tfs"});
    assert_eq!(scene.get("hooks/subscriptions").body_json()["count"], 2);
    scene.send("POST", "hooks/subscriptionsquery", &query);
    assert_eq!(scene.world.unfiltered_lists(), 2);
    scene.world.options.unfiltered_list_limit = 1;
    assert_eq!(scene.get("hooks/subscriptions").release, Release::Never);
    scene.world.options.unfiltered_lists = Unfiltered::Error;
    assert_eq!(scene.send("POST", "hooks/subscriptionsquery", &query).status, 500);
    assert_eq!(scene.world.unfiltered_lists(), 4);
    let filtered = scene.get("hooks/subscriptions?publisherId=tfs&eventType=git.push");
    assert_eq!((filtered.status, filtered.body_json()["count"].as_u64()), (200, Some(2)));
    assert_eq!(scene.world.unfiltered_lists(), 4);
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
    let answer = Answer::Status(500);
    scene.world.delivery_answered(outgoing.token, answer, now_ms);
    assert_eq!(scene.world.deliveries_pending(), 0);
}

#[test]
fn a_test_of_a_saved_subscription_goes_where_the_caller_says_and_changes_nothing() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let shown = scene.get(&format!("hooks/subscriptions/{id}")).body_json();
    for (status, answer) in [
        (SubscriptionStatus::Enabled, Answer::Status(500)),
        (SubscriptionStatus::OnProbation, Answer::Status(202)),
    ] {
        scene.world.change_subscription(&id, |one| one.status = status);
        let body = json!({"subscriptionId": id, "details": shown});
        assert_eq!(scene.send("POST", "hooks/testnotifications", &body).status, 200);
        let now_ms = scene.world.now_ms();
        let outgoing = scene.world.due_deliveries(now_ms).remove(0);
        let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(body["subscriptionId"], id);
        // The masked secret that the caller echoed: azure-devops:********
        let basic = "Basic YXp1cmUtZGV2b3BzOioqKioqKioq".to_owned();
        assert!(outgoing.headers.contains(&("Authorization".to_owned(), basic)));
        scene.world.delivery_answered(outgoing.token, answer, now_ms);
        assert_eq!(scene.world.subscription(&id).unwrap().status, status);
    }
}

#[test]
fn a_test_has_the_resource_version_that_is_asked_for() {
    let mut scene = Scene::new();
    let mut details = scene.subscription_body("ms.vss-code.git-pullrequest-comment-event");
    details["resourceVersion"] = json!("2.0");
    scene.send("POST", "hooks/testnotifications", &json!({"details": details}));
    let now_ms = scene.world.now_ms();
    let outgoing = scene.world.due_deliveries(now_ms).remove(0);
    let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!(body["resourceVersion"], "2.0");
}
