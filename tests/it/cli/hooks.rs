//! `hooks list|plan|apply|rotate|remove`, with a running gateway and without.

use std::collections::BTreeSet;

use fakes::ado::hooks::Subscription;
use fakes::ado::{Permission, SubscriptionStatus};
use fakes::faults::{Rule, server_error_500};
use serde_json::{Value, json};

use super::call::{ask, run};
use crate::harness::{Binary, Env, PAT, Settings};

const MANAGED: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"";
const PLAN: [&str; 2] = ["hooks", "plan"];
const CHECK: [&str; 3] = ["hooks", "plan", "--check"];
const JSON: [&str; 3] = ["hooks", "plan", "--json"];
const APPLY: [&str; 2] = ["hooks", "apply"];
const REMOVE: [&str; 2] = ["hooks", "remove"];

/// The settings of a gateway that does not run, at a port that nothing else listens on.
fn not_running(env: &Env) -> Settings {
    let mut settings = env.settings("127.0.0.1:1");
    settings.organization = MANAGED.into();
    settings
}

fn subscriptions(env: &Env) -> Vec<Subscription> {
    env.shell.ado(|ado| ado.subscriptions().cloned().collect())
}

fn passwords(found: &[Subscription]) -> BTreeSet<String> {
    found.iter().map(|one| one.consumer_inputs["basicAuthPassword"].clone()).collect()
}

fn of<'s>(found: &'s [Subscription], event_type: &str) -> &'s Subscription {
    found.iter().find(|one| one.event_type == event_type).expect("it is there")
}

/// The items of a list or of the only plan, as lines of these fields.
fn lines(items: &Value, fields: &[&str]) -> Vec<String> {
    let word = |item: &Value, field: &str| item[field].as_str().unwrap_or("-").to_owned();
    let line = |item: &Value| fields.iter().map(|field| word(item, field)).collect::<Vec<_>>();
    let items = items["items"].as_array().expect("a list has items").iter();
    items.map(|item| line(item).join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn works_on_the_store_where_no_gateway_runs() {
    let env = Env::new(4401);
    let mut settings = not_running(&env);
    let required = "target_branches = [\"main\"]\nrequired = true";
    settings.checks = crate::harness::check("unit-tests", required);
    env.shell.ado(|ado| {
        ado.revoke_token(PAT);
        let scopes = ["vso.code", "vso.code_status", "vso.code_write"];
        ado.add_pat(PAT, &env.identity, &scopes, 4_102_444_800_000);
    });
    let planned = [
        "fabrikam",
        "  + add    hook Fabrikam created: there is none",
        "  + add    hook Fabrikam updated: there is none",
        "  + add    hook Fabrikam comments: there is none",
        "  + add    policy Fabrikam ci/unit-tests for web main: the check is required, and no \
         policy makes merging wait for it",
        "  4 to add, 0 to change, 0 to heal, 0 to remove, 0 left to a person; 0 as they should \
         be, 0 of others not touched",
    ];
    let shown = ask(&settings, &PLAN).done();
    assert_eq!(shown.lines().collect::<Vec<_>>(), planned);
    assert_eq!(ask(&settings, &CHECK).with(1).out, shown);
    assert!(subscriptions(&env).is_empty(), "a plan changes nothing");
    let applied = ask(&settings, &APPLY).done();
    assert!(applied.starts_with(&shown) && applied.ends_with("\n  done\n"), "{applied}");
    assert_eq!(subscriptions(&env).len(), 3);
    assert_eq!(env.shell.ado(|ado| ado.policies().count()), 1);
    let nothing = "  0 to add, 0 to change, 0 to heal, 0 to remove, 0 left to a person; 3 as they \
                   should be, 0 of others not touched";
    assert_eq!(ask(&settings, &CHECK).done(), format!("fabrikam\n{nothing}\n"));
    ask(&settings, &APPLY).done();
    assert_eq!(subscriptions(&env).len(), 3, "no hook is created twice");
    assert!(ask(&settings, &REMOVE).done().ends_with("\n  done\n"));
    assert!(subscriptions(&env).is_empty());
    let held = ask(&settings, &CHECK).done();
    assert!(held.contains("`azdo-gateway hooks apply` creates them again"), "{held}");
    ask(&settings, &APPLY).done();
    assert_eq!(subscriptions(&env).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_about_builds_are_in_the_project_of_the_pipeline_as_long_as_a_check_runs_there() {
    let env = Env::new(4403);
    let (tools, pipeline) = env.shell.ado(|ado| {
        let tools = ado.create_project("fabrikam", "Tools");
        let repository = ado.create_repository(&tools, "farm");
        // Pipelines are seen without their repositories.
        ado.deny(&env.identity, Permission::GenericRead, Some(&repository));
        (tools, ado.create_pipeline(&repository, "build"))
    });
    let mut settings = not_running(&env);
    settings.checks = crate::harness::check("build", "on = [\"push\"]");
    let webhook = settings.ci.clone();
    settings.ci = Some(format!(
        "kind = \"azure_pipelines\"\norganization = \"fabrikam\"\nproject = \"tools\"\n\
         pipeline = {pipeline}"
    ));
    let shown = ask(&settings, &PLAN).done();
    assert!(shown.contains("  + add    hook tools builds: there is none"), "{shown}");
    ask(&settings, &APPLY).done();
    let found = subscriptions(&env);
    assert_eq!(of(&found, "build.complete").publisher_inputs["projectId"], tools);
    assert_eq!(found.len(), 2);
    ask(&settings, &CHECK).done();
    let listed = ask(&settings, &["hooks", "list", "--json"]).json();
    let listed = lines(&listed, &["project", "topic", "state", "action"]);
    assert!(listed.contains(&"tools builds enabled keep".to_owned()), "{listed:?}");
    settings.ci = webhook;
    let shown = ask(&settings, &CHECK).with(1).out;
    assert!(shown.contains("no check needs builds of this project"), "{shown}");
    ask(&settings, &APPLY).done();
    let left: Vec<String> = subscriptions(&env).into_iter().map(|one| one.event_type).collect();
    assert_eq!(left, ["git.push"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_differences_and_no_secret() {
    let env = Env::new(4402);
    let settings = not_running(&env);
    ask(&settings, &APPLY).done();
    let found = subscriptions(&env);
    env.subscribe("http://127.0.0.1:2").await;
    let created = of(&found, "git.pullrequest.created").id.clone();
    let updated = of(&found, "git.pullrequest.updated").id.clone();
    let comments = of(&found, "ms.vss-code.git-pullrequest-comment-event").id.clone();
    env.shell.ado(|ado| {
        ado.change_subscription(&created, |one| {
            one.publisher_inputs.insert("branch".into(), "main".into());
        });
        ado.set_subscription_status(&updated, SubscriptionStatus::DisabledBySystem);
        ado.set_subscription_status(&comments, SubscriptionStatus::DisabledByUser);
    });
    let shown = ask(&settings, &CHECK).with(1).out;
    for line in [
        format!("  ~ change hook Fabrikam created {created}: these settings differ: branch"),
        "             branch: \"main\" -> \"\"".to_owned(),
        format!(
            "  ! heal   hook Fabrikam updated: {updated} is disabled_by_system: a new one is \
             created beside it"
        ),
        "  0 to add, 1 to change, 1 to heal, 0 to remove, 1 left to a person; 2 as they should \
         be, 3 of others not touched"
            .to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} is not in {shown}");
    }
    assert!(shown.contains(&format!("  ? leave  hook Fabrikam comments {comments}: a person")));
    let json = ask(&settings, &JSON).json();
    let plan = &json["items"][0];
    let steps = lines(plan, &["kind", "action", "what"]);
    let expected = ["hook change created", "hook heal updated", "hook leave comments"];
    assert_eq!(steps, expected);
    let change = json!({ "field": "branch", "from": "main", "to": "" });
    assert_eq!(plan["items"][0]["changes"], json!([change]));
    for password in passwords(&subscriptions(&env)) {
        assert!(!shown.contains(&password) && !json.to_string().contains(&password));
    }
    // A hook that a person switched off is left alone, and is no step of the plan.
    env.shell.ado(|ado| {
        ado.remove_subscription(&created);
        ado.remove_subscription(&updated);
    });
    let applied = ask(&settings, &APPLY).done();
    assert!(applied.ends_with("\n  done\n"), "{applied}");
    ask(&settings, &CHECK).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_applies_the_plan_and_the_command_waits() {
    let env = Env::new(4403);
    let gateway = Binary::without_hooks(&env, |settings| settings.organization = MANAGED.into());
    let gateway = gateway.await;
    let settings = &gateway.settings;
    ask(settings, &APPLY).done();
    let before = subscriptions(&env);
    assert_eq!(before.len(), 4);
    let listed = ask(settings, &["hooks", "list"]).done();
    assert!(listed.starts_with("ID "), "{listed}");
    assert_eq!(listed.lines().count(), 5, "{listed}");
    let mut topics = ask(settings, &["hooks", "list", "--json"]).json();
    topics["items"].as_array_mut().unwrap().sort_by_key(|item| item["topic"].to_string());
    let expected = ["comments", "created", "pushes", "updated"];
    let expected = expected.map(|topic| format!("Fabrikam {topic} enabled keep"));
    assert_eq!(lines(&topics, &["project", "topic", "state", "action"]), expected);
    let rotated = ask(settings, &["hooks", "rotate", "--organization", "fabrikam"]).done();
    assert!(rotated.ends_with("\n  done\n"), "{rotated}");
    // A pass that is soon followed by another one may end between two looks.
    for line in ["  subscriptions: asked for a pass\n", "  subscriptions: 0 changes\n"] {
        assert!(rotated.contains(line), "{line:?} is not in {rotated}");
    }
    let after = subscriptions(&env);
    assert_eq!(after.len(), 4);
    assert!(passwords(&before).is_disjoint(&passwords(&after)), "each has a new secret");
    let elsewhere = ["hooks", "rotate", "--project", "00000000-0000-0000-0000-000000000000"];
    ask(settings, &elsewhere).refused(1, &["there is no hook to rotate"]);
    ask(settings, &REMOVE).done();
    assert!(subscriptions(&env).is_empty());
    ask(settings, &APPLY).done();
    assert_eq!(subscriptions(&env).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_hooks_waits_for_no_pass_of_policies() {
    let env = Env::new(4405);
    let gateway = Binary::without_hooks(&env, |settings| {
        settings.organization = MANAGED.replace("1s", "45s");
    });
    let gateway = gateway.await;
    ask(&gateway.settings, &APPLY).done();
    let passes = async || gateway.api.items("/v1/organizations/fabrikam/reconcile").await;
    let of = |passes: &[Value], name: &str| {
        let found = passes.iter().find(|pass| pass["reconciler"] == name);
        found.expect("it has run")["at"].clone()
    };
    let before = passes().await;
    let removed = ask(&gateway.settings, &REMOVE).done();
    assert!(removed.ends_with("\n  done\n"), "{removed}");
    assert!(!removed.contains("policies: "), "{removed}");
    assert!(subscriptions(&env).is_empty());
    let after = passes().await;
    assert_eq!(of(&after, "policies"), of(&before, "policies"), "nobody has asked for a pass");
    assert_ne!(of(&after, "subscriptions"), of(&before, "subscriptions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    let env = Env::new(4404);
    let mut settings = not_running(&env);
    for command in ["plan", "apply", "rotate", "remove"] {
        let words = ["hooks", command, "--organization", "contoso"];
        ask(&settings, &words).refused(1, &["no organization contoso"]);
    }
    ask(&settings, &["hooks", "rotate"]).refused(1, &["there is no hook", "hooks apply"]);
    let broken = Rule::new("POST", "/_apis/hooks/subscriptionsquery", server_error_500());
    env.shell.ado(|ado| ado.faults.add(broken));
    ask(&settings, &CHECK).refused(1, &["no plan can be made now"]);
    env.shell.ado(|ado| ado.faults.clear());
    settings.organization = "hooks = false".into();
    let by_hand = ask(&settings, &CHECK).done();
    assert!(by_hand.contains("  hooks are made by hand here (hooks = false)\n"), "{by_hand}");
    ask(&settings, &["hooks", "rotate"]).refused(1, &["made by hand (hooks = false)"]);
    ask(&settings, &APPLY).done();
    assert!(subscriptions(&env).is_empty());
    run(&[].into(), &["hooks"], b"").refused(2, &["Usage: azdo-gateway hooks"]);
}
