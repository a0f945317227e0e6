//! What holds for every command: it prints JSON for programs, or says that it has none, and its
//! exit code says what became of it.

use std::collections::{BTreeMap, BTreeSet};

use fakes::ado::Permission;
use fakes::ci::Behaviour;
use serde_json::Value;

use super::call::{CallResult, ask, run};
use crate::harness::{Binary, Env, REPORTER, Settings, VIEWER};

/// Every command of the help, as words: those that have subcommands, and those that do something.
pub(super) fn commands() -> (Vec<String>, Vec<String>) {
    let (mut groups, mut leaves) = (Vec::new(), Vec::new());
    let mut open = vec![String::new()];
    while let Some(command) = open.pop() {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(&BTreeMap::new(), &words, b"").done();
        let Some((_, list)) = help.split_once("\nCommands:\n") else {
            leaves.push(command);
            continue;
        };
        let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
            let name = line.strip_prefix("  ")?.split_whitespace().next()?;
            (line.starts_with("  ") && !line.starts_with("   ") && name != "help").then_some(name)
        });
        open.extend(names.map(|name| format!("{command} {name}").trim().to_owned()));
        groups.push(command);
    }
    assert!(leaves.len() > 20, "only these are there: {leaves:?}");
    (groups, leaves)
}

/// The commands without JSON, and what their refusal says.
const WITHOUT_JSON: [(&str, &str); 6] = [
    ("serve", "prints nothing but its log"),
    ("runner --url http://127.0.0.1:1 --labels a -- true", "prints nothing but its log"),
    ("demo", "tells people"),
    ("healthcheck", "its exit code is the answer"),
    ("completions bash", "a shell reads"),
    ("man", "`man` reads"),
];

/// A gateway whose service user is linked, with one run that has ended.
async fn linked(env: &Env) -> Binary {
    let gateway = Binary::without_hooks(env, |settings| {
        settings.credential = env.service_user("");
        settings.organization = "reconcile = \"1d\"\ncatch_up = \"off\"".to_owned();
        settings.environment.insert("ADMINISTRATOR".to_owned(), "administrator".to_owned());
    })
    .await;
    env.link(&gateway.url).await;
    env.until("there are hooks", |ado, _| ado.subscriptions().count() >= 3).await;
    env.shell.ado(|ado| {
        let administrator = ado.create_identity("Root", "root@fabrikam.example");
        let scopes = ["vso.security_manage", "vso.identity"];
        ado.add_pat("administrator", &administrator, &scopes, 4_102_444_800_000);
    });
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    gateway
}

/// Asks with `--json`. Something may be found that is wrong, but nothing may be refused.
#[track_caller]
fn json(settings: &Settings, command: &str, more: &[&str]) -> Value {
    let words: Vec<&str> = command.split(' ').chain(more.iter().copied()).collect();
    let CallResult { code, out, err } = ask(settings, &[&words[..], &["--json"]].concat());
    assert!(matches!(code, Some(0 | 1)) && !err.contains("error"), "{command}: {code:?} {err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command}: {error}: {out}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_json_or_says_that_it_has_none() {
    let env = Env::new(5101);
    let gateway = linked(&env).await;
    let settings = &gateway.settings;
    let mut seen = BTreeSet::new();
    let mut take = |command: &str, more: &[&str]| {
        seen.insert(command.to_owned());
        json(settings, command, more)
    };
    let organization_url = env.shell.ado(|ado| ado.organization_url("fabrikam"));
    let init = [
        ["--organization", "fabrikam"],
        ["--azure-devops-url", &organization_url],
        ["--public-url", "https://gateway.example.com"],
        ["--credential", "pat"],
        ["--ci", "webhook"],
        ["--ci-key", "url=https://ci.example.com/start"],
    ];
    take("init", &[&["--yes", "--print"], init.as_flattened()].concat());
    take("check-config", &[]);
    assert!(take("reload", &[])["changes"].is_array());
    assert!(take("keygen", &[])["secret"].is_string());
    assert!(take("link", &["fabrikam"])["url"].is_string());
    let started = take("deliveries list", &["--outcome", "started"]);
    let delivery = started["items"][0]["id"].to_string();
    let delivery = delivery.trim_matches('"');
    for command in ["deliveries show", "deliveries replay"] {
        take(command, &[delivery]);
    }
    take("explain", &["--delivery", delivery]);
    env.shell.ci(|ci| ci.set_default(Behaviour::NeverReport));
    let runs = take("runs list", &[]);
    let ended = runs["items"][0]["id"].as_str().expect("it has an id");
    take("runs show", &[ended]);
    let again = take("runs rerun", &[ended]);
    let again = again["id"].as_str().expect("it has an id");
    take("runs cancel", &[again]);
    for command in ["ci list", "ci check", "permissions check", "hooks list", "hooks plan"] {
        assert!(take(command, &[])["items"].is_array(), "{command}");
    }
    take("permissions grant", &["fabrikam", "--pat-env", "ADMINISTRATOR"]);
    for command in ["hooks apply", "hooks rotate", "hooks remove", "sessions revoke"] {
        take(command, &[]);
    }
    let mut reporter = settings.clone();
    reporter.environment.insert("AZDO_GATEWAY_TOKEN".to_owned(), REPORTER.to_owned());
    seen.insert("report".to_owned());
    json(&reporter, "report", &["--run", ended, "--state", "succeeded"]);
    let settings = settings.clone();
    drop(gateway);
    seen.insert("migrate".to_owned());
    json(&settings, "migrate", &["--check"]);
    for (command, words) in WITHOUT_JSON {
        let name = command.split(' ').next().expect("it has a first word");
        seen.insert(name.to_owned());
        let words_of_command: Vec<&str> =
            ["--json"].into_iter().chain(command.split(' ')).collect();
        run(&BTreeMap::new(), &words_of_command, b"").refused(2, &["--json", words]);
    }
    let (_, leaves) = commands();
    assert_eq!(seen, leaves.into_iter().collect(), "add what is missing to this test");
}

/// For each command a call that is refused or fails, and one that is wrong.
const EXITS: [(&str, &str, &str); 31] = [
    ("init", "--yes --print --organization nobody --azure-devops-url {ado}/nobody {rest}", "--yes"),
    ("serve", "", "--config /nowhere.toml"),
    ("demo", NEVER, "--quick"),
    ("reload", "--url http://127.0.0.1:1", "--config /nowhere.toml"),
    ("check-config", NEVER, "--config /nowhere.toml"),
    ("keygen", NEVER, "--project Fabrikam"),
    ("migrate", "--from sqlite:/nowhere/a.db --to sqlite:/nowhere/b.db", "--from a --to b"),
    ("link", "contoso", ""),
    ("explain", "/nowhere.json", "--against 7"),
    ("deliveries list", "--outcome bad", "--limit many"),
    ("deliveries show", "99999", ""),
    ("deliveries replay", "99999", ""),
    ("runs list", "--state bad", "--limit many"),
    ("runs show", "99999", ""),
    ("runs cancel", "99999", ""),
    ("runs rerun", "99999", ""),
    ("hooks list", "--limit 0", "--url ftp://127.0.0.1"),
    ("hooks plan", "--organization contoso", "--url gateway"),
    ("hooks apply", "--organization contoso", "--url http://10.0.0.1"),
    ("hooks rotate", "--organization contoso", "--quick"),
    ("hooks remove", "--organization contoso", "--quick"),
    ("ci list", "--url http://127.0.0.1:1", "--url ftp://127.0.0.1"),
    ("ci check", "nobody", "--quick"),
    ("permissions check", "", "--quick"),
    ("permissions grant", "fabrikam --pat-file {config}", "fabrikam --pat-env NOBODY_SET_IT"),
    ("sessions revoke", "{empty}", "--quick"),
    ("report", "--run 99999 --state running", "--run 99999 --state done"),
    ("runner", "--url {url} --dir {folder}/runner --labels a -- true", "--labels a -- true"),
    ("healthcheck", "--url http://127.0.0.1:1", "--config /nowhere.toml"),
    ("completions", NEVER, "tcsh"),
    ("man", "--out {config}/man", "--quick"),
];

/// Instead of a call that fails: there is none.
const NEVER: &str = "never";

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_a_refusal_from_a_wrong_call() {
    let env = Env::new(5102);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let settings = &gateway.settings;
    env.shell.ado(|ado| ado.deny(&env.identity, Permission::PullRequestContribute, None));
    let config = settings.write();
    let config = config.to_str().expect("the path is text");
    let rest = "--public-url https://gateway.example.com --credential pat --ci runner";
    let mut variables = settings.variables();
    // Enough for a runner to be refused, and for everything that only looks.
    variables.insert("AZDO_GATEWAY_TOKEN".to_owned(), VIEWER.to_owned());
    let call = |command: &str, arguments: &str| {
        let arguments = arguments
            .replace("{rest}", rest)
            .replace("{ado}", env.shell.url())
            .replace("{url}", &gateway.url)
            .replace("{config}", config)
            .replace("{folder}", settings.folder.to_str().expect("the path is text"));
        let own = if arguments.contains("--config") { "" } else { "--config" };
        let own = [own, config].into_iter().take(if own.is_empty() { 0 } else { 2 });
        let words = own.chain(command.split(' ')).chain(arguments.split(' '));
        let words = words.filter(|word| !word.is_empty());
        let words: Vec<&str> = words.map(|it| if it == "{empty}" { "" } else { it }).collect();
        let CallResult { code, out, err } = run(&variables, &words, b"");
        assert!(!err.is_empty() || code == Some(1), "{words:?} says nothing; {out}");
        code
    };
    for (command, refused, wrong) in EXITS {
        assert_eq!(call(command, wrong), Some(2), "{command} {wrong}");
        if refused != NEVER {
            assert_eq!(call(command, refused), Some(1), "{command} {refused}");
        }
    }
    let (groups, leaves) = commands();
    let named: BTreeSet<String> = EXITS.iter().map(|(command, ..)| (*command).to_owned()).collect();
    assert_eq!(named, leaves.into_iter().collect(), "add what is missing to this test");
    for group in groups {
        assert_eq!(call(&group, ""), Some(2), "{group} without a subcommand");
    }
}
