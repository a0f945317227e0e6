//! One row for each system that kind `http` is tried with: the section of its file in
//! config/examples, with the address and the secrets of the fake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::faults::Action;
use fakes::http::Response;
use fakes::systems::{State, airflow, argo, prefect, teamcity, tekton, woodpecker};

use super::world::{Configured, Kind, NAME, World};
use crate::harness::Settings;

const TEKTON_FILE: &str = include_str!("../../../config/examples/tekton.toml");

/// The keys of `[ci.builder]`: `[ci.NAME]` of a file and the tables below it, with another address.
pub(crate) fn keys(text: &str, name: &str, url: &str) -> String {
    let (_, section) = text.split_once(&format!("\n[ci.{name}]\n")).expect("it has the section");
    let is_other = |line: &&str| line.starts_with("[ci.") && !line.contains(&format!("ci.{name}."));
    let end = section.lines().find(is_other).and_then(|line| section.find(line));
    section[..end.unwrap_or(section.len())]
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
        Configured { keys: format!("{callback}\n{keys}"), variables, ..Configured::default() }
    },
    start: ("POST", "/buildQueue"),
    cancel: ("POST", "/builds/"),
    poll: ("GET", "/builds/"),
    refusals: &[(|it| it.change_ci("Proj_Build", "Proj_None"), "Proj_None", false)],
    ..Kind::USUAL
};

pub(super) const AIRFLOW: Kind = Kind {
    seed: 3502,
    configure: |env| {
        let world = airflow::World::new(3502);
        let variables = vec![("CI_TOKEN", world.credential().1.to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/airflow.toml");
        let keys = keys(text, "airflow", &url).replace("AIRFLOW_PASSWORD", "CI_TOKEN");
        Configured { keys, variables, ..Configured::default() }
    },
    start: ("POST", "/dagRuns"),
    cancel: ("PATCH", "/dagRuns/"),
    poll: ("GET", "/dagRuns/"),
    refusals: &[(|it| it.change_ci("/dags/ci_build/", "/dags/ci_none/"), "ci_none", false)],
    finds: false,
    // Airflow has one word for both, and for what was cancelled.
    state_of_errored: "failed",
    state_of_cancelled: "failed",
    ..Kind::USUAL
};

pub(super) const WOODPECKER: Kind = Kind {
    seed: 3503,
    configure: |env| {
        let world = woodpecker::World::new(3503);
        let variables = vec![("CI_TOKEN", world.token().to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/woodpecker.toml");
        let keys = keys(text, "woodpecker", &url).replace("WOODPECKER_TOKEN", "CI_TOKEN");
        Configured { keys, variables, ..Configured::default() }
    },
    start: ("POST", "/pipelines"),
    cancel: ("POST", "/cancel"),
    poll: ("GET", "/pipelines/"),
    refusals: &[(|it| it.change_ci("/repos/7/", "/repos/8/"), "404", false)],
    ..Kind::USUAL
};

pub(super) const TEKTON: Kind = Kind {
    seed: 3504,
    configure: |env| {
        let world = tekton::World::new(3504);
        let variables = vec![("CI_TOKEN", world.token().to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        // What Kubernetes puts into each container is not on this machine.
        let token = "{ file = \"/var/run/secrets/kubernetes.io/serviceaccount/token\" }";
        let keys = keys(TEKTON_FILE, "kubernetes", &url)
            .replace("https://kubernetes.default.svc", &url)
            .replace("https://tekton.example.com", &url)
            .replace(token, "{ env = \"CI_TOKEN\" }");
        let keys = keys.lines().filter(|line| !line.starts_with("ca_file = "));
        Configured { keys: keys.collect::<Vec<_>>().join("\n"), variables, ..Configured::default() }
    },
    start: ("POST", "/pipelineruns"),
    cancel: ("PATCH", "/pipelineruns/"),
    poll: ("GET", "/pipelineruns/"),
    refusals: &[(|it| it.change_ci("/namespaces/ci/", "/namespaces/none/"), "none", true)],
    finds: false,
    ..Kind::USUAL
};

/// Tekton's EventListener, which cannot be asked: the pipeline reports.
pub(super) const LISTENER: Kind = Kind {
    configure: |env| {
        let world = tekton::World::new(3507);
        let variables = vec![("TEKTON_SECRET", world.listener_secret().to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured { keys: keys(TEKTON_FILE, "listener", &url), variables, ..Configured::default() }
    },
    seed: 3507,
    start: ("POST", "/"),
    ..TEKTON
};

pub(super) const ARGO: Kind = Kind {
    seed: 3505,
    configure: |env| {
        let world = argo::World::new(3505);
        let variables = vec![("CI_TOKEN", world.token().to_owned())];
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/argo.toml");
        let keys = keys(text, "argo", &url).replace("ARGO_TOKEN", "CI_TOKEN");
        Configured { keys, variables, ..Configured::default() }
    },
    start: ("POST", "/submit"),
    cancel: ("PUT", "/terminate"),
    poll: ("GET", "/workflows/"),
    refusals: &[(
        |it| it.change_ci("resourceName = \"build\"", "resourceName = \"none\""),
        "none",
        false,
    )],
    finds: false,
    ..Kind::USUAL
};

pub(super) const PREFECT: Kind = Kind {
    seed: 3506,
    configure: |env| {
        let world = prefect::World::new(3506);
        let variables = vec![("CI_TOKEN", world.password().to_owned())];
        let deployment = world.deployment().to_owned();
        let url = env.shell.add_system(NAME, Box::new(world));
        let text = include_str!("../../../config/examples/prefect.toml");
        let keys = keys(text, "prefect", &url)
            .replace("PREFECT_PASSWORD", "CI_TOKEN")
            .replace("00000000-0000-0000-0000-000000000000", &deployment);
        Configured { keys, variables, ..Configured::default() }
    },
    start: ("POST", "/create_flow_run"),
    cancel: ("POST", "/set_state"),
    poll: ("GET", "/flow_runs/"),
    refusals: &[(|it| it.change_ci("/api/deployments/", "/api/deployments/0"), "404", false)],
    ..Kind::USUAL
};

/// The id of a run that was started is asked for with a second request.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_id_is_asked_for_in_vain_is_looked_up() {
    let world = World::new(&WOODPECKER);
    let asked = |settings: &mut Settings| {
        let url = format!("{}/{NAME}/api/repos/7/pipelines/{{{{ value }}}}", world.env.shell.url());
        let then = format!("then = {{ from = \"/number\", url = \"{url}\", id = \"/number\" }}");
        settings.change_ci("id = \"/number\"\nweb_url", &format!("{then}\nweb_url"));
    };
    let broken = Action::Respond(Response::text(500, "try again"));
    world.next_fails(WOODPECKER.poll, 1, broken);
    let gateway = world.gateway_with("1s", asked).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1, "it was started once");
    gateway.stop().await;
}
