//! What is read from answers about identities and permissions, in the shape of Microsoft's
//! examples.

use super::*;
use crate::domain::permission::Permission;

const fn permission(bit: u32) -> Permission {
    let namespace = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
    Permission { name: "", namespace, bit, purpose: "", is_optional: false }
}

static READ: Permission = permission(2);
static EDIT: Permission = permission(4);

fn example() -> Value {
    json!({
        "authenticatedUser": {
            "id": "d6245f20-2af8-44f4-9451-8107cb2767db",
            "descriptor": "Microsoft.IdentityModel.Claims.ClaimsIdentity;tenant\\svc@example.com",
            "subjectDescriptor": "aad.NzQ",
            "providerDisplayName": "CI Gateway",
            "properties": {
                "Account": { "$type": "System.String", "$value": "svc@example.com" },
            },
        },
    })
}

#[test]
fn an_identity_is_read() {
    let found = identity(&example()["authenticatedUser"]).unwrap();
    assert_eq!(found.display_name, "CI Gateway");
    assert_eq!(found.account.as_deref(), Some("svc@example.com"));
    assert_eq!(found.subject(), Some("svc@example.com"));
    let nameless = json!({ "id": "1", "subjectDescriptor": "aadsp.NzQ" });
    assert_eq!(identity(&nameless).unwrap().subject(), Some("aadsp.NzQ"));
    assert_eq!(identity(&json!({ "descriptor": "x" })), None);
}

#[test]
fn evaluations_are_found_by_what_was_asked() {
    let asked = [(&READ, "repoV2/p/r"), (&EDIT, "repoV2/p/r"), (&READ, "repoV2/p/s")];
    let asked = asked.map(|(permission, token)| Needed {
        permission,
        token: token.into(),
        project: "p".into(),
        repository: None,
    });
    let wanted = |one: &Needed| one.permission == &READ && one.token.ends_with('r');
    let answers = asked.iter().rev().map(|one| {
        json!({
            "securityNamespaceId": one.permission.namespace.to_uppercase(),
            "token": one.token.to_uppercase(),
            "permissions": one.permission.bit,
            "value": wanted(one),
        })
    });
    let answer = json!({ "evaluations": answers.collect::<Vec<_>>() });
    for one in &asked {
        assert_eq!(value_of(&answer, one), Some(wanted(one)));
    }
    assert_eq!(value_of(&json!({ "evaluations": [] }), &asked[0]), None);
}
