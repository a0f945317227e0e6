//! Policies as Azure DevOps writes them (docs/azure-devops.md §5 and Microsoft's examples), and as
//! we do.

use super::*;

const ME: &str = "d6245f20-2af8-44f4-9451-8107cb2767db";
const WEB: &str = "49c1d4d0-be28-4f20-9e0a-4ecfafc39257";

fn read(policy: Value) -> Found {
    found(serde_json::from_value(policy).unwrap(), "1BE3FC5B-c58c-4173-8fd7-6647d11eccd1")
}

fn example() -> Value {
    json!({
        "createdBy": {
            "id": ME.to_uppercase(),
            "displayName": "CI Gateway",
            "uniqueName": "svc-ci@fabrikam.example",
        },
        "createdDate": "2026-02-23T12:51:06.85754Z",
        "isEnabled": true,
        "isBlocking": true,
        "isDeleted": false,
        "settings": {
            "statusGenre": "ci",
            "statusName": "unit-tests",
            "authorId": ME.to_uppercase(),
            "invalidateOnSourceUpdate": true,
            "policyApplicability": null,
            "defaultDisplayName": "ci/unit-tests",
            "filenamePatterns": [],
            "scope": [
                { "refName": "refs/heads/main", "matchKind": "Exact",
                    "repositoryId": WEB.to_uppercase() },
            ],
        },
        "revision": 2,
        "id": 17,
        "url": "https://dev.azure.com/fabrikam/_apis/policy/configurations/17",
        "type": { "id": STATUS_POLICY, "displayName": "Status" },
    })
}

fn settings() -> Settings {
    Settings {
        is_enabled: true,
        is_blocking: true,
        context: Context { genre: "ci".into(), name: "unit-tests".into() },
        author_id: Some(ME.into()),
        resets_on_push: true,
        is_conditional: false,
        display_name: "ci/unit-tests".into(),
        file_patterns: vec![],
        scopes: vec![Scope {
            repository_id: Some(WEB.into()),
            branches: Branches::Exact("refs/heads/main".into()),
        }],
    }
}

#[test]
fn a_policy_is_read_without_case_where_ids_are() {
    let expected = Found {
        id: 17,
        project_id: "1be3fc5b-c58c-4173-8fd7-6647d11eccd1".into(),
        created_by: ME.into(),
        creator: "CI Gateway".into(),
        settings: settings(),
    };
    assert_eq!(read(example()), expected);
}

#[test]
fn what_is_left_out_or_null_means_nothing_special() {
    let policy = json!({
        "id": 1,
        "isEnabled": true,
        "isBlocking": false,
        "type": { "id": STATUS_POLICY },
        "settings": { "statusName": "x", "authorId": null, "scope": null },
    });
    let Settings { context, author_id, resets_on_push, is_conditional, scopes, .. } =
        read(policy).settings;
    assert_eq!((context.genre.as_str(), context.name.as_str()), ("", "x"));
    assert!(author_id.is_none() && !resets_on_push && !is_conditional && scopes.is_empty());
}

#[test]
fn every_kind_of_scope_and_applicability_is_read() {
    let mut policy = example();
    policy["settings"]["scope"] = json!([
        { "refName": "refs/heads/releases/", "matchKind": "Prefix", "repositoryId": null },
        { "refName": null, "matchKind": "DefaultBranch", "repositoryId": WEB },
        { "refName": "x", "matchKind": "Regex" },
    ]);
    for (applicability, expected) in
        [(json!(1), true), (json!("conditional"), true), (json!(0), false), (json!("apply"), false)]
    {
        policy["settings"]["policyApplicability"] = applicability;
        assert_eq!(read(policy.clone()).settings.is_conditional, expected);
    }
    let scopes = read(policy).settings.scopes;
    let branches: Vec<&Branches> = scopes.iter().map(|scope| &scope.branches).collect();
    let prefix = Branches::Prefix("refs/heads/releases/".into());
    assert_eq!(branches, [&prefix, &Branches::Default, &Branches::Unknown("Regex".into())]);
    assert_eq!(scopes[0].repository_id, None);
}

#[test]
fn what_we_write_is_what_we_read() {
    let mut written = body(&settings());
    let prefix = Branches::Prefix("refs/heads/release/".into());
    let folder = Settings {
        scopes: vec![Scope { branches: prefix, ..settings().scopes[0].clone() }],
        ..settings()
    };
    assert_eq!(written["settings"]["policyApplicability"], Value::Null);
    let scope =
        json!([{ "repositoryId": WEB, "refName": "refs/heads/main", "matchKind": "exact" }]);
    assert_eq!(written["settings"]["scope"], scope);
    for (body, expected) in [(&mut written, settings()), (&mut body(&folder), folder)] {
        body["id"] = json!(1);
        assert_eq!(read(body.clone()).settings, expected);
    }
}
