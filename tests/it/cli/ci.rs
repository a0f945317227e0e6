//! `ci list` and `ci check`: what each CI can do, and what is wrong with it.

use fakes::systems::buildkite;

use super::call::ask;
use crate::harness::{Env, Settings};

/// Settings with a CI of kind `buildkite` that no check uses, and the fake of it.
fn with_buildkite(env: &Env) -> Settings {
    let world = buildkite::World::new(4901);
    let (organization, pipeline) = (world.organization(), world.pipeline());
    let token = world.token().to_owned();
    let url = env.shell.add_system("other", Box::new(world));
    let mut settings = env.settings("127.0.0.1:1");
    settings.checks += &format!(
        "[ci.other]\nkind = \"buildkite\"\norganization = \"{organization}\"\n\
         pipeline = \"{pipeline}\"\ntoken = {{ env = \"CI_TOKEN\" }}\nurl = \"{url}\"\n"
    );
    settings.environment.insert("CI_TOKEN".to_owned(), token);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_that_no_check_uses_is_listed_and_checked() {
    let env = Env::new(4901);
    let settings = with_buildkite(&env);
    let listed = ask(&settings, &["ci", "list"]).done();
    assert!(listed.contains("builder") && listed.contains("webhook"), "{listed}");
    assert!(listed.contains("other") && listed.contains("buildkite"), "{listed}");
    let found = ask(&settings, &["ci", "check", "other"]).done();
    assert!(!found.contains("problem:"), "{found}");
    ask(&settings, &["ci", "check", "nobody"]).refused(1, &["nobody"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_of_a_ci_has_a_remedy_and_exit_1() {
    let env = Env::new(4902);
    let mut settings = with_buildkite(&env);
    let wrong = "wrong-token-of-nobody-0000000000000000";
    settings.environment.insert("CI_TOKEN".to_owned(), wrong.to_owned());
    let found = ask(&settings, &["ci", "check", "other"]).with(1).out;
    assert!(found.contains("problem:") && found.contains("help: "), "{found}");
    assert!(!found.contains(wrong), "{found}");
    let all = ask(&settings, &["ci", "check", "--json"]).with(1).out;
    let all: serde_json::Value = serde_json::from_str(&all).expect("it prints one JSON value");
    assert_eq!(all["ok"], false);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
}
