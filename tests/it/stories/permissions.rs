//! What the gateway's identity sees and may do at Azure DevOps, so that an operator can correct it
//! before a status fails.

use fakes::ado::Permission;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, PAT, SERVICE_USER, check};

const ALL: &str = "/v1/permissions?organization=Fabrikam";

/// The rows of required permissions that the identity lacks.
fn missing(answer: &Value) -> Vec<&Value> {
    let items = answer["items"].as_array().expect("a list has items").iter();
    items.filter(|row| row["has"] == false && row["optional"] == false).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_with_all_permissions_has_no_problems() {
    let env = Env::new(2301);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let answer = gateway.api.get(ALL).await;
    let rows = answer["items"].as_array().unwrap().iter();
    let names: Vec<&str> = rows.map(|row| row["permission"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "GENERIC_READ",
            "ViewSubscriptions",
            "EditSubscriptions",
            "GenericRead",
            "GenericContribute",
            "PullRequestContribute",
        ]
    );
    assert_eq!(missing(&answer), Vec::<&Value>::new());
    assert_eq!(answer["problems"], json!([]));
    assert_eq!(answer["probes"][0]["allowed"], true, "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_permission_has_the_command_that_grants_it() {
    let env = Env::new(2302);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let (identity, repository) = (&env.identity, &env.repository);
    env.shell.ado(|ado| {
        ado.deny(identity, Permission::PullRequestContribute, Some(repository));
        ado.deny(identity, Permission::ViewSubscriptions, None);
        ado.deny(identity, Permission::EditSubscriptions, None);
    });
    let answer = gateway.api.get(ALL).await;
    let missing = missing(&answer);
    let names: Vec<&Value> = missing.iter().map(|row| &row["permission"]).collect();
    assert_eq!(names, ["ViewSubscriptions", "EditSubscriptions", "PullRequestContribute"]);
    let url = env.shell.ado(|ado| ado.organization_url("fabrikam"));
    let command = |namespace: &str, token: &str, bits: u32| {
        format!(
            "az devops security permission update --org {url} --namespace-id {namespace} \
             --subject svc-ci@fabrikam.example --token {token} --allow-bit {bits}"
        )
    };
    let hooks = format!("PublisherSecurity/{}", env.project);
    let hooks = command("cb594ebe-87dd-4fc9-ac2c-6a10a4c92046", &hooks, 3);
    let git = format!("repoV2/{}/{repository}", env.project);
    let git = command("2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", &git, 16_384);
    let grants: Vec<&Value> = missing.iter().map(|row| &row["grant"]).collect();
    assert_eq!(grants, [&json!(hooks), &json!(hooks), &json!(git)]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_sees_no_project_has_the_command_for_each_project_of_the_checks() {
    let env = Env::new(2309);
    let gateway = Gateway::without_hooks(&env, |settings| {
        let by_id = check("by-id", "").replace("Fabrikam/*", &format!("{}/*", env.project));
        settings.checks = check("by-name", "") + &by_id;
    })
    .await;
    env.shell.ado(|ado| ado.hide_project(&env.identity, &env.project));
    let answer = gateway.api.get(ALL).await;
    let missing = missing(&answer);
    let url = env.shell.ado(|ado| ado.organization_url("fabrikam"));
    let namespace = "52d39943-cb85-4d7f-8fa8-c6baac873819";
    let prefix = "$PROJECT:vstfs:///Classification/TeamProject/";
    let look_up = format!(
        "\"$(az devops project show --org {url} --project Fabrikam --query id --output tsv)\""
    );
    let expected = [
        ("{id of Fabrikam}", format!("'{prefix}'{look_up}")),
        (env.project.as_str(), format!("'{prefix}{}'", env.project)),
    ];
    assert_eq!(missing.len(), expected.len(), "{missing:?}");
    for (row, (id, argument)) in missing.into_iter().zip(expected) {
        assert_eq!((&row["permission"], &row["bit"]), (&json!("GENERIC_READ"), &json!(1)));
        assert_eq!(row["namespace"], namespace);
        assert_eq!(row["token"], format!("{prefix}{id}"));
        let command = format!(
            "az devops security permission update --org {url} --namespace-id {namespace} \
             --subject svc-ci@fabrikam.example --token {argument} --allow-bit 1"
        );
        assert_eq!(row["grant"], command);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_lists_the_projects_and_repositories_that_the_identity_sees() {
    let env = Env::new(2303);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.checks = check("build", "") + &check("lint", "");
    })
    .await;
    let (empty, other) = env.shell.ado(|ado| {
        let empty = ado.create_project("fabrikam", "Archive");
        (empty, ado.create_repository(&env.project, "api"))
    });
    let list = gateway.api.items("/v1/organizations").await;
    let summary = json!({
        "name": "fabrikam", "kind": "pat", "link": null, "problems": [], "open_problems": [],
    });
    assert_eq!(list, [summary]);
    let organization = gateway.api.get("/v1/organizations/FABRIKAM").await;
    assert_eq!(organization["identity"]["account"], "svc-ci@fabrikam.example");
    let checks = json!(["build", "lint"]);
    let expected = json!([
        { "id": empty, "name": "Archive", "repositories": [] },
        { "id": env.project, "name": "Fabrikam", "repositories": [
            { "id": other, "name": "api", "checks": checks },
            { "id": env.repository, "name": "web", "checks": checks },
        ] },
    ]);
    assert_eq!(organization["projects"], expected);
    for path in ["/v1/organizations/contoso", "/v1/permissions?organization=contoso"] {
        let (status, problem) = gateway.api.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(problem["detail"], "there is no organization contoso");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_say_what_the_identity_lacks_and_what_to_do() {
    let env = Env::new(2304);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let check_problem = async |text: &str| {
        for path in [ALL, "/v1/organizations/fabrikam"] {
            let problems = gateway.api.get(path).await["problems"].to_string();
            assert!(problems.contains(text), "{path}: {text:?} is not in {problems}");
        }
    };
    let identity = &env.identity;
    env.shell.ado(|ado| ado.deny(identity, Permission::GenericRead, None));
    check_problem("check unit-tests: no repository that the identity sees matches Fabrikam/*")
        .await;
    env.shell.ado(|ado| ado.allow(identity, Permission::GenericRead));
    env.shell.ado(|ado| {
        ado.revoke_token(PAT);
        ado.add_pat(PAT, identity, &["vso.code_status"], 4_102_444_800_000);
    });
    check_problem("Users with a Basic licence").await;
    env.shell.ado(|ado| ado.revoke_token(PAT));
    check_problem("The token has expired, was revoked, or lacks a scope: make a new one.").await;
    let answer = gateway.api.get(ALL).await;
    assert_eq!((&answer["items"], &answer["probes"]), (&json!([]), &json!([])));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_of_a_service_user_are_read_with_minted_tokens() {
    for (seed, keys) in [(2305, ""), (2306, "mint_ahead = false")] {
        let env = Env::new(seed);
        let gateway = env.linked(|settings| settings.credential = env.service_user(keys)).await;
        let answer = gateway.api.get(ALL).await;
        assert_eq!(answer["problems"], json!([]), "{keys}");
        assert_eq!(missing(&answer), Vec::<&Value>::new());
        assert_eq!(answer["probes"][0]["allowed"], true, "{answer}");
        let organization = gateway.api.get("/v1/organizations/fabrikam").await;
        assert_eq!(organization["kind"], "service_user");
        assert_eq!(organization["link"]["user_name"], SERVICE_USER);
        assert_eq!(organization["identity"]["account"], SERVICE_USER);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_linked_user_the_problem_names_the_command_that_links_one() {
    let env = Env::new(2308);
    let gateway = env.unlinked(|_| {}).await;
    let list = gateway.api.items("/v1/organizations").await;
    assert_eq!((&list[0]["kind"], &list[0]["link"]), (&json!("service_user"), &Value::Null));
    for path in [ALL, "/v1/organizations/fabrikam"] {
        let problems = gateway.api.get(path).await["problems"].to_string();
        assert!(problems.contains("azdo-gateway link fabrikam"), "{problems}");
    }
    gateway.stop().await;
}
