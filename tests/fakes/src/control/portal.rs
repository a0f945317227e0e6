//! What administrators do in the portal to organizations, projects, repositories, subscriptions,
//! policies and identities.
//!
//! Arguments are names where the methods of the world take GUIDs.

use serde_json::{Value, json};

use super::arguments::{HELP, Reply, repository, text};
use crate::ado::{Permission, SubscriptionStatus, World};

pub(super) fn change(ado: &mut World, path: &[&str], body: &Value) -> Reply {
    match path {
        ["subscriptions"] => subscribe(ado, body),
        ["subscriptions", id, verb] => change_subscription(ado, id, verb),
        ["organizations"] => create_organization(ado, body),
        ["projects", name, verb] => change_project(ado, name, verb, body),
        ["repositories", "create"] => create_repository(ado, body),
        ["repositories", verb] => change_repository(ado, verb, body),
        ["identities", user, "deactivate"] => {
            let id = identity(ado, user)?;
            ado.deactivate(&id);
            Ok(json!({"deactivated": user}))
        }
        ["identities", user, verb] => change_permission(ado, user, verb, body),
        ["policies", id, "delete"] => {
            let known = id.parse().is_ok_and(|id| ado.remove_policy(id));
            if known { Ok(json!({})) } else { Err(format!("there is no policy {id}")) }
        }
        _ => Err(HELP.to_owned()),
    }
}

/// Creates a subscription that does not belong to the gateway.
fn subscribe(ado: &mut World, body: &Value) -> Reply {
    let (id, organization) = project(ado, text(body, "project")?)?;
    let owner = match text(body, "owner") {
        Ok(user) => identity(ado, user)?,
        Err(_) => ado.actor().to_owned(),
    };
    let wanted = json!({
        "publisherId": "tfs",
        "eventType": text(body, "event_type")?,
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "publisherInputs": {"projectId": id},
        "consumerInputs": {
            "url": text(body, "url")?,
            "basicAuthPassword": text(body, "password").unwrap_or_default(),
        },
    });
    let created = ado.try_add_subscription(&organization, &owner, &wanted);
    Ok(json!({"subscription": created.map_err(|refusal| refusal.body_json().to_string())?}))
}

fn change_subscription(ado: &mut World, id: &str, verb: &str) -> Reply {
    if ado.subscription(id).is_none() {
        return Err(format!("there is no subscription {id}"));
    }
    let status = match verb {
        "disable" => SubscriptionStatus::DisabledByUser,
        "enable" => SubscriptionStatus::Enabled,
        "give-up" => SubscriptionStatus::DisabledBySystem,
        "delete" => {
            return Ok(json!({"deleted": ado.remove_subscription(id)}));
        }
        _ => return Err(HELP.to_owned()),
    };
    ado.set_subscription_status(id, status);
    Ok(json!({"status": status.name()}))
}

/// Creates an organization with one project.
fn create_organization(ado: &mut World, body: &Value) -> Reply {
    let (name, project) = (text(body, "name")?, text(body, "project")?);
    if ado.organizations().any(|one| one.name == name) {
        return Err(format!("there is an organization {name}"));
    }
    ado.create_organization(name);
    Ok(json!({"project": ado.create_project(name, project)}))
}

/// Creates a repository with a first commit on its default branch.
fn create_repository(ado: &mut World, body: &Value) -> Reply {
    let path = text(body, "repository")?;
    if ado.find_repository(path).is_some() {
        return Err(format!("there is a repository {path}"));
    }
    let (project, name) = path.split_once('/').ok_or("repository is project/name")?;
    let id = ado.create_repository(&self::project(ado, project)?.0, name);
    let commit = ado.push(&id, "main", "Begin");
    Ok(json!({"repository": id, "commit": commit}))
}

fn change_project(ado: &mut World, name: &str, verb: &str, body: &Value) -> Reply {
    let (id, _) = project(ado, name)?;
    match verb {
        "rename" => ado.rename_project(&id, text(body, "name")?),
        "delete" => ado.delete_project(&id),
        _ => return Err(HELP.to_owned()),
    }
    Ok(json!({"project": id}))
}

fn change_repository(ado: &mut World, verb: &str, body: &Value) -> Reply {
    let id = repository(ado, body)?;
    match verb {
        "rename" => ado.rename_repository(&id, text(body, "name")?),
        "disable" => ado.set_disabled(&id, true),
        "enable" => ado.set_disabled(&id, false),
        "delete" => ado.delete_repository(&id),
        _ => return Err(HELP.to_owned()),
    }
    Ok(json!({"repository": id}))
}

/// Denies a permission everywhere or in one repository, or ends all denials of it.
fn change_permission(ado: &mut World, user: &str, verb: &str, body: &Value) -> Reply {
    let (id, wanted) = (identity(ado, user)?, text(body, "permission")?);
    let found = Permission::ALL.into_iter().find(|one| format!("{one:?}") == wanted);
    let permission = found.ok_or_else(|| format!("permission is one of {:?}", Permission::ALL))?;
    match (verb, body.get("repository")) {
        ("deny", None) => ado.deny(&id, permission, None),
        ("deny", Some(_)) => ado.deny(&id, permission, Some(&repository(ado, body)?)),
        ("allow", _) => ado.allow(&id, permission),
        _ => return Err(HELP.to_owned()),
    }
    Ok(json!({verb: wanted}))
}

/// The GUID and the organization of a project.
fn project(ado: &World, name: &str) -> Result<(String, String), String> {
    let found = ado.find_project(name).map(|one| (one.id.clone(), one.organization.clone()));
    found.ok_or_else(|| format!("there is no project {name}"))
}

/// The GUID of an identity.
fn identity(ado: &World, name: &str) -> Result<String, String> {
    ado.identity_named(name).ok_or_else(|| format!("there is no identity {name}"))
}
