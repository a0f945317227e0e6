//! `explain`: explains, without a running gateway, what a payload would start; and with one, which
//! checks run on a pull request.

use std::path::Path;

use fakes::ado::NewPullRequest;

use super::call::{ReferenceConfig, ask};
use crate::harness::{Binary, Env, ORGANIZATION, check};

const ANOTHER: &str = "[[organization]]\nname = \"another\"\n[organization.credential]\n\
    kind = \"pat\"\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n[[check]]";

fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/hooks").join(name).display().to_string()
}

/// A configuration that watches the repository of the fixtures.
fn config() -> ReferenceConfig {
    ReferenceConfig::edited(&[("\"Fabrikam/*\"", "\"Webshop/*\"")])
}

#[test]
fn prints_the_runs_of_a_payload_that_matches() {
    let file = fixture("pull-request-created.json");
    let out = config().run(&["explain", &file]).done();
    for line in [
        "type     git.pullrequest.created",
        "event    pull_request_opened",
        "outcome  started",
        "run      unit-tests at builder: commit 9d0e7b3c",
    ] {
        assert!(out.contains(line), "{line:?} is not in {out}");
    }
    let json = config().run(&["explain", &file, "--json"]).json();
    assert_eq!(json["outcome"], "started");
    assert_eq!(json["runs"][0]["check"], "unit-tests");
    assert_eq!(json["runs"][0]["pull_request"], 318);
}

#[test]
fn prints_the_reason_where_nothing_matches() {
    let out =
        ReferenceConfig::new().run(&["explain", &fixture("pull-request-created.json")]).done();
    assert!(out.contains("outcome  ignored"), "{out}");
    assert!(out.contains("no check watches Webshop/storefront"), "{out}");
    let out = config().run(&["explain", &fixture("pull-request-draft.json")]).done();
    assert!(out.contains("outcome  ignored") && out.contains("draft"), "{out}");
}

#[test]
fn notes_that_a_payload_is_a_sample() {
    let out = config().run(&["explain", &fixture("test-unsaved-subscription.json")]).done();
    assert!(out.starts_with("note     this is a sample"), "{out}");
    assert!(out.contains("event    branch_pushed"), "{out}");
    let json = config().run(&["explain", &fixture("test-unsaved-subscription.json"), "--json"]);
    assert_eq!(json.json()["sample"], true);
}

#[test]
fn reads_standard_input_and_bodies_that_are_not_json() {
    let out = config().run_with(&["explain", "-"], b"this is not JSON").done();
    assert!(out.contains("outcome  quarantined"), "{out}");
    let body = std::fs::read(fixture("push.json")).expect("it is there");
    let out = config().run_with(&["explain", "-"], &body).done();
    assert!(out.contains("type     git.push") && out.contains("outcome  started"), "{out}");
}

#[test]
fn explains_every_fixture() {
    let config = config();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hooks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json =
                config.run(&["explain", path.to_str().expect("it is text"), "--json"]).json();
            assert_ne!(json["reason"], "", "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "there are {count} fixtures only");
}

#[test]
fn needs_the_organization_where_there_are_several() {
    let config =
        ReferenceConfig::edited(&[("[[check]]", ANOTHER), ("\"Fabrikam/*\"", "\"Webshop/*\"")]);
    let file = fixture("push.json");
    config.run(&["explain", &file]).refused(2, &["say which with --organization"]);
    let out = config.run(&["explain", &file, "--organization", "MY-devops-org"]).done();
    assert!(out.contains("outcome  started"), "{out}");
    let out = config.run(&["explain", &file, "--organization", "another"]).done();
    assert!(out.contains("outcome  ignored"), "{out}");
    let unknown = config.run(&["explain", &file, "--organization", "my-devops"]);
    unknown.refused(2, &["there is no organization my-devops in the configuration"]);
}

#[test]
fn refuses_wrong_usage() {
    config().run(&["explain"]).refused(2, &["Usage: azdo-gateway"]);
    config().run(&["explain", "nowhere.json"]).refused(1, &["cannot read nowhere.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_explained_check_by_check_and_nothing_is_started() {
    let env = Env::new(9_501);
    let gateway = Binary::without_hooks(&env, |settings| {
        settings.checks = check("source", "paths = [\"src/**\"]")
            + &check("docs", "paths = [\"docs/**\"]\nrequired = true")
            + &check("release", "target_branches = [\"release\"]")
            + &check("pushes", "on = [\"push\"]");
    })
    .await;
    let settings = gateway.settings.clone();
    let id = env.shell.ado(|ado| {
        ado.push_files(&env.repository, "topic", "Work", &["/src/a.rs", "/src/b.rs"]);
        ado.open_pull_request(&NewPullRequest::new(&env.repository, "topic", "main"))
    });
    let address = env.shell.ado(|ado| ado.organization_url(ORGANIZATION));
    let address = format!("{address}/Fabrikam/_git/web/pullrequest/{id}");
    let names = format!("{ORGANIZATION}/fabrikam/web/{id}");
    for text in [&names, &address] {
        let out = ask(&settings, &["explain", "--against", text]).done();
        for words in [
            "ci/source   runs            it matches",
            "ci/docs     not applicable  none of its 2 changed files matches paths [docs/**]",
            "ci/release  does not run    target branch main does not match",
            "ci/pushes   does not run    on does not have \"pull_request\"",
        ] {
            assert!(out.contains(words), "{words:?} is not in {out}");
        }
    }
    // The second question needed no second call.
    assert_eq!(env.shell.ado(|ado| ado.journal.count("GET", "/diffs/commits")), 1);
    assert_eq!(env.starts(), 0);
    let unknown = format!("{ORGANIZATION}/fabrikam/web/999");
    ask(&settings, &["explain", "--against", &unknown]).refused(1, &["no pull request 999"]);
    ask(&settings, &["explain", "--against", "7"]).refused(2, &["ORGANIZATION/PROJECT"]);
}
