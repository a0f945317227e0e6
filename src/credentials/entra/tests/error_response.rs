//! Descriptions of Entra are cleaned, and codes are found in them.

use std::time::Duration;

use super::*;
use crate::credentials::entra::error_response::error;

fn refusal(text: &str, codes: &[u32], secrets: &[&Secret]) -> Refusal {
    match outcome("invalid_grant", text, codes, secrets) {
        Error::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn outcome(name: &str, text: &str, codes: &[u32], secrets: &[&Secret]) -> Error {
    let url = Url::parse("https://login.microsoftonline.com").expect("it is an address");
    let app = App { authority: authority(&url), client_id: CLIENT.into() };
    error(name, text, codes, &Context { app: &app, organization: None }, secrets)
}

#[test]
fn a_description_is_one_short_line_without_trace_ids() {
    let text = "AADSTS700082: The refresh token has expired.\r\nTrace ID: 1\r\nTimestamp: 2";
    assert_eq!(
        refusal(text, &[700_082], &[]).description,
        "AADSTS700082: The refresh token has expired."
    );
    let text = "AADSTS50173: \u{1b}[31mRevoked. Trace ID: 1 Correlation ID: 2";
    assert_eq!(refusal(text, &[], &[]).description, "AADSTS50173:  [31mRevoked.");
    assert_eq!(refusal(&"x".repeat(5_000), &[], &[]).description.chars().count(), 300);
}

#[test]
fn sent_secrets_are_removed_from_a_description() {
    let sent = secret("a~b/c+d=");
    let text = "bad 'a~b/c+d=' as a%7Eb%2Fc%2Bd%3D";
    let description = refusal(text, &[], &[&sent, &secret("")]).description;
    assert_eq!(description, "bad '[secret]' as [secret]");
    // Shortening must not leave the beginning of a secret.
    let text = format!("{} a~b/c+d=", "x".repeat(295));
    assert!(!refusal(&text, &[], &[&sent]).description.contains("a~"));
}

#[test]
fn the_code_is_found_in_the_list_or_the_description() {
    assert_eq!(refusal("AADSTS70008: expired", &[], &[]).code, Some(70_008));
    assert_eq!(refusal("AADSTS: nothing", &[], &[]).code, None);
    assert_eq!(refusal("AADSTS99999999999: too long", &[], &[]).code, None);
    assert_eq!(refusal("", &[1, 50_076], &[]).code, Some(50_076), "a known code is preferred");
    assert_eq!(refusal("", &[1, 2], &[]).code, Some(1));
}

#[test]
fn a_transient_fault_is_no_refusal() {
    let waits = |codes: &[u32]| match outcome("invalid_grant", "", codes, &[]) {
        Error::Transient { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    };
    for code in [50_033, 50_087, 50_088, 40_010, 90_033] {
        assert_eq!(waits(&[code]), None, "{code}");
    }
    assert_eq!(waits(&[50_196]), Some(Duration::from_secs(300)), "a loop has to end first");
}

#[test]
fn the_error_of_a_redirect_is_explained_and_cleaned() {
    let url = Url::parse("https://login.microsoftonline.com").expect("it is an address");
    let app = App { authority: authority(&url), client_id: CLIENT.into() };
    let entra = Entra::new(http(), app, ClientAuthentication::Secrets(vec![]), Clock::new(|| NOW));
    let error = entra.explain("access_denied", "AADSTS65004: User declined.\nSet-Cookie: x");
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!((refusal.code, refusal.remedy), (Some(65_004), Remedy::SignIn));
    assert_eq!(refusal.description, "AADSTS65004: User declined.");
}
