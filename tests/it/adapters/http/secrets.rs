//! What the gateway proves with who it is: tokens in files, logins, and that no text shows them.

use fakes::systems::{airflow, tekton};
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A folder with a file `token`, and the value that names it.
fn token_file(token: &str) -> (TempDir, std::path::PathBuf, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    let value = format!("{{ file = \"{}\" }}", path.display());
    (folder, path, value)
}

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_its_file_replaces_is_used_at_once() {
    let world = tekton::World::new(9);
    let older = world.token().to_owned();
    let (_folder, path, file) = token_file(&older);
    let keys = format!(
        "auth = {{ bearer = {file} }}\n{START}[ci.builder.poll]\nurl = \"URL{RUNS}\"\n{RULES}"
    );
    let adapter = Adapter::new(world, |_, url| kind(&keys, url, &[]));
    let run = at_ci(&adapter, "5");
    assert!(adapter.poll(&run).await.is_ok());
    let newer = adapter.world::<tekton::World, _>(|world| {
        world.revoke(&older);
        world.replace_token()
    });
    let refused = adapter.poll(&run).await.unwrap_err();
    assert!(refused.to_string().contains("Unauthorized (401)"), "{refused}");
    // As Kubernetes does: another file takes its place.
    let next = path.with_file_name("next");
    std::fs::write(&next, &newer).unwrap();
    std::fs::rename(&next, &path).unwrap();
    assert!(adapter.poll(&run).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_shows_what_a_file_has_now_or_a_login_has_answered() {
    let login = "{ login = { url = \"URL/login\", keep = \"/token\", json = { user = \"a\" } } }";
    for (auth, replacement) in [
        ("{ bearer = FILE }", "replacement-0123456789"),
        ("{ basic = { user = \"a\", password = FILE } }", "replacement-0123456789"),
        ("{ header = { name = \"X-Token\", value = FILE } }", "replacement-0123456789"),
        (login, "session-0123456789"),
    ] {
        let (_folder, path, file) = token_file("first-0123456789");
        let auth = auth.replace("FILE", &file);
        let adapter = adapter(&format!("auth = {auth}\n{STARTED}{POLL}{RULES}"));
        std::fs::write(&path, "replacement-0123456789\n").unwrap();
        answer_json(&adapter, "POST", "/login", &json!({ "token": "session-0123456789" }));
        let echo = json!({ "message": format!("{replacement} may not do this") });
        answer(&adapter, "GET", "/runs/5", Response::json(400, &echo));
        let refused = adapter.poll(&at_ci(&adapter, "5")).await.unwrap_err().to_string();
        assert!(refused.contains("[secret] may not do this (400)"), "{auth}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_repeated_once_when_it_does_not_hold_any_more() {
    let keys = "auth = { login = { url = \"URL/auth/token\", keep = \"/access_token\", \
                ttl = \"12h\", \
                json = { username = \"USER\", password = { env = \"PASSWORD\" } } } }\n\
                [ci.builder.start]\nurl = \"URL/api/v2/dags/ci_build/dagRuns\"\n\
                json_text = '{\"dag_run_id\": \"{{ run }}\", \"logical_date\": null}'\n\
                id = { value = \"{{ run }}\" }\n[ci.builder.poll]\n\
                url = \"URL/api/v2/dags/ci_build/dagRuns/{{ id }}\"\n\
                rules = [{ is = \"running\" }]\n";
    let adapter_of = |is_read_only: bool| {
        Adapter::new(airflow::World::new(9), |world, url| {
            let credential = match is_read_only {
                true => world.read_only_credential(),
                false => world.credential(),
            };
            kind(&keys.replace("USER", credential.0), url, &[("PASSWORD", credential.1)])
        })
    };
    let logins = |adapter: &Adapter| adapter.world::<airflow::World, _>(|world| world.logins());
    let adapter = adapter_of(false);
    let run = at_ci(&adapter, OUR_ID);
    assert!(adapter.start(&run).await.is_ok());
    assert!(adapter.poll(&run).await.is_ok());
    assert_eq!(logins(&adapter), 1);
    adapter.world::<airflow::World, _>(|world| world.revoke_tokens());
    assert!(adapter.poll(&run).await.is_ok());
    assert_eq!(logins(&adapter), 2, "401: a new login");
    // It is refused with a new login as well: that is the answer.
    let adapter = adapter_of(true);
    assert!(adapter.refusal(&adapter.run(OUR_ID)).await.contains("(403)"));
    assert_eq!(logins(&adapter), 1, "the login was new");
    assert!(adapter.refusal(&adapter.run(OUR_ID)).await.contains("(403)"));
    assert_eq!(logins(&adapter), 2, "once more, and not again");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_the_request_and_no_secret() {
    for auth in [
        "{ bearer = { env = \"CI_TOKEN\" } }",
        "{ basic = { user = \"a\", password = { env = \"CI_TOKEN\" } } }",
        "{ header = { name = \"X-Token\", value = { env = \"CI_TOKEN\" } } }",
        "{ login = { url = \"URL/login\", keep = \"cookie\", \
         form = { p = { env = \"CI_TOKEN\" } } } }",
    ] {
        let adapter = adapter(&format!(
            "auth = {auth}\nsign = [\"standard_webhooks\", \"x_hub_signature_256\"]\n\
             secret = {{ env = \"SIGNING\" }}\n[ci.builder.start]\n\
             url = \"URL/x/{{{{ branch }}}}\"\n\
             headers = {{ X-Job = \"{{{{ check }}}}\", X-Key = {{ env = \"CI_TOKEN\" }} }}\n\
             json = {{ run = \"{{{{ run }}}}\", token = {{ env = \"CI_TOKEN\" }}, \
             report = \"{{{{ report.token }}}}\", pr = \"{{{{ pull_request.id }}}}\" }}\n"
        ));
        let run = adapter.run(OUR_ID);
        let explained = adapter.systems.explain(NAME, &adapter.trigger(&run)).unwrap();
        assert!(explained.starts_with("POST http"), "{explained}");
        for shown in [
            OUR_ID,
            "\"pr\":7",
            "\"token\":\"[secret]\"",
            "\"report\":\"[secret]\"",
            "webhook-signature: [secret]",
            "x-hub-signature-256: [secret]",
            "x-key: [secret]",
        ] {
            assert!(explained.contains(shown), "{shown} is not in {explained}");
        }
        for secret in [TOKEN, SIGNING, "azgwr_report-token"] {
            assert!(!explained.contains(secret), "{explained}");
        }
        assert_eq!(adapter.requests(), 0, "nothing is called");
    }
}
