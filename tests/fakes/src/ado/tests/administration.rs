//! Identities that leave, and projects and repositories that are renamed, disabled or deleted.

use serde_json::json;

use super::{Fixture, refusal};
use crate::ado::hooks::LossReason;
use crate::ado::{Answer, SubscriptionStatus};

#[test]
fn deactivating_an_identity_disables_its_subscriptions() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    let somebody = fixture.world.create_identity("Somebody", "other@fabrikam.example");
    let body = fixture.subscription_body("git.push");
    let foreign = fixture.world.add_subscription("fabrikam", &somebody, &body);
    fixture.world.push(&fixture.repository, "main", "Waits");
    fixture.world.deactivate(&fixture.service.clone());
    let status = |fixture: &Fixture, id: &str| fixture.world.subscription(id).unwrap().status;
    assert_eq!(status(&fixture, &id), SubscriptionStatus::DisabledByInactiveIdentity);
    assert_eq!(status(&fixture, &foreign), SubscriptionStatus::Enabled);
    assert_eq!(fixture.get("hooks/subscriptions").status, 401);
    fixture.world.push(&fixture.repository, "main", "Is lost");
    let lost: Vec<_> =
        fixture.world.lost().iter().map(|one| (&*one.subscription, one.why)).collect();
    assert_eq!(lost, [(&*id, LossReason::Disabled), (&*id, LossReason::Disabled)]);
    assert_eq!(fixture.world.deliveries_pending(), 2);
}

#[test]
fn a_rename_changes_the_name_and_keeps_the_guid() {
    let mut fixture = Fixture::new();
    let (project, repository) = (fixture.project.clone(), fixture.repository.clone());
    fixture.world.rename_project(&project, "Contoso");
    fixture.world.rename_repository(&repository, "site");
    let by_old_name = fixture.get("git/repositories");
    assert_eq!(refusal(&by_old_name).0, 404);
    let target = format!("/fabrikam/{project}/_apis/git/repositories/{repository}?api-version=7.1");
    let shown = fixture.ask(crate::http::Request::new("GET", &target)).body_json();
    assert_eq!((&shown["name"], &shown["project"]["name"]), (&json!("site"), &json!("Contoso")));
}

#[test]
fn a_disabled_repository_is_listed_and_its_content_is_not_found() {
    let mut fixture = Fixture::new();
    let id = fixture.pull_request();
    fixture.world.set_disabled(&fixture.repository.clone(), true);
    assert_eq!(fixture.get("git/repositories").body_json()["value"][0]["isDisabled"], true);
    assert_eq!(fixture.get("git/repositories/web").status, 200);
    assert_eq!(fixture.get("git/repositories/web/refs").status, 404);
    assert_eq!(fixture.get(&format!("git/pullrequests/{id}")).status, 404);
    assert_eq!(fixture.get("git/pullrequests").body_json()["count"], 0);
    fixture.world.set_disabled(&fixture.repository.clone(), false);
    assert_eq!(fixture.get("git/pullrequests").body_json()["count"], 1);
}

#[test]
fn a_deleted_repository_is_not_found_and_its_subscriptions_get_no_events() {
    let mut fixture = Fixture::new();
    let repository = fixture.repository.clone();
    let id = fixture.subscribe("git.push", ("repository", &repository));
    let everywhere = fixture.subscribe("git.push", ("repository", ""));
    let number = fixture.pull_request();
    fixture.world.delete_repository(&repository);
    assert_eq!(fixture.get("git/repositories").body_json()["count"], 0);
    assert_eq!(fixture.get(&format!("git/pullrequests/{number}")).status, 404);
    assert!(fixture.world.subscription(&id).is_some());
    // What was queued for subscriptions without a filter is still delivered.
    let now_ms = fixture.world.now_ms();
    let due = fixture.world.due_deliveries(now_ms);
    assert!(due.iter().all(|one| one.subscription == everywhere) && !due.is_empty());
    let mut body = fixture.subscription_body("git.push");
    body["publisherInputs"]["repository"] = json!(repository);
    assert_eq!(fixture.send("POST", "hooks/subscriptions", &body).status, 400);
}

#[test]
fn deleting_a_project_deletes_its_subscriptions() {
    let mut fixture = Fixture::new();
    let id = fixture.subscribe("git.push", ("branch", ""));
    fixture.world.push(&fixture.repository, "main", "Under way");
    let now_ms = fixture.world.now_ms();
    let outgoing = fixture.world.due_deliveries(now_ms).remove(0);
    fixture.world.delete_project(&fixture.project.clone());
    fixture.world.delivery_answered(outgoing.token, Answer::Status(500), now_ms);
    assert!(fixture.world.subscription(&id).is_none());
    assert_eq!(fixture.world.deliveries_pending(), 0);
    let at_organization = crate::http::Request::new("GET", "/fabrikam/_apis/projects");
    let at_organization = at_organization.with_header("accept", "application/json;api-version=7.1");
    assert_eq!(fixture.ask(at_organization).body_json()["count"], 0);
    assert_eq!(fixture.get("git/repositories").status, 404);
}
