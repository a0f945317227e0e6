//! The table of advice is complete, and every row says what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::credentials::entra::advice::{advise, table};

/// Every code of docs/azure-devops.md §4.4.
const DOCUMENTED: [u32; 54] = [
    50_076, 50_079, 50_072, 50_074, 50_078, 53_000, 53_001, 53_002, 53_003, 53_004, 50_097, 50_129,
    50_131, 50_158, 70_008, 700_082, 70_043, 700_084, 50_173, 50_132, 50_133, 50_089, 70_000,
    65_001, 65_004, 90_094, 650_056, 650_057, 65_005, 50_020, 50_034, 51_004, 16_000, 500_208,
    90_002, 50_057, 50_053, 50_055, 50_105, 7_000_215, 7_000_222, 70_002, 700_025, 700_016,
    700_011, 50_033, 50_087, 50_088, 40_010, 90_033, 50_196, 54_005, 501_481, 50_011,
];

fn advice(code: Option<u32>, error: &str) -> Advice {
    let url = Url::parse("https://login.microsoftonline.us/").expect("it is an address");
    let app = App { authority: authority(&url), client_id: CLIENT.into() };
    advise(code, error, &Context { app: &app, organization: Some("fabrikam") })
}

#[test]
fn every_documented_code_has_one_row() {
    let known: BTreeSet<u32> = table().map(|(code, _)| code).collect();
    let missing: Vec<u32> = DOCUMENTED.into_iter().filter(|code| !known.contains(code)).collect();
    assert_eq!(missing, Vec::<u32>::new());
    assert_eq!(known.len(), table().count(), "a code has two rows");
}

#[test]
fn every_cause_is_worded_once_and_every_action_has_one_actor() {
    let mut by_cause = BTreeMap::new();
    let mut by_action = BTreeMap::new();
    for (code, advice) in table() {
        // Two causes in the same words could not be told apart.
        assert_eq!(by_cause.insert(advice.wrong.clone(), code), None, "{code}");
        let remedy = *by_action.entry(advice.action.clone()).or_insert(advice.remedy);
        assert_eq!(remedy, advice.remedy, "{code}: one action, two actors");
        assert!(!advice.to_string().contains(['<', '>', '\n']), "{code}: {advice}");
        assert!(!advice.to_string().contains("  "), "{code}: {advice}");
        if advice.remedy == Remedy::SignIn {
            assert!(advice.action.contains("/connect/{organization}"), "{code}: {advice}");
        }
    }
}

#[test]
fn actions_contain_the_names_of_tenant_app_and_organization() {
    let missing = advice(Some(65_001), "invalid_grant");
    let page = format!("https://login.microsoftonline.us/{TENANT}/adminconsent?client_id={CLIENT}");
    assert_eq!(missing.remedy, Remedy::Administrator);
    assert!(missing.action.contains(&page), "{missing}");
    let factor = advice(Some(50_076), "interaction_required");
    assert!(factor.action.contains("/connect/fabrikam"), "{factor}");
    let expired = advice(Some(7_000_222), "invalid_client");
    assert!(expired.action.contains("during a rotation two may be set"), "{expired}");
    assert!(expired.action.contains("[organization.credential] client_secret"), "{expired}");
}

#[test]
fn the_oauth_error_decides_for_unknown_codes() {
    for (error, remedy) in [
        ("invalid_grant", Remedy::SignIn),
        ("interaction_required", Remedy::SignIn),
        ("invalid_client", Remedy::Configuration),
        ("unauthorized_client", Remedy::Configuration),
        ("consent_required", Remedy::Administrator),
        ("temporarily_unavailable", Remedy::Wait),
        ("invalid_request", Remedy::Defect),
    ] {
        assert_eq!(advice(None, error).remedy, remedy, "{error}");
        let numbered = advice(Some(12), error);
        assert_eq!(numbered.remedy, remedy, "{error}");
        let page = "https://login.microsoftonline.us/error?code=12";
        assert!(numbered.action.ends_with(page), "{numbered}");
    }
}
