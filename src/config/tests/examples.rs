//! Every file in config/examples is a whole configuration.

use std::io;
use std::path::Path;

use super::{ROOT_KEY, SIGNING};
use crate::config::{Environment, parse};

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

    fn file(&self, _path: &Path) -> io::Result<String> {
        Ok("some-secret-0123456789\n".to_owned())
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
