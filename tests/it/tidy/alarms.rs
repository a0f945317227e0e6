//! The alerts for Prometheus and the dashboard look at metrics that exist, and the documents say
//! what to do about each alert.

use std::collections::BTreeSet;

use super::{text, tidy};

const ALERTS: &str = "config/prometheus/alerts.yml";
const TESTS: &str = "config/prometheus/alerts.test.yml";
const DASHBOARD: &str = "config/grafana/azdo-gateway.json";
const DOCUMENT: &str = "docs/operations.md";

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    text.match_indices("azdo_gateway_")
        .map(|(at, _)| text[at..].split(|letter| !is_part(letter)).next().unwrap_or_default())
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned())
        .collect()
}

/// What follows these words at the beginning of lines.
fn after<'t>(text: &'t str, words: &str) -> BTreeSet<&'t str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(words)).collect()
}

#[test]
fn every_metric_is_described_and_documented_and_no_other_is_looked_at() {
    let described = metrics(&text("src/telemetry.rs"));
    let document = text(DOCUMENT);
    let (_, section) = document.split_once("\n## Metrics\n").expect("there is a section");
    let (section, _) = section.split_once("\n## ").expect("there is another");
    assert_eq!(metrics(section), described);
    for file in [ALERTS, TESTS, DASHBOARD] {
        let used = metrics(&text(file));
        assert!(!used.is_empty(), "{file}");
        assert!(used.is_subset(&described), "{file}: {:?}", used.difference(&described));
    }
}

#[test]
fn every_alert_is_tested_and_has_a_section_that_it_leads_to() {
    let (alerts, tests, document) = (text(ALERTS), text(TESTS), text(DOCUMENT));
    let names = after(&alerts, "- alert: ");
    assert!(names.len() > 10, "{names:?}");
    let (sections, links) = (after(&document, "### "), after(&alerts, "runbook: "));
    let mut wrong = Vec::new();
    for name in &names {
        if !sections.contains(name) {
            wrong.push(format!("{DOCUMENT} has no section {name}"));
        }
        if !links.contains(&*format!("{DOCUMENT}#{}", name.to_lowercase())) {
            wrong.push(format!("{ALERTS}: {name} does not lead to its section"));
        }
        if !after(&tests, "alertname: ").contains(name) {
            wrong.push(format!("{TESTS}: {name} never fires"));
        }
        if !tests.contains(&format!("alertname: {name} }}")) {
            wrong.push(format!("{TESTS}: {name} is not looked for where all is well"));
        }
    }
    tidy(wrong);
}
