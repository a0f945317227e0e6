//! `explain`: what a payload would start, and why, without a running gateway.

use std::path::Path;

use super::call::Desk;

const ANOTHER: &str = "[[organization]]\nname = \"another\"\n[organization.credential]\n\
    kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n[[check]]";

fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/hooks").join(name).display().to_string()
}

/// A configuration that watches the repository of the fixtures.
fn desk() -> Desk {
    Desk::edited(&[("\"Fabrikam/*\"", "\"Webshop/*\"")])
}

#[test]
fn what_matches_is_shown_with_its_runs() {
    let file = fixture("pull-request-created.json");
    let out = desk().run(&["explain", &file]).done();
    for line in [
        "type     git.pullrequest.created",
        "event    pull_request_opened",
        "outcome  started",
        "run      unit-tests at builder: commit 9d0e7b3c",
    ] {
        assert!(out.contains(line), "{line:?} is not in {out}");
    }
    let json = desk().run(&["explain", &file, "--json"]).json();
    assert_eq!(json["outcome"], "started");
    assert_eq!(json["runs"][0]["check"], "unit-tests");
    assert_eq!(json["runs"][0]["pull_request"], 318);
}

#[test]
fn what_does_not_match_is_shown_with_the_reason() {
    let out = Desk::new().run(&["explain", &fixture("pull-request-created.json")]).done();
    assert!(out.contains("outcome  ignored"), "{out}");
    assert!(out.contains("no check watches Webshop/storefront"), "{out}");
    let out = desk().run(&["explain", &fixture("pull-request-draft.json")]).done();
    assert!(out.contains("outcome  ignored") && out.contains("draft"), "{out}");
}

#[test]
fn a_sample_of_azure_devops_says_that_it_is_one() {
    let out = desk().run(&["explain", &fixture("test-unsaved-subscription.json")]).done();
    assert!(out.starts_with("note     this is a sample"), "{out}");
    assert!(out.contains("event    branch_pushed"), "{out}");
    let json = desk().run(&["explain", &fixture("test-unsaved-subscription.json"), "--json"]);
    assert_eq!(json.json()["sample"], true);
}

#[test]
fn standard_input_and_what_is_not_json_are_taken() {
    let out = desk().run_with(&["explain", "-"], b"this is not JSON").done();
    assert!(out.contains("outcome  quarantined"), "{out}");
    let body = std::fs::read(fixture("push.json")).expect("it is there");
    let out = desk().run_with(&["explain", "-"], &body).done();
    assert!(out.contains("type     git.push") && out.contains("outcome  started"), "{out}");
}

#[test]
fn every_fixture_is_explained() {
    let desk = desk();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hooks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json = desk.run(&["explain", path.to_str().expect("it is text"), "--json"]).json();
            assert_ne!(json["reason"], "", "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "there are {count} fixtures only");
}

#[test]
fn it_has_to_be_clear_who_sent_it() {
    let desk = Desk::edited(&[("[[check]]", ANOTHER), ("\"Fabrikam/*\"", "\"Webshop/*\"")]);
    let file = fixture("push.json");
    desk.run(&["explain", &file]).refused(2, &["say which with --organization"]);
    let out = desk.run(&["explain", &file, "--organization", "MY-devops-org"]).done();
    assert!(out.contains("outcome  started"), "{out}");
    let out = desk.run(&["explain", &file, "--organization", "another"]).done();
    assert!(out.contains("outcome  ignored"), "{out}");
    let unknown = desk.run(&["explain", &file, "--organization", "my-devops"]);
    unknown.refused(2, &["there is no organization my-devops in the configuration"]);
}

#[test]
fn wrong_usage_is_told() {
    desk().run(&["explain"]).refused(2, &["Usage: azdo-gateway"]);
    desk().run(&["explain", "nowhere.json"]).refused(1, &["cannot read nowhere.json"]);
}
