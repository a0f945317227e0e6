//! One row for each kind.

use fakes::systems::{buildkite, dbt_cloud, github_actions, gitlab, jenkins};

use super::world::{Configured, Kind, NAME, with_undeclared_input};

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
        Configured { keys: format!("{keys}\nurl = \"{url}\""), variables, ..Configured::default() }
    },
    start: ("POST", "/builds"),
    cancel: ("PUT", "/cancel"),
    poll: ("GET", "/builds/"),
    list: Some(("GET", "/builds?")),
    refusals: &[(|it| it.change_ci("pipeline = \"web\"", "pipeline = \"none\""), "404", true)],
    signs_time: true,
    ..Kind::USUAL
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
    list: Some(("GET", "buildIds=")),
    refusals: &[
        (|it| it.change_ci("pipeline = 1", "pipeline = 99"), "99", true),
        (with_undeclared_input, "undeclared", false),
    ],
    tries_when_redirected: 4,
    ..Kind::USUAL
};

pub(super) const DBT_CLOUD: Kind = Kind {
    seed: 3103,
    configure: |env| {
        let world = dbt_cloud::World::new(3103);
        let keys = format!(
            "kind = \"dbt_cloud\"\naccount = {}\njob = {}\n\
             token = {{ env = \"CI_TOKEN\" }}\nwebhook_secret = {{ env = \"CI_WEBHOOK\" }}",
            world.account(),
            world.job()
        );
        let variables = vec![
            ("CI_TOKEN", world.token().to_owned()),
            ("CI_WEBHOOK", world.webhook_secret().to_owned()),
        ];
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured { keys: format!("{keys}\nurl = \"{url}\""), variables, ..Configured::default() }
    },
    start: ("POST", "/run/"),
    cancel: ("POST", "/cancel/"),
    poll: ("GET", "/runs/"),
    list: Some(("GET", "pk__in=")),
    refusals: &[(|it| it.change_ci("job = ", "job = 9"), "was not found", true)],
    locks_out: true,
    ..Kind::USUAL
};

pub(super) const JENKINS: Kind = Kind {
    seed: 3104,
    configure: |env| {
        let world = jenkins::World::new(3104);
        let keys = format!(
            "kind = \"jenkins\"\nuser = \"{}\"\ntoken = {{ env = \"CI_TOKEN\" }}",
            world.user()
        );
        let variables = vec![("CI_TOKEN", world.token().to_owned())];
        let path = world.job_path();
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured {
            keys: format!("{keys}\nurl = \"{url}{path}\""),
            variables,
            ..Configured::default()
        }
    },
    start: ("POST", "/buildWithParameters"),
    cancel: ("POST", "/stop"),
    poll: ("GET", "/api/json"),
    list: Some(("GET", "tree=builds[")),
    refusals: &[
        (|it| it.change_ci("/job/", "/job/none/job/"), "there is no such job", true),
        (with_undeclared_input, "does not declare the parameter undeclared", false),
    ],
    ..Kind::USUAL
};

pub(super) const GITHUB_ACTIONS: Kind = Kind {
    seed: 3105,
    configure: |env| {
        let world = github_actions::World::new(3105);
        let keys = format!(
            "kind = \"github_actions\"\nrepository = \"{}\"\n\
             workflow = \"build.yml\"\nref = \"main\"\n\
             token = {{ env = \"CI_TOKEN\" }}\nwebhook_secret = {{ env = \"CI_WEBHOOK\" }}",
            world.repository()
        );
        let variables = vec![
            ("CI_TOKEN", world.token().to_owned()),
            ("CI_WEBHOOK", world.webhook_secret().to_owned()),
        ];
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured { keys: format!("{keys}\nurl = \"{url}\""), variables, ..Configured::default() }
    },
    start: ("POST", "/dispatches"),
    cancel: ("POST", "/cancel"),
    poll: ("GET", "/actions/runs"),
    list: Some(("GET", "/runs?event=")),
    refusals: &[
        (|it| it.change_ci("build.yml", "none.yml"), "has no workflow none.yml", true),
        (|it| it.change_ci("ref = \"main\"", "ref = \"none\""), "No ref found for: none", false),
        (with_undeclared_input, "undeclared", false),
    ],
    ..Kind::USUAL
};

pub(super) const GITLAB: Kind = Kind {
    seed: 3106,
    configure: |env| {
        let world = gitlab::World::new(3106);
        let keys = format!(
            "kind = \"gitlab\"\nproject = \"{}\"\nref = \"main\"\n\
             token = {{ env = \"CI_TOKEN\" }}\nwebhook_secret = {{ env = \"CI_WEBHOOK\" }}",
            world.project()
        );
        let variables = vec![
            ("CI_TOKEN", world.token().to_owned()),
            ("CI_WEBHOOK", world.webhook_secret().to_owned()),
        ];
        let url = env.shell.add_system(NAME, Box::new(world));
        Configured { keys: format!("{keys}\nurl = \"{url}\""), variables, ..Configured::default() }
    },
    start: ("POST", "/pipeline"),
    cancel: ("POST", "/cancel"),
    poll: ("GET", "/pipelines"),
    list: Some(("GET", "/pipelines?source=")),
    refusals: &[
        (
            |it| it.change_ci("project = \"", "project = \"none/"),
            "does not see the project none/",
            true,
        ),
        (|it| it.change_ci("ref = \"main\"", "ref = \"none\""), "Reference not found", false),
        (with_undeclared_input, "undeclared", false),
    ],
    signs_time: true,
    ..Kind::USUAL
};
