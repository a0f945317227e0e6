//! The whole output for a file with many errors, and for a file that does not exist.

use std::path::Path;

use super::{given, read};
use crate::config::load;

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let errors = read(include_str!("many_errors.toml")).unwrap_err();
    assert_eq!(format!("{errors}\n"), include_str!("many_errors.txt"));
    let positions: Vec<_> =
        errors.findings().iter().map(|finding| (finding.line, finding.column)).collect();
    assert!(positions.is_sorted(), "{positions:?}");
}

#[test]
fn the_error_about_a_missing_file_names_its_path() {
    let errors = load(Path::new("none/gateway.toml"), &given()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "none/gateway.toml:1:1: the configuration cannot be read: entity not found\n  \
         help: name another file with --config or AZDO_GATEWAY_CONFIG"
    );
}
