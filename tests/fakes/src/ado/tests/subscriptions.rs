//! Subscriptions: validation, masking, looking them up, what a PUT can do, and test notifications.

use serde_json::json;

use super::Fixture;
use crate::ado::{Answer, SubscriptionStatus, UnfilteredLookup};
use crate::http::Release;

#[test]
fn secrets_are_masked_in_answers_and_delivered_unmasked() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    let shown = fixture.get(&format!("hooks/subscriptions/{id}")).body_json();
    assert_eq!(shown["consumerInputs"]["basicAuthPassword"], "********");
    assert_eq!(shown["consumerInputs"]["basicAuthUsername"], "azure-devops");
    assert!(shown["publisherInputs"]["tfsSubscriptionId"].is_string());
    fixture.world.push(&fixture.repository, "main", "Second");
    let now_ms = fixture.world.now_ms();
    let outgoing = fixture.world.due_deliveries(now_ms).remove(0);
    let basic = "Basic YXp1cmUtZGV2b3BzOnNlY3JldA==".to_owned();
    assert!(outgoing.headers.contains(&("Authorization".to_owned(), basic)));
    assert!(!fixture.world.notifications(&id)[0].request.contains("YXp1cmU"));
}

#[test]
fn an_invalid_subscription_is_refused() {
    let mut fixture = Fixture::new();
    let good = fixture.subscription_body("git.pullrequest.updated");
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
        let answer = fixture.send("POST", "hooks/subscriptions", &body);
        assert_eq!(answer.status, 400, "{pointer} {value}");
    }
    let mut body = good.clone();
    body["publisherInputs"]["notificationType"] = json!("StatusUpdate");
    assert_eq!(fixture.send("POST", "hooks/subscriptions", &body).status, 400);
    assert_eq!(fixture.send("POST", "hooks/subscriptions", &good).status, 200);
}

#[test]
fn a_put_enables_only_what_a_person_disabled_and_a_delete_removes() {
    use SubscriptionStatus::{
        DisabledByInactiveIdentity, DisabledBySystem, DisabledByUser, Enabled, OnProbation,
    };
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
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
        fixture.world.change_subscription(&id, |one| one.status = before);
        let mut body = fixture.subscription_body("git.push");
        body["status"] = json!(asked);
        let answer = fixture.send("PUT", &path, &body).body_json();
        assert_eq!(answer["status"], after, "{before:?}, asked for {asked}");
    }
    assert_eq!(fixture.send("DELETE", &path, &json!({})).status, 204);
    assert_eq!(fixture.get(&path).status, 404);
}

#[test]
fn a_put_with_the_mask_overwrites_the_secret() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    let path = format!("hooks/subscriptions/{id}");
    let shown = fixture.get(&path).body_json();
    assert_eq!(fixture.send("PUT", &path, &shown).status, 200);
    let known = fixture.world.subscription(&id).unwrap();
    assert_eq!(known.consumer_inputs["basicAuthPassword"], "********");
}

#[test]
fn a_look_up_without_an_event_type_is_counted_and_fails_in_a_large_organization() {
    let mut fixture = Fixture::new();
    fixture.subscribe("git.push", ("branch", ""));
    fixture.subscribe("git.push", ("branch", "main"));
    let query = json!({"publisherId": "tfs"});
    assert_eq!(fixture.get("hooks/subscriptions").body_json()["count"], 2);
    fixture.send("POST", "hooks/subscriptionsquery", &query);
    assert_eq!(fixture.world.unfiltered_lookups(), 2);
    fixture.world.options.unfiltered_lookup_limit = 1;
    assert_eq!(fixture.get("hooks/subscriptions").release, Release::Never);
    fixture.world.options.unfiltered_lookup = UnfilteredLookup::ServerError;
    assert_eq!(fixture.send("POST", "hooks/subscriptionsquery", &query).status, 500);
    assert_eq!(fixture.world.unfiltered_lookups(), 4);
    let filtered = fixture.get("hooks/subscriptions?publisherId=tfs&eventType=git.push");
    assert_eq!((filtered.status, filtered.body_json()["count"].as_u64()), (200, Some(2)));
    assert_eq!(fixture.world.unfiltered_lookups(), 4);
}

#[test]
fn a_query_finds_the_subscriptions_that_match_its_conditions() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", "main"));
    fixture.subscribe("git.push", ("branch", "release"));
    let condition = json!({"inputId": "branch", "operator": "equals", "inputValue": "main"});
    let body = json!({
        "publisherId": "tfs",
        "publisherInputFilters": [{"conditions": [condition]}],
    });
    let answer = fixture.send("POST", "hooks/subscriptionsquery", &body).body_json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["id"], id);
}

#[test]
fn an_unsaved_test_notification_has_no_subscription_and_is_not_retried() {
    let mut fixture = Fixture::new();
    let body = json!({"details": fixture.test_details("git.push")});
    assert_eq!(fixture.send("POST", "hooks/testnotifications", &body).status, 200);
    let now_ms = fixture.world.now_ms();
    let outgoing = fixture.world.due_deliveries(now_ms).remove(0);
    let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!(body["subscriptionId"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(body["id"], "03c164c2-8912-4d5e-8009-3707d5f83734");
    let answer = Answer::Status(500);
    fixture.world.delivery_answered(outgoing.token, answer, now_ms);
    assert_eq!(fixture.world.deliveries_pending(), 0);
}

#[test]
fn a_test_of_a_saved_subscription_uses_the_details_of_the_request_and_keeps_the_status() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    let shown = fixture.get(&format!("hooks/subscriptions/{id}")).body_json();
    let mut details = fixture.test_details("git.push");
    details["consumerInputs"] = shown["consumerInputs"].clone();
    for (status, answer) in [
        (SubscriptionStatus::Enabled, Answer::Status(500)),
        (SubscriptionStatus::OnProbation, Answer::Status(202)),
    ] {
        fixture.world.change_subscription(&id, |one| one.status = status);
        let body = json!({"subscriptionId": id, "details": details});
        assert_eq!(fixture.send("POST", "hooks/testnotifications", &body).status, 200);
        let now_ms = fixture.world.now_ms();
        let outgoing = fixture.world.due_deliveries(now_ms).remove(0);
        let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(body["subscriptionId"], id);
        // The masked secret that the caller echoed: azure-devops:********
        let basic = "Basic YXp1cmUtZGV2b3BzOioqKioqKioq".to_owned();
        assert!(outgoing.headers.contains(&("Authorization".to_owned(), basic)));
        fixture.world.delivery_answered(outgoing.token, answer, now_ms);
        assert_eq!(fixture.world.subscription(&id).unwrap().status, status);
    }
}

#[test]
fn a_test_notification_has_the_resource_version_of_its_subscription() {
    const COMMENT: &str = "ms.vss-code.git-pullrequest-comment-event";
    let mut fixture = Fixture::new();
    let saved = fixture.subscribe(COMMENT, ("branch", ""));
    let details = fixture.test_details(COMMENT);
    for (id, version) in [(Some(saved), "1.0"), (None, "2.0")] {
        let body = json!({"subscriptionId": id, "details": details});
        assert_eq!(fixture.send("POST", "hooks/testnotifications", &body).status, 200);
        let now_ms = fixture.world.now_ms();
        let outgoing = fixture.world.due_deliveries(now_ms).remove(0);
        let body: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(body["resourceVersion"], version);
    }
}

#[test]
fn details_of_a_test_notification_that_are_not_in_the_specs_are_refused() {
    let mut fixture = Fixture::new();
    for unknown in ["resourceVersion", "status", "anything"] {
        let mut details = fixture.test_details("git.push");
        details[unknown] = json!("1.0");
        let answer = fixture.send("POST", "hooks/testnotifications", &json!({"details": details}));
        assert_eq!(answer.status, 400, "{unknown}");
    }
    assert_eq!(fixture.world.deliveries_pending(), 0);
}
