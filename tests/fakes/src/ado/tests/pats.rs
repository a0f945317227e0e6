//! The PAT lifecycle API: callers, refusals, violations.

use serde_json::{Value, json};

use super::{Fixture, refusal};
use crate::ado::PatState;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::timestamp::rfc3339;

const PATS: &str = "/fabrikam/_apis/tokens/pats";
const BEARER: &str = "bearer of a person";
const REPOSITORIES: &str = "/fabrikam/_apis/git/repositories";

impl Fixture {
    fn with_bearer() -> Self {
        let mut fixture = Self::new();
        let service = fixture.service.clone();
        fixture.world.add_user_bearer(BEARER, &service, &["vso.pats", "vso.pats_manage"], i64::MAX);
        fixture
    }

    fn pats(&mut self, method: &str, query: &str, body: Option<&Value>) -> Response {
        let mark = if query.is_empty() { "" } else { "&" };
        let target = format!("{PATS}?api-version=7.1-preview.1{mark}{query}");
        let mut request = Request::new(method, &target).with_bearer(BEARER);
        if let Some(body) = body {
            request = request.with_json(body);
        }
        let now_ms = self.world.now_ms();
        self.world.handle(&request, now_ms)
    }

    fn pat_body(&self, scope: &str) -> Value {
        json!({
            "displayName": "azdo-gateway/one",
            "scope": scope,
            "validTo": rfc3339(self.world.now_ms() + 240_000),
            "allOrgs": false,
        })
    }

    fn mint(&mut self, scope: &str) -> Value {
        let body = self.pat_body(scope);
        let answer = self.pats("POST", "", Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        assert_eq!(answer.body_json()["patTokenError"], "none");
        answer.body_json()["patToken"].clone()
    }

    fn refused(&mut self, key: &str, value: Value) -> String {
        let mut pat = self.pat_body("vso.code");
        pat[key] = value;
        let body = self.pats("POST", "", Some(&pat)).body_json();
        assert!(body["patToken"].is_null(), "{body}");
        body["patTokenError"].as_str().unwrap().to_owned()
    }

    fn use_pat(&mut self, secret: &str, target: &str) -> u16 {
        let now_ms = self.world.now_ms();
        self.world.handle(&Request::new("GET", target).with_pat(secret), now_ms).status
    }
}

#[test]
fn a_pat_is_minted_used_once_and_revoked() {
    let mut fixture = Fixture::with_bearer();
    let token = fixture.mint("vso.code");
    let secret = token["token"].as_str().unwrap();
    assert_eq!((secret.len(), &secret[76..80]), (84, "AZDO"));
    let account = fixture.world.organization("fabrikam").id.clone();
    assert_eq!(token["targetAccounts"], json!([account]));
    assert_eq!(fixture.use_pat(secret, REPOSITORIES), 200);
    let id = token["authorizationId"].as_str().unwrap();
    let one = fixture.pats("GET", &format!("authorizationId={id}"), None).body_json();
    assert!(one["patToken"]["token"].is_null());
    assert_eq!(fixture.world.active_pats().count(), 1);
    let answer = fixture.pats("DELETE", &format!("authorizationId={id}"), None);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(fixture.world.active_pats().count(), 0);
    assert_eq!(fixture.world.violations(), [""; 0]);
    let pat = &fixture.world.pats()[0];
    assert_eq!((pat.used, pat.refused_uses, pat.state(0)), (1, 0, PatState::Revoked));
}

#[test]
fn only_people_with_both_scopes_may_mint() {
    let mut fixture = Fixture::with_bearer();
    let (now_ms, service, body) =
        (fixture.world.now_ms(), fixture.service.clone(), fixture.pat_body("vso.code"));
    fixture.world.add_bearer("application", &service, i64::MAX);
    fixture.world.add_user_bearer("manages", &service, &["vso.pats_manage"], i64::MAX);
    fixture.world.add_user_bearer("sees", &service, &["vso.pats"], i64::MAX);
    fixture.world.add_user_bearer("impersonates", &service, &["user_impersonation"], i64::MAX);
    fixture.world.add_user_bearer("expired", &service, &["vso.pats"], now_ms);
    let target = format!("{PATS}?api-version=7.1-preview.1");
    let post = Request::new("POST", &target).with_json(&body);
    for (bearer, status, suppressed) in [
        ("application", 302, 401),
        ("manages", 401, 401),
        ("sees", 401, 401),
        ("impersonates", 401, 401),
        ("expired", 203, 401),
        ("unknown", 203, 401),
    ] {
        let request = post.clone().with_bearer(bearer);
        assert_eq!(fixture.world.handle(&request, now_ms).status, status, "{bearer}");
        let request = request.with_header("X-TFS-FedAuthRedirect", "Suppress");
        assert_eq!(fixture.world.handle(&request, now_ms).status, suppressed, "{bearer}");
    }
    assert_eq!(fixture.ask(post).status, 401, "a PAT mints no PAT");
    let request = Request::new("GET", REPOSITORIES);
    let request = request.with_bearer(BEARER);
    assert_eq!(fixture.world.handle(&request, now_ms).status, 401, "it only manages PATs");
    assert!(fixture.world.pats().is_empty());
}

#[test]
fn the_pat_api_exists_in_preview_only() {
    let mut fixture = Fixture::with_bearer();
    let now_ms = fixture.world.now_ms();
    for (version, key) in [
        ("?api-version=7.1", "VssInvalidPreviewVersionException"),
        ("?api-version=6.1-preview.1", "VssVersionOutOfRangeException"),
        ("", "VssVersionNotSpecifiedException"),
    ] {
        let request = Request::new("GET", &format!("{PATS}{version}"));
        let request = request.with_bearer(BEARER);
        let answer = fixture.world.handle(&request, now_ms);
        assert_eq!(refusal(&answer), (400, key.to_owned()));
    }
}

#[test]
fn a_refused_pat_is_an_error_code_in_an_answer_with_status_200() {
    let mut fixture = Fixture::with_bearer();
    let now_ms = fixture.world.now_ms();
    for (key, value, error) in [
        ("displayName", json!(" "), "invalidDisplayName"),
        ("scope", json!("vso.everything"), "invalidScope"),
        ("scope", json!(""), "invalidScope"),
        ("validTo", json!(rfc3339(now_ms)), "invalidValidTo"),
        ("validTo", json!(rfc3339(now_ms + 400 * 24 * 3_600_000)), "invalidValidTo"),
        ("validTo", json!("tomorrow"), "invalidValidTo"),
        ("validTo", Value::Null, "invalidValidTo"),
    ] {
        assert_eq!(fixture.refused(key, value), error, "{key}");
    }
    fixture.world.pat_rules.allows_full_scope = false;
    assert_eq!(fixture.refused("scope", json!("app_token")), "fullScopePatPolicyViolation");
    fixture.world.pat_rules.allows_global = false;
    assert_eq!(fixture.refused("allOrgs", json!(true)), "globalPatPolicyViolation");
    fixture.world.pat_rules.longest_ms = Some(60_000);
    let token = fixture.mint("vso.code");
    assert_eq!(token["validTo"], rfc3339(now_ms + 60_000));
    fixture.world.pat_rules.cuts_silently = false;
    assert_eq!(fixture.refused("allOrgs", json!(false)), "patLifespanPolicyViolation");
    fixture.world.pat_rules.allows_creation = false;
    assert_eq!(fixture.refused("allOrgs", json!(false)), "disablePatCreationPolicyViolation");
    fixture.world.fail_minting("failedToIssueAccessToken", 1);
    assert_eq!(fixture.refused("allOrgs", json!(false)), "failedToIssueAccessToken");
    assert_eq!(fixture.refused("allOrgs", json!(false)), "disablePatCreationPolicyViolation");
}

#[test]
fn a_pat_is_refused_before_it_has_propagated_and_without_a_sign_in() {
    let mut fixture = Fixture::with_bearer();
    fixture.world.pat_rules.delay_ms = 500;
    let token = fixture.mint("vso.code");
    let secret = token["token"].as_str().unwrap();
    assert_eq!(fixture.use_pat(secret, REPOSITORIES), 401);
    let now_ms = fixture.world.now_ms();
    fixture.world.set_now(now_ms + 500);
    fixture.world.pat_rules.has_signed_in = false;
    assert_eq!(fixture.use_pat(secret, REPOSITORIES), 401);
    fixture.world.pat_rules.has_signed_in = true;
    assert_eq!(fixture.use_pat(secret, "/other/_apis/connectionData"), 404);
    assert_eq!(fixture.use_pat(secret, REPOSITORIES), 200);
    assert_eq!(fixture.world.violations(), [""; 0]);
    fixture.world.set_now(now_ms + 240_000);
    assert_eq!(fixture.use_pat(secret, REPOSITORIES), 203);
    assert!(fixture.world.violations()[0].contains("used after it expired"));
}

#[test]
fn broad_long_lived_and_reused_pats_are_violations() {
    let mut fixture = Fixture::with_bearer();
    let careless = json!({
        "displayName": "mine",
        "scope": "vso.code vso.code_status",
        "validTo": rfc3339(fixture.world.now_ms() + 300_001),
        "allOrgs": true,
    });
    fixture.pats("POST", "", Some(&careless));
    assert_eq!(fixture.world.violations().len(), 4);
    let token = fixture.mint("vso.code_write");
    let secret = token["token"].as_str().unwrap();
    fixture.use_pat(secret, REPOSITORIES);
    assert!(fixture.world.violations()[4].contains("is more than GET"));
    fixture.use_pat(secret, "/fabrikam/_apis/connectionData");
    assert!(fixture.world.violations()[5].contains("used 2 times"));
    let id = token["authorizationId"].as_str().unwrap();
    assert!(fixture.world.revoke_pat(id));
    fixture.use_pat(secret, REPOSITORIES);
    assert!(fixture.world.violations().last().unwrap().contains("used after it was revoked"));
    assert_eq!((fixture.world.pats()[1].used, fixture.world.pats()[1].refused_uses), (2, 1));
}

#[test]
fn narrow_scopes_are_no_violation() {
    let mut fixture = Fixture::with_bearer();
    let number = fixture.pull_request();
    let pull_request = format!("{REPOSITORIES}/{}/pullRequests/{number}", fixture.repository);
    for (scope, target) in [
        ("vso.code", "/fabrikam/_apis/hooks/subscriptions".to_owned()),
        ("vso.code", pull_request.clone()),
        ("vso.code_status", format!("{pull_request}/statuses")),
        ("vso.code", "/fabrikam/_apis/projects".to_owned()),
        ("vso.code", "/fabrikam/_apis/connectionData".to_owned()),
    ] {
        let token = fixture.mint(scope);
        assert_eq!(fixture.use_pat(token["token"].as_str().unwrap(), &target), 200, "{target}");
    }
    assert_eq!(fixture.world.violations(), [""; 0]);
}

#[test]
fn a_scope_that_is_broader_than_hooks_or_policies_need_is_a_violation() {
    let mut fixture = Fixture::with_bearer();
    let subscription = fixture.subscription_body("git.push");
    let policy = json!({
        "isEnabled": true,
        "isBlocking": true,
        "type": {"id": crate::ado::policy::configuration::STATUS_POLICY},
        "settings": {
            "statusName": "unit",
            "scope": [{"refName": "refs/heads/main", "matchKind": "exact"}],
        },
    });
    let policies = "/fabrikam/Fabrikam/_apis/policy/configurations?api-version=7.1";
    let hooks = "/fabrikam/_apis/hooks/subscriptions?api-version=7.1";
    let listed = "/fabrikam/_apis/hooks/subscriptions?eventType=git.push&api-version=7.1";
    for (method, target, body, narrow, broad) in [
        ("POST", hooks, Some(&subscription), "vso.code", "vso.code_write"),
        ("GET", listed, None, "vso.code", "vso.code_write"),
        ("POST", policies, Some(&policy), "vso.code_write", "vso.code_manage"),
        ("GET", policies, None, "vso.code", "vso.code_write"),
    ] {
        for (scope, violations) in [(narrow, 0), (broad, 1)] {
            let token = fixture.mint(scope);
            let request = Request::new(method, target).with_pat(token["token"].as_str().unwrap());
            let request = match body {
                Some(body) => request.with_json(body),
                None => request,
            };
            let before = fixture.world.violations().len();
            let now_ms = fixture.world.now_ms();
            assert_eq!(fixture.world.handle(&request, now_ms).status, 200, "{method} {target}");
            let found = fixture.world.violations().len() - before;
            assert_eq!(found, violations, "{scope} for {method} {target}");
        }
    }
}

#[test]
fn pats_are_listed_in_pages_without_secrets() {
    let mut fixture = Fixture::with_bearer();
    let ids: Vec<_> = (0..5).map(|_| fixture.mint("vso.code")["authorizationId"].clone()).collect();
    fixture.world.revoke_pat(ids[3].as_str().unwrap());
    let mut seen = Vec::new();
    let mut token = String::new();
    for _ in 0..ids.len() {
        let query = format!("displayFilterOption=active&$top=2&continuationToken={token}");
        let body = fixture.pats("GET", &query, None).body_json();
        let page = body["patTokens"].as_array().unwrap();
        assert!(page.len() <= 2 && page.iter().all(|one| one["token"].is_null()));
        seen.extend(page.iter().map(|one| one["authorizationId"].clone()));
        body["continuationToken"].as_str().unwrap().clone_into(&mut token);
        if token.is_empty() {
            break;
        }
        // A PAT that leaves the list between two pages makes no other PAT be skipped.
        fixture.world.revoke_pat(ids[0].as_str().unwrap());
    }
    assert!(token.is_empty(), "the list has more pages than PATs");
    assert_eq!(seen, [&ids[0], &ids[1], &ids[2], &ids[4]].map(Clone::clone));
    let revoked = fixture.pats("GET", "displayFilterOption=revoked", None).body_json();
    assert_eq!(revoked["patTokens"].as_array().unwrap().len(), 2);
    assert_eq!(fixture.pats("GET", "$top=101", None).status, 400);
    let update = json!({"authorizationId": ids[0], "displayName": "azdo-gateway/new"});
    let answer = fixture.pats("PUT", "", Some(&update)).body_json();
    assert_eq!(answer["patTokenError"], "expiredPatCannotBeExtended");
}

#[test]
fn a_list_has_only_the_pats_of_its_organization() {
    let mut fixture = Fixture::with_bearer();
    fixture.world.create_organization("northwind");
    fixture.mint("vso.code");
    let mut listed = |organization: &str| {
        let target = format!("/{organization}/_apis/tokens/pats?api-version=7.1-preview.1");
        let request = Request::new("GET", &target);
        let request = request.with_bearer(BEARER);
        let now_ms = fixture.world.now_ms();
        let body = fixture.world.handle(&request, now_ms).body_json();
        body["patTokens"].as_array().unwrap().len()
    };
    assert_eq!((listed("fabrikam"), listed("northwind")), (1, 0));
}
