//! Control of Entra and of PATs.
//!
//! No answer has a secret in it.

use serde_json::{Value, json};

use super::arguments::{HELP, Reply, text};
use crate::entra::{Consent, Forgery};
use crate::{ado, entra};

pub(super) fn tenant(entra: &entra::World, path: &[&str]) -> Reply {
    if path == ["token-calls"] {
        let calls = entra.token_calls().iter().rev();
        return Ok(calls.map(|call| json!(format!("{call:?}"))).collect());
    }
    Ok(json!({
        "tenant": entra.tenant(),
        "clients": entra.client_ids().collect::<Vec<_>>(),
        "users": entra.principal_names().collect::<Vec<_>>(),
        "signed_in": entra.signed_in_user(),
        "live_refresh_tokens": entra.live_refresh_tokens().len(),
        "codes_redeemed": entra.granted("authorization_code"),
        "refreshed": entra.granted("refresh_token"),
    }))
}

pub(super) fn change_entra(entra: &mut entra::World, path: &[&str], body: &Value) -> Reply {
    match path {
        ["sign-in"] => {
            let user = known_user(entra, text(body, "user")?)?;
            entra.sign_in(&user);
            Ok(json!({"signed_in": user}))
        }
        ["sign-out"] => {
            entra.sign_out();
            Ok(json!({"signed_in": null}))
        }
        ["revoke"] => {
            let user = known_user(entra, text(body, "user")?)?;
            Ok(json!({"revoked": entra.revoke_refresh_tokens(&user)}))
        }
        ["users"] => {
            let user = text(body, "user")?;
            let object_id = entra.add_user(text(body, "name").unwrap_or(user), user);
            Ok(json!({"object_id": object_id}))
        }
        ["users", user] => change_user(entra, user, body),
        ["token-error"] => {
            let error_number = number(body, "number").ok_or("number is missing")?;
            let status = number_or(body, "status", 400);
            let error = text(body, "error").unwrap_or("invalid_grant");
            let status = u16::try_from(status).map_err(|_| "status is not an HTTP status")?;
            entra.fail_token(error_number, error, status, number(body, "count"));
            Ok(json!({"number": error_number}))
        }
        ["heal"] => {
            entra.clear_token_failure();
            Ok(json!({}))
        }
        ["forge"] => {
            let how = text(body, "how")?;
            let forgery = Forgery::parse(how);
            let forgery = forgery.ok_or_else(|| format!("how is one of {:?}", Forgery::ALL))?;
            entra.forge_next_id_token(forgery);
            Ok(json!({"how": how}))
        }
        _ => Err(HELP.to_owned()),
    }
}

fn change_user(entra: &mut entra::World, user: &str, body: &Value) -> Reply {
    let user = known_user(entra, user)?;
    if let Some(error) = body.get("trouble") {
        let error = error.as_u64().and_then(|number| u32::try_from(number).ok());
        entra.set_account_error(&user, error);
    }
    if let Ok(consent) = text(body, "consent") {
        let consent = match consent {
            "given" => Consent::Given,
            "declined" => Consent::Declined,
            "administrator" => Consent::NeedsAdministrator,
            _ => return Err("consent is given, declined or administrator".to_owned()),
        };
        entra.set_consent(&user, consent);
    }
    Ok(json!({"user": user}))
}

pub(super) fn change_pats(ado: &mut ado::World, path: &[&str], body: &Value) -> Reply {
    match path {
        ["error"] => {
            let error = text(body, "error")?;
            ado.fail_minting(error, number_or(body, "count", 1));
            Ok(json!({"error": error}))
        }
        ["rules"] => {
            let flag = |key: &str| body.get(key).and_then(Value::as_bool);
            let rules = &mut ado.pat_rules;
            rules.has_signed_in = flag("signed_in").unwrap_or(rules.has_signed_in);
            rules.expects_single_use = flag("single_use").unwrap_or(rules.expects_single_use);
            let delay_ms = body.get("delay_ms").and_then(Value::as_i64);
            rules.delay_ms = delay_ms.unwrap_or(rules.delay_ms);
            Ok(json!({}))
        }
        [id, "revoke"] if ado.revoke_pat(id) => Ok(json!({"revoked": id})),
        [id, "revoke"] => Err(format!("there is no PAT {id}")),
        _ => Err(HELP.to_owned()),
    }
}

fn known_user(entra: &entra::World, name: &str) -> Result<String, String> {
    let found = entra.principal_names().find(|one| one.eq_ignore_ascii_case(name));
    found.map(str::to_owned).ok_or_else(|| format!("there is no user {name}"))
}

fn number(body: &Value, key: &str) -> Option<u32> {
    body.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

fn number_or(body: &Value, key: &str, default: u32) -> u32 {
    number(body, key).unwrap_or(default)
}
