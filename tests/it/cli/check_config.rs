//! `check-config`: reports all errors at once, each with its position and a remedy.

use super::call::{ReferenceConfig, run};

#[test]
fn accepts_the_reference_file() {
    let config = ReferenceConfig::new();
    let out = config.run(&["check-config"]).done();
    assert_eq!(out, format!("{}: ok (1 organization, 1 check, 1 CI system)\n", config.file()));
    let json = config.run(&["check-config", "--json"]).json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["counts"]["checks"], 1);
}

#[test]
fn reads_the_path_of_the_file_from_a_variable() {
    let mut config = ReferenceConfig::new();
    config.variables.insert("AZDO_GATEWAY_CONFIG".to_owned(), config.file());
    assert!(run(&config.variables, &["check-config"], b"").done().starts_with(&config.file()));
}

/// The position of `text` in the line that begins with `line`, as messages have it.
fn position(config: &ReferenceConfig, line: &str, text: &str) -> String {
    let file = std::fs::read_to_string(config.file()).expect("it is there");
    let mut numbered = (1..).zip(file.lines());
    let (number, line) = numbered.find(|(_, one)| one.starts_with(line)).expect("there is one");
    let column = line[..line.find(text).expect("it is in this line")].chars().count() + 1;
    format!("{}:{number}:{column}: ", config.file())
}

/// The replaced text, its replacement, the part with the mistake, the error, and the remedy.
type Mistake = (&'static str, &'static str, &'static str, &'static str, &'static str);

const MISTAKES: [Mistake; 6] = [
    (
        "name = \"my-devops-org\"",
        "name = \"dev.azure.com/my-devops-org\"",
        "\"dev.azure.com",
        "name must be the bare name",
        "write name = \"my-devops-org\"",
    ),
    (
        "public_url = \"https://gateway.example.com\"",
        "public_url = \"http://127.0.0.1:8080\"",
        "\"http:",
        "public_url leads to this machine only",
        "write the https address",
    ),
    (
        "ci = \"builder\"",
        "ci = \"bilder\"",
        "\"bilder\"",
        "ci \"bilder\" is not defined",
        "did you mean \"builder\"?",
    ),
    (
        "#drain = \"20s\"",
        "drian = \"20s\"",
        "drian",
        "unknown key \"drian\" in [server]",
        "did you mean \"drain\"?",
    ),
    ("#body_limit = \"4MiB\"", "body_limit = 4", "4", "body_limit", "help: "),
    (
        "secret = { env = \"BUILDER_SECRET\" }",
        "secret = \"hunter2\"",
        "\"hunter2\"",
        "secret",
        "{ env = ",
    ),
];

#[test]
fn reports_each_mistake_with_its_position_and_a_remedy() {
    for (from, to, at, what, help) in MISTAKES {
        let config = ReferenceConfig::edited(&[(&format!("\n{from}"), &format!("\n{to}"))]);
        let position = position(&config, to, at);
        config.run(&["check-config"]).refused(2, &[&format!("{position}{what}"), help]);
    }
}

#[test]
fn reports_all_mistakes_at_once_and_no_secret() {
    let edits = MISTAKES.map(|(from, to, ..)| (format!("\n{from}"), format!("\n{to}")));
    let edits: Vec<(&str, &str)> =
        edits.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let config = ReferenceConfig::edited(&edits);
    let err = config.run(&["check-config"]).with(2).err;
    let (config, mut lines) = (config.file(), err.lines());
    let mut count = 0;
    while let (Some(what), Some(help)) = (lines.next(), lines.next()) {
        assert!(what.starts_with(&config) && help.starts_with("  help: "), "{what}\n{help}");
        count += 1;
    }
    assert_eq!(count, MISTAKES.len(), "{err}");
    assert!(!err.contains("hunter2"), "a secret is printed: {err}");
}

#[test]
fn refuses_two_checks_with_one_status_context() {
    let twice = "\n[[check]]\nname = \"Unit-Tests\"\norganization = \"my-devops-org\"\n\
        repositories = [\"a/b\"]\non = [\"push\"]\nci = \"builder\"\n\n[[check]]";
    let config = ReferenceConfig::edited(&[("\n[[check]]", twice)]);
    let at = position(&config, "name = \"unit-tests\"", "\"unit-tests\"");
    config.run(&["check-config"]).refused(2, &[&at, "help: "]);
}

#[test]
fn reports_a_missing_file_and_a_missing_variable() {
    let mut config = ReferenceConfig::new();
    let missing = config.path("nowhere.toml").display().to_string();
    run(&config.variables, &["--config", &missing, "check-config"], b"")
        .refused(2, &[&format!("{missing}:1:1: "), "cannot be read", "help: name another file"]);
    config.variables.remove("BUILDER_SECRET");
    let at = position(&config, "secret = ", "{ env");
    let what = "environment variable BUILDER_SECRET is not set";
    config.run(&["check-config"]).refused(2, &[&at, what, "keygen --webhook"]);
}

/// The reference file with these keys of its check.
fn with_check_keys(keys: &str) -> ReferenceConfig {
    ReferenceConfig::edited(&[("\n#required = false", &format!("\n{keys}"))])
}

#[test]
fn refuses_a_required_check_that_a_fork_leads_around() {
    let config = with_check_keys("required = true\nforks = \"ignore\"");
    let at = position(&config, "forks = ", "\"ignore\"");
    let what =
        "forks cannot be \"ignore\" where required is true: a pull request from a fork could";
    let help = "write forks = \"run\", or forks = \"approve\"";
    config.run(&["check-config"]).refused(2, &[&format!("{at}{what}"), help]);
}

#[test]
fn recommends_who_ends_a_required_check_that_runs_code_of_forks() {
    let config = with_check_keys("required = true\nforks = \"run\"");
    let out = config.run(&["check-config"]).done();
    let at = position(&config, "forks = ", "\"run\"");
    assert!(out.contains(&format!("warning: {at}forks: code from a fork can read")), "{out}");
    assert!(out.contains("write verdict = \"reporter\""), "{out}");
    let config = with_check_keys("required = true\nforks = \"run\"\nverdict = \"reporter\"");
    assert!(!config.run(&["check-config"]).done().contains("warning"));
    let config = with_check_keys("verdict = \"poll\"");
    let at = position(&config, "verdict = ", "\"poll\"");
    let what = "verdict cannot be \"poll\": this CI cannot be asked";
    config.run(&["check-config"]).refused(2, &[&format!("{at}{what}"), "verdict = \"reporter\""]);
}

const PAT: &str = "\nkind = \"pat\"\n# Required.\ntoken = { env = \"AZDO_GATEWAY_PAT\" }\n";

#[test]
fn accepts_a_service_user_without_printing_its_secret() {
    let user = "\nkind = \"service_user\"\n\
        tenant_id = \"11111111-2222-3333-4444-555555555555\"\n\
        client_id = \"66666666-7777-8888-9999-aaaaaaaaaaaa\"\n\
        client_secret = { env = \"ENTRA_CLIENT_SECRET\" }\n\
        client_secret_expires = 2027-01-31\n";
    let mut config = ReferenceConfig::edited(&[(PAT, user)]);
    let at = position(&config, "client_secret = ", "{ env");
    let what = "environment variable ENTRA_CLIENT_SECRET is not set";
    config.run(&["check-config"]).refused(2, &[&at, what, "Certificates & secrets"]);
    config.variables.insert("ENTRA_CLIENT_SECRET".to_owned(), "hunter2".to_owned());
    let out = config.run(&["check-config"]).done();
    assert!(out.contains(": ok (") && !out.contains("hunter2"), "{out}");
}

#[test]
fn refuses_a_key_of_another_kind_with_the_reason() {
    let machine = "\nkind = \"managed_identity\"\npat_use = \"window\"\n";
    let config = ReferenceConfig::edited(&[(PAT, machine)]);
    let at = position(&config, "pat_use", "pat_use");
    let why = "only a linked user can mint personal access tokens";
    config
        .run(&["check-config"])
        .refused(2, &[&at, "pat_use does not apply to kind = \"managed_identity\"", why]);
}
