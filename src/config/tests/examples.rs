//! Every file in config/examples is a whole configuration, and so are those for containers.

use std::io;
use std::path::Path;

use super::{ROOT_KEY, SIGNING};
use crate::config::{Environment, parse};

/// The configurations of config/compose and config/kubernetes.
const FOR_CONTAINERS: [&str; 3] = [
    "compose/gateway.toml",
    "kubernetes/base/gateway.toml",
    "kubernetes/overlays/example/gateway.toml",
];

/// Has every variable and every file.
struct Everything;

impl Environment for Everything {
    fn variable(&self, name: &str) -> Option<String> {
        let text = match name {
            "AZDO_GATEWAY_ROOT_KEY" => ROOT_KEY,
            name if name.ends_with("_SIGNING_SECRET") => SIGNING,
            name => return Some(format!("some-secret-0123456789-{name}")),
        };
        Some(text.to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = match path.file_name().and_then(|name| name.to_str()) {
            Some("root_key") => ROOT_KEY,
            Some("builder_secret") => SIGNING,
            _ => "some-secret-0123456789",
        };
        Ok(format!("{text}\n"))
    }
}

#[test]
fn every_example_is_valid_without_warnings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let path = if path.is_dir() { path.join("gateway.toml") } else { path };
        if !path.exists() {
            // An example of how something is started, without a gateway.
            assert_eq!(name, "runner");
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let config = parse(&name, &text, &Everything).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.warnings, [], "{name}");
        found.push(name);
    }
    assert!(found.contains(&"dbt".to_owned()), "{found:?}");
    for name in ["airflow", "argo", "buildbot", "prefect", "teamcity", "tekton", "woodpecker"] {
        assert!(found.contains(&format!("{name}.toml")), "{name} of {found:?}");
    }
}

/// Secrets are files there: an environment is shown to everybody who may look at a container.
#[test]
fn configurations_for_containers_are_valid_and_take_no_secret_from_the_environment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for name in FOR_CONTAINERS {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(!text.contains("env ="), "{name}");
        let config = parse(name, &text, &Everything).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.warnings, [], "{name}");
    }
}
