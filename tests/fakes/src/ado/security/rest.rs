//! Permissions over REST: evaluate them, change them, and find identities
//! (docs/azure-devops.md §7).
//!
//! Evaluating needs no scope, changing needs `vso.security_manage`.

use serde_json::{Value, json};

use crate::ado::rest::refusal::{bad_request, forbidden, not_found};
use crate::ado::rest::render::{list, put, subject_descriptor};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::identity::Identity;
use crate::ado::security::permission::{Permission, is_namespace};
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// `GET _apis/permissions/{namespace}/{bits}?tokens=`: whether the caller has these bits for
    /// each token.
    pub(crate) fn permissions(&self, call: &Call<'_>, namespace: &str, bits: &str) -> Reply {
        known_namespace(namespace)?;
        let bits = bits.parse().map_err(|_| bad_request("The permissions must be a number."))?;
        let tokens = call.request.query("tokens").unwrap_or_default();
        let delimiter = call.request.query("delimiter").unwrap_or(",");
        let answers: Vec<_> = tokens
            .split(delimiter)
            .map(|token| self.caller_has(call, namespace, bits, token))
            .collect();
        Ok(Response::json(200, &json!({"count": answers.len(), "value": answers})))
    }

    /// `POST _apis/security/permissionevaluationbatch`: the same for several at once.
    pub(crate) fn permission_batch(&self, call: &Call<'_>) -> Reply {
        let mut body = call.json()?;
        let evaluations = body.get_mut("evaluations").and_then(Value::as_array_mut);
        let evaluations = evaluations.ok_or_else(|| bad_request("evaluations is missing."))?;
        for one in evaluations {
            let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
            let bits = one.get("permissions").and_then(Value::as_u64);
            let bits = bits.and_then(|bits| u32::try_from(bits).ok());
            let bits = bits.ok_or_else(|| bad_request("permissions must be a number."))?;
            let namespace = text("securityNamespaceId").to_ascii_lowercase();
            known_namespace(&namespace)?;
            let has = self.caller_has(call, &namespace, bits, text("token"));
            put(one, "value", json!(has));
        }
        Ok(Response::json(200, &body))
    }

    fn caller_has(&self, call: &Call<'_>, namespace: &str, bits: u32, token: &str) -> bool {
        self.has_bits(&call.organization, &call.caller.identity, namespace, bits, token)
    }

    /// `POST _apis/accesscontrolentries/{namespace}`: grants and denies bits to identities, which
    /// are named by their descriptors.
    pub(crate) fn change_entries(&mut self, call: &Call<'_>, namespace: &str) -> Reply {
        call.needs(&[Scope::SecurityManage])?;
        known_namespace(namespace)?;
        let body = call.json()?;
        let token = body.get("token").and_then(Value::as_str).unwrap_or_default();
        let resource = self.resource_of_token(&call.organization, namespace, token);
        let resource =
            resource.ok_or_else(|| bad_request("The security token does not name a resource."))?;
        if !self.may_at(&call.caller.identity, Permission::ManagePermissions, &resource) {
            return Err(forbidden("Access denied: ManagePermissions is needed."));
        }
        let merge = body.get("merge").and_then(Value::as_bool).unwrap_or(false);
        let entries = body.get("accessControlEntries").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| bad_request("accessControlEntries is missing."))?;
        let mut values = Vec::new();
        for entry in entries {
            let descriptor = entry.get("descriptor").and_then(Value::as_str).unwrap_or_default();
            let identity = self.identity_described(descriptor)?.id.clone();
            let bits = |key: &str| {
                let number = entry.get(key).and_then(Value::as_u64).unwrap_or(0);
                u32::try_from(number).map_err(|_| bad_request("allow and deny must be bits."))
            };
            let (allow, deny) = (bits("allow")?, bits("deny")?);
            for permission in Permission::ALL {
                let (of, bit) = permission.bit();
                if of == namespace && allow & bit != 0 {
                    self.grant_at(&identity, permission, resource.clone());
                }
                if of == namespace && deny & bit != 0 {
                    self.deny_at(&identity, permission, resource.clone());
                }
            }
            let before = if merge { self.bits_at(&identity, namespace, &resource) } else { 0 };
            values.push(json!({
                "descriptor": descriptor,
                "allow": (before | allow) & !deny,
                "deny": deny,
                "extendedInfo": {},
            }));
        }
        Ok(Response::json(200, &list(values)))
    }

    /// `GET _apis/accesscontrollists/{namespace}`: what identities may do under a token, their
    /// groups and what is inherited included. Numbers that are zero are left out.
    pub(crate) fn access_control_lists(&self, call: &Call<'_>, namespace: &str) -> Reply {
        call.needs(&[])?;
        known_namespace(namespace)?;
        let given = |name: &str| call.request.query(name).unwrap_or_default();
        let resource = self.resource_of_token(&call.organization, namespace, given("token"));
        let Some(resource) = resource else { return Ok(Response::json(200, &list(Vec::new()))) };
        let has_more = given("includeExtendedInfo").eq_ignore_ascii_case("true");
        let mut entries = serde_json::Map::new();
        for descriptor in given("descriptors").split(',').filter(|one| !one.is_empty()) {
            let identity = self.identity_described(descriptor)?.id.clone();
            let allowed = self.bits_at(&identity, namespace, &resource);
            let mut entry = json!({"descriptor": descriptor, "allow": 0, "deny": 0});
            let mut extended = json!({});
            if allowed != 0 {
                put(&mut extended, "effectiveAllow", json!(allowed));
            }
            put(&mut entry, "extendedInfo", if has_more { extended } else { json!({}) });
            entries.insert(descriptor.to_owned(), entry);
        }
        let found = json!({
            "inheritPermissions": true,
            "token": given("token"),
            "acesDictionary": entries,
            "includeExtendedInfo": has_more,
        });
        Ok(Response::json(200, &list(vec![found])))
    }

    /// `GET _apis/identities`, which ADO serves on the host of the PAT API.
    pub(crate) fn find_identities(&self, call: &Call<'_>) -> Reply {
        call.needs(&[Scope::Identity])?;
        let given = |name: &str| call.request.query(name);
        let found: Vec<_> = if let Some(wanted) = given("descriptors") {
            self.identities.values().filter(|one| self.descriptor(one) == wanted).collect()
        } else if let Some(wanted) = given("identityIds") {
            self.identities.values().filter(|one| one.id.eq_ignore_ascii_case(wanted)).collect()
        } else if let Some(wanted) = given("subjectDescriptors") {
            self.identities.values().filter(|one| subject_descriptor(one) == wanted).collect()
        } else {
            let wanted = given("filterValue").unwrap_or_default().to_lowercase();
            if wanted.is_empty() || !is_search(given("searchFilter").unwrap_or_default()) {
                return Err(bad_request("searchFilter and filterValue are needed."));
            }
            let fits = |one: &&Identity| {
                one.unique_name.to_lowercase() == wanted
                    || one.display_name.to_lowercase().starts_with(&wanted)
            };
            self.identities.values().filter(fits).collect()
        };
        let values = found.into_iter().map(|one| self.described_identity(one)).collect();
        Ok(Response::json(200, &list(values)))
    }

    fn described_identity(&self, identity: &Identity) -> Value {
        let text = |value: &str| json!({"$type": "System.String", "$value": value});
        json!({
            "id": identity.id,
            "descriptor": self.descriptor(identity),
            "subjectDescriptor": subject_descriptor(identity),
            "providerDisplayName": identity.display_name,
            "isActive": true,
            "isContainer": identity.is_group,
            "members": [],
            "memberOf": [],
            "memberIds": [],
            "resourceVersion": 2,
            "metaTypeId": 0,
            "properties": {
                "Account": text(&identity.unique_name),
                "Mail": text(&identity.unique_name),
            },
        })
    }

    fn identity_described(&self, descriptor: &str) -> Result<&Identity, Response> {
        let mut all = self.identities.values();
        let found = all.find(|one| self.descriptor(one).eq_ignore_ascii_case(descriptor));
        found.ok_or_else(|| {
            let text = format!("TF50605: There is no identity {descriptor}.");
            not_found("IdentityNotFoundException", &text)
        })
    }
}

fn is_search(name: &str) -> bool {
    let known = ["General", "AccountName", "MailAddress", "DisplayName"];
    known.iter().any(|one| one.eq_ignore_ascii_case(name))
}

fn known_namespace(id: &str) -> Result<(), Response> {
    if is_namespace(id) {
        return Ok(());
    }
    let text = format!("There is no security namespace {id}.");
    Err(not_found("InvalidSecurityNamespaceException", &text))
}
