//! The rules of each table: which text breaks a rule, with which message, and what is accepted.
//!
//! The refused texts are in `refusals/*.txt`. A case begins with `====` and the part of the valid
//! file that it replaces, then has the replacement, and after `----` the messages without the path.

use std::time::Duration;

use super::*;
use crate::domain::check::{Forks, Trigger};
use crate::domain::run::{StatusLink, Verdict};
use crate::storage::Engine;

const REFUSALS: [(&str, &str); 12] = [
    ("server", include_str!("refusals/server.txt")),
    ("storage", include_str!("refusals/storage.txt")),
    ("secrets", include_str!("refusals/secrets.txt")),
    ("tokens", include_str!("refusals/tokens.txt")),
    ("sign_in", include_str!("refusals/sign_in.txt")),
    ("organizations", include_str!("refusals/organizations.txt")),
    ("service_user", include_str!("refusals/service_user.txt")),
    ("service_principal", include_str!("refusals/service_principal.txt")),
    ("platform", include_str!("refusals/platform.txt")),
    ("checks", include_str!("refusals/checks.txt")),
    ("ci", include_str!("refusals/ci.txt")),
    ("syntax", include_str!("refusals/syntax.txt")),
];

fn part(name: &str) -> &'static str {
    match name {
        "SERVER" => SERVER,
        "SECRETS" => SECRETS,
        "ORGANIZATION" => ORGANIZATION,
        "CREDENTIAL" => CREDENTIAL,
        "CHECK" => CHECK,
        "CI" => CI,
        _ => panic!("there is no part {name}"),
    }
}

#[test]
fn a_broken_rule_is_refused_with_its_position_and_a_remedy() {
    for (name, cases) in REFUSALS {
        for case in cases.split("==== ").skip(1) {
            let (replaced, case) = case.split_once('\n').unwrap();
            let (replacement, expected) = case.split_once("----\n").unwrap();
            let errors = read(&file(&[(part(replaced), replacement)])).unwrap_err();
            assert_no_secret(&format!("{errors} {errors:?}"));
            let messages = errors.to_string().replace("gateway.toml:", "");
            assert_eq!(format!("{messages}\n"), expected, "in {name}.txt:\n{replacement}");
        }
    }
}

/// Fails if the output contains a secret of the variables, of the files, or of a wrong key.
fn assert_no_secret(output: &str) {
    let secrets = [
        ROOT_KEY,
        &SIGNING["whsec_".len()..],
        TOKEN,
        PAT,
        CLIENT_SECRET,
        NEXT_CLIENT_SECRET,
        CLIENT_SECRET_ID,
        CI_TOKEN,
        CI_WEBHOOK_SECRET,
        "pem-body",
        "MAMCAQA",
        "short-secret",
        "spaced secret",
        "c2hvcnQ",
        "inline-secret",
        "hidden-password",
        "pat0123456789",
        "12345",
    ];
    for secret in secrets {
        assert!(!output.contains(secret), "{secret} is in the output: {output}");
    }
}

/// The configuration that results from the `replacements`, which must not break a rule.
pub(super) fn accepted(replacements: &[(&str, &str)]) -> Config {
    let config = read(&file(replacements)).unwrap_or_else(|errors| panic!("{errors}"));
    assert_no_secret(&format!("{config:?}"));
    config
}

#[test]
fn missing_keys_have_their_defaults() {
    let config = accepted(&[]);
    assert_eq!(config.warnings, []);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "https://gw.example.com/");
    assert_eq!(config.server.body_bytes_max, 4 << 20);
    assert_eq!(config.server.memory_bytes_max, 64 << 20);
    assert_eq!(config.server.drain, Duration::from_secs(20));
    assert_eq!(config.storage.retention, Duration::from_hours(30 * 24));
    assert_eq!(config.storage.audit_retention, Duration::from_hours(365 * 24));
    let Engine::Sqlite { path } = &config.storage.engine else { panic!("it is SQLite") };
    assert_eq!(path, Path::new("data/gateway.db"));
    let organization = &config.organizations[0];
    assert_eq!(organization.ado.azure_devops_url.as_str(), "https://dev.azure.com/fabrikam");
    assert_eq!(organization.ado.identity_url.as_str(), "https://vssps.dev.azure.com/fabrikam");
    assert_eq!(organization.catch_up, Some(Duration::from_mins(5)));
    let check = &config.checks[0];
    assert_eq!((check.name.as_str(), check.genre.as_str()), ("unit", "azdo-gateway"));
    assert_eq!(check.on, [Trigger::PullRequest]);
    assert_eq!((check.forks, check.concurrency), (Forks::Approve, None));
    assert!(check.target_branches.matches("a/b/c") && check.branches.matches("main"));
    assert!(!check.drafts && check.skip_ci && check.supersede);
    assert!(check.targets.pull_request && check.targets.commit);
    assert_eq!(check.timeout, Duration::from_hours(2));
    assert!(config.api_tokens.is_empty() && config.ci.contains_key("builder"));
}

#[test]
fn given_keys_replace_the_defaults() {
    let text = "name = \"ado\"\nazure_devops_url = \"https://ado.example.com/tfs/Main//\"\n";
    let organization = format!("[[organization]]\n{text}");
    let check = CHECK.replace("fabrikam", "ADO") + "statuses = [\"commit\"]\nconcurrency = 0x10\n";
    let server = SERVER.replace(".com", ".com/gateway/") + "[storage]\nurl = \"sqlite:x.db\"\n";
    let config = accepted(&[(ORGANIZATION, &organization), (CHECK, &check), (SERVER, &server)]);
    assert_eq!(config.server.public_url.as_str(), "https://gw.example.com/gateway");
    let ado = &config.organizations[0].ado;
    assert_eq!(ado.azure_devops_url.as_str(), "https://ado.example.com/tfs/Main");
    assert_eq!(ado.identity_url, ado.azure_devops_url);
    let check = &config.checks[0];
    assert_eq!(check.organization, "ado", "as the organization spells it");
    assert!(!check.targets.pull_request && check.targets.commit);
    assert_eq!(check.concurrency, Some(16));
}

#[test]
fn a_check_knows_how_many_runs_its_ci_may_have() {
    let ci = format!("{CI}concurrency = 4\n");
    let check = accepted(&[(CI, &ci)]).checks.remove(0);
    assert_eq!((check.ci_concurrency, check.concurrency), (Some(4), None));
    assert_eq!(accepted(&[]).checks[0].ci_concurrency, None);
}

#[test]
fn both_host_names_of_azure_devops_services_have_the_same_identity_url() {
    let url = "azure_devops_url = \"https://fabrikam.visualstudio.com\"\n";
    let organization = format!("{ORGANIZATION}{url}");
    let ado = &accepted(&[(ORGANIZATION, &organization)]).organizations[0].ado;
    assert_eq!(ado.azure_devops_url.as_str(), "https://fabrikam.visualstudio.com/");
    assert_eq!(ado.identity_url.as_str(), "https://vssps.dev.azure.com/fabrikam");
}

#[test]
fn the_audit_log_is_kept_at_least_as_long_as_other_rows() {
    for (given, days) in [
        ("retention = \"1000d\"", 1000),
        ("retention = \"7d\"\naudit_retention = \"7d\"", 7),
        ("audit_retention = \"3650d\"", 3650),
    ] {
        let config = accepted(&[(SERVER, &format!("{SERVER}[storage]\n{given}\n"))]);
        assert_eq!(config.storage.audit_retention, Duration::from_hours(days * 24), "{given}");
    }
}

#[test]
fn secrets_are_loaded_from_variables_and_files() {
    let pat = CREDENTIAL.replace("env = \"AZDO_GATEWAY_PAT\"", "file = \"/run/pat\"");
    let ci = CI.replace(
        "{ env = \"BUILDER_SECRET\" }",
        "[{ env = \"BUILDER_SECRET\" }, { env = \"BUILDER_SECRET\" }]",
    );
    let secrets = SECRETS.to_owned() + "previous_root_key = { file = \"/run/root_key\" }\n";
    let config = accepted(&[(CREDENTIAL, &pat), (CI, &ci), (SECRETS, &secrets)]);
    let crate::credentials::Options::Pat { token } = &config.organizations[0].credential else {
        panic!("the kind is pat");
    };
    assert_eq!(token.expose(), PAT, "without the line break");
    let shown = format!("{:?}", config.ci["builder"].kind);
    assert_eq!(shown.matches("[secret]").count(), 2, "{shown}");
    assert!(config.secrets.previous.is_some());
}

#[test]
fn a_previous_root_key_in_an_unset_variable_is_ignored() {
    for name in ["MISSING", "EMPTY"] {
        let secrets = format!("{SECRETS}previous_root_key = {{ env = \"{name}\" }}\n");
        assert!(accepted(&[(SECRETS, &secrets)]).secrets.previous.is_none());
    }
}

#[test]
fn loopback_urls_are_accepted_where_everything_is_on_one_machine() {
    let server = SERVER.replace("https://gw.example.com", "http://[::1]:8080/");
    let organization =
        ORGANIZATION.to_owned() + "azure_devops_url = \"http://localhost:7070/fabrikam\"\n";
    let config = accepted(&[(SERVER, &server), (ORGANIZATION, &organization)]);
    assert_eq!(config.server.public_url.as_str(), "http://[::1]:8080/");
}

/// The warnings about a file with these replacements.
pub(super) fn warnings(replacements: &[(&str, &str)]) -> Vec<String> {
    accepted(replacements).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn warns_about_keys_without_effect() {
    let organization = ORGANIZATION.to_owned() + "catch_up = \"off\"\n";
    let credential = CREDENTIAL.to_owned() + "pat_use = \"window\"\npat_lifetime = \"1m\"\n";
    let no_pat = "leave it out: no PAT is minted";
    let expected = [
        (
            "7:12: catch_up: events whose delivery Azure DevOps drops are not found",
            "write catch_up = \"5m\"",
        ),
        ("11:11: pat_use has no effect with kind = \"pat\"", no_pat),
        ("12:16: pat_lifetime has no effect with kind = \"pat\"", no_pat),
    ]
    .map(|(what, help)| format!("gateway.toml:{what}\n  help: {help}"));
    let parts = [(ORGANIZATION, &*organization), (CREDENTIAL, &credential)];
    assert_eq!(warnings(&parts), expected);
}

#[test]
fn warns_about_unused_tables_and_unencrypted_report_tokens() {
    let ci = CI.replace("https", "http");
    assert_eq!(
        warnings(&[(CI, &ci)]),
        ["gateway.toml:17:7: url is http: report tokens are sent without encryption\n  \
          help: write an https address"]
    );
    assert_eq!(
        warnings(&[(ORGANIZATION, ""), (CREDENTIAL, ""), (CHECK, "")]),
        [
            "gateway.toml:1:1: there is no organization: no delivery is accepted\n  \
             help: add [[organization]]",
            "gateway.toml:1:1: there is no check: deliveries are stored, and no run is started\n  \
             help: add [[check]]",
            "gateway.toml:5:1: no check uses [ci.builder]\n  \
             help: remove it, or name it in a check",
        ]
    );
    let local = CI.replace("https://ci.example.com", "http://127.0.0.1:7070");
    let without_commands = CHECK.to_owned() + "commands = false\n";
    assert!(warnings(&[(CI, &local), (CHECK, &without_commands)]).is_empty());
}

#[test]
fn a_check_that_runs_code_of_forks_should_not_be_ended_by_that_code() {
    let guarded = |keys: &str| warnings(&[(CHECK, &format!("{CHECK}{keys}"))]);
    assert_eq!(
        guarded("required = true\nforks = \"run\"\n"),
        ["gateway.toml:16:9: forks: code from a fork can read the token of its run, so that \
             token cannot end the run unless somebody has approved the code\n  \
          help: write verdict = \"reporter\", and have your CI report the end with an API token \
          of the role reporter"]
    );
    for keys in [
        "required = true\nforks = \"run\"\nverdict = \"reporter\"\n",
        "required = true\n",
        "forks = \"run\"\nverdict = \"reporter\"\n",
        "forks = \"ignore\"\n",
    ] {
        assert!(guarded(keys).is_empty(), "{keys}");
    }
    let verdict = |keys: &str| accepted(&[(CHECK, &format!("{CHECK}{keys}"))]).checks[0].verdict;
    assert_eq!(verdict(""), Verdict::Report);
    assert_eq!(verdict("verdict = \"reporter\"\n"), Verdict::Reporter);
}

#[test]
fn a_status_links_to_the_ci_or_to_the_page_of_the_run() {
    let link = |keys: &str| {
        let check = format!("{CHECK}{keys}");
        accepted(&[(CHECK, &check)]).checks[0].status_link
    };
    assert_eq!(link(""), StatusLink::Ci);
    assert_eq!(link("status_link = \"ci\"\n"), StatusLink::Ci);
    assert_eq!(link("status_link = \"run\"\n"), StatusLink::Run);
}

#[test]
fn hooks_reconcile_and_catch_up_are_read() {
    let keys = "hooks = false\nreconcile = \"1s\"\ncatch_up = \"1s\"\n";
    let organization = ORGANIZATION.to_owned() + keys;
    let config = accepted(&[(ORGANIZATION, &organization)]);
    let organization = &config.organizations[0];
    assert!(!organization.hooks);
    assert_eq!(organization.reconcile, Duration::from_secs(1));
    assert_eq!(organization.catch_up, Some(Duration::from_secs(1)));
}

#[test]
fn a_host_that_accounts_of_dbt_cloud_shared_is_warned_about() {
    let warned = |host: &str| {
        let ci = format!(
            "[ci.builder]\nkind = \"dbt_cloud\"\nurl = \"https://{host}\"\naccount = 7\njob = 8\n\
             token = {{ env = \"DBT_TOKEN\" }}\n"
        );
        let warnings = accepted(&[(CI, &ci)]).warnings;
        warnings.iter().any(|it| it.what.contains("accounts do not share a host any more"))
    };
    assert!(warned("cloud.getdbt.com") && warned("emea.dbt.com"));
    assert!(!warned("ab123.us1.dbt.com") && !warned("dbt.example.com"));
}
