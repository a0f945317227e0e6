//! One row for each system that kind `http` is tried with: the section of its file in
//! config/examples, with the address and the secrets of the fake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::systems::{airflow, teamcity, woodpecker};

use super::world::{Configured, Kind, NAME};

/// The keys of `[ci.builder]`: `[ci.NAME]` of a file and what follows it, with another address.
pub(crate) fn keys(text: &str, name: &str, url: &str) -> String {
    let (_, section) = text.split_once(&format!("\n[ci.{name}]\n")).expect("it has the section");
    section
        .replace(&format!("ci.{name}."), "ci.builder.")
        .replace(&format!("https://{name}.example.com"), url)
}

pub(super) const TEAMCITY: Kind = Kind {
    seed: 3501,
    configure: |env| {
        let world = teamcity::World::new(3501);
        let (user, password) = world.webhook_credential();
        let variables = vec![
            ("CI_TOKEN", world.token().to_owned()),
            ("CI_WEBHOOK", format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
        ];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/teamcity.toml");
        let keys = keys(text, "teamcity", &url).replace("TEAMCITY_TOKEN", "CI_TOKEN");
        let callback = "callback = { scheme = \"token\", header = \"Authorization\", \
                        id = \"/payload/id\" }\nwebhook_secret = { env = \"CI_WEBHOOK\" }";
        Configured { keys: format!("{callback}\n{keys}"), variables, pipeline: None }
    },
    start: ("POST", "/buildQueue"),
    cancel: ("POST", "/builds/"),
    poll: ("GET", "/builds/"),
    has_callbacks: true,
    locks_out: false,
    state_of_errored: "error",
    state_of_cancelled: "error",
};

pub(super) const AIRFLOW: Kind = Kind {
    seed: 3502,
    configure: |env| {
        let world = airflow::World::new(3502);
        let variables = vec![("CI_TOKEN", world.credential().1.to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/airflow.toml");
        let keys = keys(text, "airflow", &url).replace("AIRFLOW_PASSWORD", "CI_TOKEN");
        Configured { keys, variables, pipeline: None }
    },
    start: ("POST", "/dagRuns"),
    cancel: ("PATCH", "/dagRuns/"),
    poll: ("GET", "/dagRuns/"),
    has_callbacks: false,
    locks_out: false,
    // Airflow has one word for both, and for what was cancelled.
    state_of_errored: "failed",
    state_of_cancelled: "failed",
};

pub(super) const WOODPECKER: Kind = Kind {
    seed: 3503,
    configure: |env| {
        let world = woodpecker::World::new(3503);
        let variables = vec![("CI_TOKEN", world.token().to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/woodpecker.toml");
        let keys = keys(text, "woodpecker", &url).replace("WOODPECKER_TOKEN", "CI_TOKEN");
        Configured { keys, variables, pipeline: None }
    },
    start: ("POST", "/pipelines"),
    cancel: ("POST", "/cancel"),
    poll: ("GET", "/pipelines/"),
    has_callbacks: false,
    locks_out: false,
    state_of_errored: "error",
    state_of_cancelled: "error",
};
