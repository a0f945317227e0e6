//! What we send and what we read of subscriptions, against what Azure DevOps documents. It must
//! never be kinder than that.

use super::*;

const PROJECT: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";

fn public_url() -> Url {
    Url::parse("https://gateway.example.com/azdo").unwrap()
}

fn wanted(topic: Topic) -> Desired {
    let hook_scope = HookScope { project_id: PROJECT.into(), topic };
    let url = hook_url(&public_url(), "fabrikam", "pushes-1");
    Desired {
        settings: settings(&hook_scope, &url),
        hook_scope,
        project: "Fabrikam".into(),
        hook: "pushes-1".into(),
        checks: Vec::new(),
    }
}

#[test]
fn an_address_is_ours_whatever_its_spelling() {
    let table = [
        ("https://gateway.example.com/azdo/hooks/azure-devops/fabrikam/x-1", Some("x-1")),
        ("HTTPS://Gateway.Example.COM:443/azdo/hooks/azure-devops/Fabrikam/x-1", Some("x-1")),
        ("http://gateway.example.com/azdo/hooks/azure-devops/fabrikam/x-1", None),
        ("https://gateway.example.com:8443/azdo/hooks/azure-devops/fabrikam/x-1", None),
        ("https://gateway.example.com/hooks/azure-devops/fabrikam/x-1", None),
        ("https://gateway.example.com/azdo/hooks/azure-devops/contoso/x-1", None),
        ("https://gateway.example.com/azdo/hooks/azure-devops/fabrikam/", None),
        ("https://gateway.example.com.evil.example/azdo/hooks/azure-devops/fabrikam/x", None),
        ("not an address", None),
    ];
    for (url, hook) in table {
        assert_eq!(hook_of(&public_url(), "fabrikam", url).as_deref(), hook, "{url}");
    }
}

#[test]
fn the_secret_is_in_the_one_masked_field() {
    let password = Secret::new("hook-password".into());
    let body = body(&wanted(Topic::Pushes), &password);
    assert_eq!(body["consumerInputs"]["basicAuthPassword"], "hook-password");
    assert_eq!(body.to_string().matches("hook-password").count(), 1);
    assert_eq!(body["consumerInputs"]["resourceDetailsToSend"], "all");
    assert_eq!(body["resourceVersion"], "1.0");
    assert_eq!(body["publisherInputs"]["projectId"], PROJECT);
    assert!(body["publisherInputs"].get("url").is_none(), "{body}");
}

#[test]
fn the_details_of_a_test_notification_have_no_version() {
    let (wanted, password) = (wanted(Topic::Pushes), Secret::new("x".into()));
    let mut expected = body(&wanted, &password);
    expected.as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(details(&wanted, &password), expected);
}

#[test]
fn comments_have_a_version_of_their_own() {
    let wanted = wanted(Topic::Comments);
    let body = body(&wanted, &Secret::new("x".into()));
    assert_eq!(body["resourceVersion"], "2.0");
    assert_eq!(body["eventType"], "ms.vss-code.git-pullrequest-comment-event");
}

#[test]
fn what_we_made_is_no_difference_when_it_is_read_back() {
    for topic in Topic::ALL {
        let wanted = wanted(topic);
        let mut answer = body(&wanted, &Secret::new("x".into()));
        answer["id"] = json!("3C1A4C26-AE63-4C37-9BCA-B8D6F2A6A6F1");
        answer["status"] = json!("enabled");
        answer["probationRetries"] = json!(1);
        answer["consumerInputs"]["basicAuthPassword"] = json!("********");
        answer["publisherInputs"]["tfsSubscriptionId"] = json!("whatever");
        // Empty ones may be left out.
        answer["publisherInputs"].as_object_mut().unwrap().remove("branch");
        let found = read(&answer, topic).unwrap();
        assert_eq!(crate::domain::subscription::differences(&wanted, &found), [], "{topic}");
        assert_eq!(found.state, State::Enabled);
        assert_eq!(found.id, "3c1a4c26-ae63-4c37-9bca-b8d6f2a6a6f1");
        assert!(!format!("{found:?}").contains("********"));
    }
}

#[test]
fn others_may_be_of_any_shape() {
    let answer = json!({
        "id": "1", "status": null, "publisherInputs": null,
        "consumerInputs": { "url": 5, "httpHeaders": "Authorization: Bearer others" },
    });
    let found = read(&answer, Topic::Pushes).unwrap();
    assert_eq!((found.state, found.project_id.clone()), (State::Enabled, None));
    assert!(!format!("{found:?}").contains("others"), "their secrets are not kept");
    assert!(read(&json!({ "status": "enabled" }), Topic::Pushes).is_err());
}

#[test]
fn every_state_is_known() {
    let table = [
        ("enabled", State::Enabled),
        ("onProbation", State::OnProbation),
        ("disabledByUser", State::DisabledByUser),
        ("disabledBySystem", State::DisabledBySystem),
        ("disabledByInactiveIdentity", State::DisabledByInactiveIdentity),
        ("disabledByTheMoon", State::Unknown),
    ];
    for (word, expected) in table {
        assert_eq!(state(Some(&json!(word))), expected, "{word}");
    }
}
