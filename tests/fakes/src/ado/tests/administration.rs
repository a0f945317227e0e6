//! People who leave, and projects and repositories that are renamed, switched off or deleted.

use serde_json::json;

use super::{Scene, refusal};
use crate::ado::hooks::LostWhy;
use crate::ado::{Answer, SubscriptionStatus};

#[test]
fn who_leaves_takes_the_subscriptions_along() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    let somebody = scene.world.create_identity("Somebody", "other@fabrikam.example");
    let body = scene.subscription_body("git.push");
    let foreign = scene.world.add_subscription("fabrikam", &somebody, &body);
    scene.world.push(&scene.repository, "main", "Waits");
    scene.world.deactivate(&scene.service.clone());
    let status = |scene: &Scene, id: &str| scene.world.subscription(id).unwrap().status;
    assert_eq!(status(&scene, &id), SubscriptionStatus::DisabledByInactiveIdentity);
    assert_eq!(status(&scene, &foreign), SubscriptionStatus::Enabled);
    assert_eq!(scene.get("hooks/subscriptions").status, 401);
    scene.world.push(&scene.repository, "main", "Is lost");
    let lost: Vec<_> = scene.world.lost().iter().map(|one| (&*one.subscription, one.why)).collect();
    assert_eq!(lost, [(&*id, LostWhy::Disabled), (&*id, LostWhy::Disabled)]);
    assert_eq!(scene.world.deliveries_pending(), 2);
}

#[test]
fn a_rename_changes_the_name_and_keeps_the_guid() {
    let mut scene = Scene::new();
    let (project, repository) = (scene.project.clone(), scene.repository.clone());
    scene.world.rename_project(&project, "Contoso");
    scene.world.rename_repository(&repository, "site");
    let by_old_name = scene.get("git/repositories");
    assert_eq!(refusal(&by_old_name).0, 404);
    let target = format!("/fabrikam/{project}/_apis/git/repositories/{repository}?api-version=7.1");
    let shown = scene.ask(crate::http::Request::new("GET", &target)).body_json();
    assert_eq!((&shown["name"], &shown["project"]["name"]), (&json!("site"), &json!("Contoso")));
}

#[test]
fn a_repository_that_is_switched_off_is_shown_and_holds_nothing() {
    let mut scene = Scene::new();
    let id = scene.pull_request();
    scene.world.set_disabled(&scene.repository.clone(), true);
    assert_eq!(scene.get("git/repositories").body_json()["value"][0]["isDisabled"], true);
    assert_eq!(scene.get("git/repositories/web").status, 200);
    assert_eq!(scene.get("git/repositories/web/refs").status, 404);
    assert_eq!(scene.get(&format!("git/pullrequests/{id}")).status, 404);
    assert_eq!(scene.get("git/pullrequests").body_json()["count"], 0);
    scene.world.set_disabled(&scene.repository.clone(), false);
    assert_eq!(scene.get("git/pullrequests").body_json()["count"], 1);
}

#[test]
fn a_deleted_repository_is_gone_and_its_subscriptions_are_silent() {
    let mut scene = Scene::new();
    let repository = scene.repository.clone();
    let id = scene.subscribe("git.push", ("repository", &repository));
    let everywhere = scene.subscribe("git.push", ("repository", ""));
    let number = scene.pull_request();
    scene.world.delete_repository(&repository);
    assert_eq!(scene.get("git/repositories").body_json()["count"], 0);
    assert_eq!(scene.get(&format!("git/pullrequests/{number}")).status, 404);
    assert!(scene.world.subscription(&id).is_some());
    // What was queued for everybody is delivered all the same.
    let now_ms = scene.world.now_ms();
    let due = scene.world.due_deliveries(now_ms);
    assert!(due.iter().all(|one| one.subscription == everywhere) && !due.is_empty());
    let mut body = scene.subscription_body("git.push");
    body["publisherInputs"]["repository"] = json!(repository);
    assert_eq!(scene.send("POST", "hooks/subscriptions", &body).status, 400);
}

#[test]
fn a_deleted_project_takes_its_subscriptions_and_policies_along() {
    let mut scene = Scene::new();
    let id = scene.subscribe("git.push", ("branch", ""));
    scene.world.push(&scene.repository, "main", "Under way");
    let now_ms = scene.world.now_ms();
    let outgoing = scene.world.due_deliveries(now_ms).remove(0);
    scene.world.delete_project(&scene.project.clone());
    scene.world.delivery_answered(outgoing.token, Answer::Status(500), now_ms);
    assert!(scene.world.subscription(&id).is_none());
    assert_eq!(scene.world.deliveries_pending(), 0);
    let at_organization = crate::http::Request::new("GET", "/fabrikam/_apis/projects");
    let at_organization = at_organization.with_header("accept", "application/json;api-version=7.1");
    assert_eq!(scene.ask(at_organization).body_json()["count"], 0);
    assert_eq!(scene.get("git/repositories").status, 404);
}
