//! What an operator reads when much is wrong at once, and when there is no file.

use std::path::Path;

use super::{given, read};
use crate::config::load;

#[test]
fn many_errors_come_at_once_in_the_order_of_the_file() {
    let errors = read(include_str!("many_errors.toml")).unwrap_err();
    assert_eq!(format!("{errors}\n"), include_str!("many_errors.txt"));
    let places: Vec<_> =
        errors.findings().iter().map(|finding| (finding.line, finding.column)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let errors = load(Path::new("none/gateway.toml"), &given()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "none/gateway.toml:1:1: the configuration cannot be read: entity not found\n  \
         help: name another file with --config or AZDO_GATEWAY_CONFIG"
    );
}
