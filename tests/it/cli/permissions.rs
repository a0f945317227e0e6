//! `permissions check|grant`, where a gateway runs and where none does.

use fakes::ado::Permission;

use super::call::{ask, run};
use crate::harness::{Binary, Env, PAT};

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_missing_permissions_and_fails() {
    let env = Env::new(41);
    let mut gateway = Binary::without_hooks(&env, |_| {}).await;
    let settings = gateway.settings.clone();
    let check = ["permissions", "check"];
    let fine = ask(&settings, &check).done();
    for line in [
        "organization  fabrikam (pat)",
        "identity      CI Gateway, svc-ci@fabrikam.example",
        "sees          1 project, 1 repository",
        "              Fabrikam/web  (unit-tests)",
        "tried         Fabrikam/web: a commit status can be posted",
        "nothing is missing",
    ] {
        assert!(fine.lines().any(|found| found == line), "{line:?} is not in {fine}");
    }
    let identity = &env.identity;
    env.shell.ado(|ado| ado.deny(identity, Permission::PullRequestContribute, None));
    let token = format!("token repoV2/{}/{}", env.project, env.repository);
    for _ in 0..2 {
        let missing = ask(&settings, &[&check[..], &["Fabrikam"]].concat()).with(1).out;
        for words in
            ["PullRequestContribute at Fabrikam/web", "bit 16384", &token, "--allow-bit 16384"]
        {
            assert!(missing.contains(words), "{words:?} is not in {missing}");
        }
        let json = ask(&settings, &[&check[..], &["--json"]].concat()).with(1).out;
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["items"][0]["organization"]["name"], "fabrikam");
        // The second time no gateway runs.
        gateway.kill();
    }
    ask(&settings, &[&check[..], &["contoso"]].concat()).refused(1, &["contoso", "404"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grant_needs_the_token_of_an_administrator() {
    let env = Env::new(42);
    let settings = env.settings("127.0.0.1:1");
    let grant = ["permissions", "grant", "fabrikam"];
    ask(&settings, &grant).refused(2, &["administrator", "--pat-env"]);
    let unset = [&grant[..], &["--pat-env", "NOBODY_SET_IT"]].concat();
    ask(&settings, &unset).refused(2, &["NOBODY_SET_IT is not set", "Security (Manage)"]);
    let lost = [&grant[..], &["--pat-file", "/nowhere/pat"]].concat();
    ask(&settings, &lost).refused(2, &["/nowhere/pat cannot be read"]);
    run(&[].into(), &grant[..2], b"").refused(2, &["ORGANIZATION"]);
    let mut settings = settings;
    settings.environment.insert("ADMINISTRATOR".into(), PAT.into());
    let unknown = ["permissions", "grant", "contoso", "--pat-env", "ADMINISTRATOR"];
    ask(&settings, &unknown).refused(2, &["no organization contoso"]);
    // Nothing is missing, so nothing is granted.
    let out = ask(&settings, &[&grant[..], &["--pat-env", "ADMINISTRATOR"]].concat()).done();
    assert!(!out.contains("granted") && out.contains("nothing is missing"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grant_grants_missing_permissions_only() {
    let env = Env::new(43);
    let mut gateway = Binary::without_hooks(&env, |_| {}).await;
    let settings = &mut gateway.settings;
    settings.environment.insert("ADMINISTRATOR".into(), "administrator".into());
    let identity = &env.identity;
    let needed = [Permission::ViewSubscriptions, Permission::EditSubscriptions];
    env.shell.ado(|ado| {
        let administrator = ado.create_identity("Root", "root@fabrikam.example");
        let scopes = ["vso.security_manage", "vso.identity"];
        ado.add_pat("administrator", &administrator, &scopes, 4_102_444_800_000);
        for permission in needed.into_iter().chain([Permission::EditPolicies]) {
            ado.deny_in_project(identity, permission, &env.project);
        }
    });
    let own = ["permissions", "grant", "fabrikam", "--pat-env", "PAT"];
    let refused = ask(settings, &own).with(1).err;
    assert!(refused.contains("cannot grant") && !refused.contains("granted"), "{refused}");
    let grant = ["permissions", "grant", "FABRIKAM", "--pat-env", "ADMINISTRATOR"];
    let out = ask(settings, &grant).done();
    let granted: Vec<&str> = out.lines().filter(|line| line.starts_with("granted")).collect();
    let grant = format!("bits 3, token PublisherSecurity/{}", env.project);
    assert!(granted.len() == 1 && granted[0].ends_with(&grant), "{out}");
    assert!(!out.contains("administrator"), "{out}");
    env.shell.ado(|ado| {
        for permission in needed {
            assert!(ado.may_in_project(identity, permission, &env.project));
        }
        assert!(!ado.may_in_project(identity, Permission::EditPolicies, &env.project));
    });
    ask(settings, &["permissions", "check"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_sees_no_project_is_shown_and_granted_what_it_needs() {
    let env = Env::new(44);
    let mut gateway = Binary::without_hooks(&env, |_| {}).await;
    let settings = &mut gateway.settings;
    settings.environment.insert("ADMINISTRATOR".into(), "administrator".into());
    settings.environment.insert("TOO_LITTLE".into(), "too-little".into());
    let identity = &env.identity;
    let scopes = ["vso.security_manage", "vso.identity", "vso.project"];
    env.shell.ado(|ado| {
        let administrator = ado.create_identity("Root", "root@fabrikam.example");
        ado.add_pat("administrator", &administrator, &scopes, 4_102_444_800_000);
        ado.add_pat("too-little", &administrator, &scopes[..2], 4_102_444_800_000);
        ado.hide_project(identity, &env.project);
        // Shows only once the identity sees the project.
        ado.deny_in_project(identity, Permission::ViewSubscriptions, &env.project);
    });
    let shown = ask(settings, &["permissions", "check"]).with(1).out;
    for words in [
        "missing       GENERIC_READ at Fabrikam\n",
        "namespace 52d39943-cb85-4d7f-8fa8-c6baac873819, bit 1, token $PROJECT:vstfs:///",
        "az devops security permission update --org ",
        "--project Fabrikam --query id --output tsv)\" --allow-bit 1\n",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    let too_little = ["permissions", "grant", "fabrikam", "--pat-env", "TOO_LITTLE"];
    ask(settings, &too_little).refused(1, &["id of the project Fabrikam", "Project and Team"]);
    let grant = ["permissions", "grant", "fabrikam", "--pat-env", "ADMINISTRATOR"];
    let out = ask(settings, &grant).done();
    let granted = out.lines().filter(|line| line.starts_with("granted")).count();
    assert_eq!(granted, 2, "{out}");
    ask(settings, &["permissions", "check"]).done();
}
