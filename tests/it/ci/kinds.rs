//! One row for each kind.

use fakes::systems::buildkite;

use super::world::{Configured, Kind, NAME};

pub(super) const BUILDKITE: Kind = Kind {
    seed: 3101,
    configure: |env| {
        let world = buildkite::World::new(3101);
        let keys = format!(
            "kind = \"buildkite\"\norganization = \"{}\"\npipeline = \"{}\"\n\
             token = {{ env = \"CI_TOKEN\" }}\nwebhook_secret = {{ env = \"CI_WEBHOOK\" }}",
            world.organization(),
            world.pipeline()
        );
        let variables = vec![
            ("CI_TOKEN", world.token().to_owned()),
            ("CI_WEBHOOK", world.webhook_secret().to_owned()),
        ];
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured { keys: format!("{keys}\nurl = \"{url}\""), variables, pipeline: None }
    },
    start: ("POST", "/builds"),
    cancel: ("PUT", "/cancel"),
    poll: ("GET", "/builds/"),
    has_callbacks: true,
    locks_out: false,
    state_of_errored: "error",
};

pub(super) const AZURE_PIPELINES: Kind = Kind {
    seed: 3102,
    configure: |env| {
        let id = env.shell.ado(|ado| ado.create_pipeline(&env.repository, "build"));
        let keys = format!(
            "kind = \"azure_pipelines\"\norganization = \"fabrikam\"\nproject = \"Fabrikam\"\n\
             pipeline = {id}"
        );
        Configured { keys, variables: Vec::new(), pipeline: Some(id) }
    },
    start: ("POST", "/runs"),
    cancel: ("PATCH", "/build/builds/"),
    poll: ("GET", "/build/builds"),
    has_callbacks: false,
    locks_out: false,
    state_of_errored: "error",
};
