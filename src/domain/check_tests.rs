//! Checks: what they watch, and what they admit, with the reason for each refusal.

use super::*;

const PROJECT_ID: &str = "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053";
const REPOSITORY_ID: &str = "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8";

pub(in crate::domain) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A check of one repository, on pull requests into main and releases.
pub(in crate::domain) fn check() -> Check {
    Check {
        name: "unit".into(),
        genre: "ci".into(),
        organization: "contoso".into(),
        repositories: Patterns::of_names(&texts(&["Webshop/storefront"])).unwrap(),
        on: vec![Trigger::PullRequest],
        target_branches: Patterns::of_branches(&texts(&["main", "release/*"])).unwrap(),
        branches: Patterns::of_branches(&texts(&["main"])).unwrap(),
        paths: Patterns::default(),
        paths_ignore: Patterns::default(),
        drafts: false,
        forks: Forks::Run,
        labels: vec![],
        skip_ci: true,
        commands: false,
        replies: false,
        has_summary: false,
        required: false,
        supersede: true,
        reuse_results: false,
        concurrency: None,
        timeout: Duration::from_secs(3_600),
        targets: Targets { pull_request: true, commit: false },
        status_link: Default::default(),
        verdict: Verdict::Report,
        ci: "jenkins".into(),
        inputs: Default::default(),
        is_cancellable: false,
        ci_concurrency: None,
        pipeline_project: None,
    }
}

pub(in crate::domain) fn storefront() -> Repository {
    Repository {
        id: REPOSITORY_ID.into(),
        name: "storefront".into(),
        project_id: PROJECT_ID.into(),
        project: "Webshop".into(),
    }
}

fn pull_request() -> PullRequest {
    PullRequest {
        repository: storefront(),
        id: 7,
        title: "Add search".into(),
        target_ref: "refs/heads/main".into(),
        labels_known: true,
        ..PullRequest::default()
    }
}

#[test]
fn repositories_are_named_without_case_segment_by_segment() {
    let table = [
        ("Webshop/storefront", true),
        ("webshop/STOREFRONT", true),
        ("Webshop/*", true),
        ("*/storefront", true),
        ("*/*", true),
        ("**", true),
        ("*/store*", true),
        ("Webshop/store{front,house}", true),
        ("*", false),
        ("Webshop*", false),
        ("Webshop", false),
        ("storefront", false),
        ("Webshop/store", false),
        ("Other/storefront", false),
    ];
    for (pattern, expected) in table {
        let repositories = Patterns::of_names(&texts(&[pattern])).unwrap();
        let check = Check { repositories, ..check() };
        assert_eq!(check.watches("contoso", &storefront(), &[]), expected, "{pattern}");
    }
}

#[test]
fn case_is_ignored_beyond_ascii() {
    let repositories = Patterns::of_names(&texts(&["müller/Übersetzung"])).unwrap();
    let check = Check { repositories, ..check() };
    let repository =
        Repository { project: "MÜLLER".into(), name: "übersetzung".into(), ..storefront() };
    assert!(check.watches("contoso", &repository, &[]));
}

#[test]
fn ids_match_only_patterns_that_contain_them() {
    let upper = format!("{}/{}", PROJECT_ID.to_uppercase(), REPOSITORY_ID.to_uppercase());
    let table = [
        (format!("{PROJECT_ID}/{REPOSITORY_ID}"), true),
        (upper, true),
        (format!("{PROJECT_ID}/*"), true),
        (format!("{PROJECT_ID}/store*"), true),
        (format!("Webshop/{REPOSITORY_ID}"), true),
        (format!("*/{REPOSITORY_ID}"), true),
        (format!("{PROJECT_ID}/b*"), false),
        ("*/b*".to_owned(), false),
        ("3*/*".to_owned(), false),
        (format!("Other/{REPOSITORY_ID}"), false),
    ];
    for (pattern, expected) in table {
        let repositories = Patterns::of_names(std::slice::from_ref(&pattern)).unwrap();
        let check = Check { repositories, ..check() };
        assert_eq!(check.watches("contoso", &storefront(), &[]), expected, "{pattern}");
    }
}

#[test]
fn a_renamed_repository_is_watched_and_another_organization_is_not() {
    let renamed = Repository { name: "shop-front".into(), ..storefront() };
    assert!(!check().watches("contoso", &renamed, &[]));
    assert!(check().watches("contoso", &renamed, &["webshop/Storefront".into()]));
    assert!(check().watches("Contoso", &storefront(), &[]));
    assert!(!check().watches("fabrikam", &storefront(), &["Webshop/storefront".into()]));
}

#[test]
fn branches_are_named_with_case() {
    let table = [
        ("main", "main", true),
        ("refs/heads/main", "main", true),
        ("main", "Main", false),
        ("release/*", "release/1", true),
        ("release/*", "release/1/hotfix", false),
        ("release/**", "release/1/hotfix", true),
        ("**", "a/b/c", true),
        ("*", "a/b", false),
        ("übersetzung/*", "übersetzung/日本語", true),
    ];
    for (pattern, branch, expected) in table {
        let patterns = Patterns::of_branches(&texts(&[pattern])).unwrap();
        assert_eq!(patterns.matches(branch), expected, "{pattern} {branch}");
    }
    assert!(!Patterns::of_branches(&[]).unwrap().matches("main"), "none means none");
}

#[test]
fn an_invalid_pattern_is_named() {
    let (at, why) = Patterns::of_names(&texts(&["a/b", "a/[b"])).unwrap_err();
    assert_eq!((at, why.as_str()), (1, "unclosed character class; missing ']'"));
    let written = texts(&["refs/heads/main", "release/*"]);
    assert_eq!(Patterns::of_branches(&written).unwrap().listed(), "main, release/*");
    assert_eq!(Patterns::of_names(&texts(&["A/B"])).unwrap().texts(), ["A/B"]);
}

#[test]
fn mismatches_have_a_reason() {
    type Change = fn(&mut Check, &mut PullRequest);
    let table: [(Change, Result<(), &str>); 12] = [
        (|_, _| {}, Ok(())),
        (
            |_, seen| seen.target_ref = "refs/heads/topic".into(),
            Err("target branch topic does not match target_branches [main, release/*]"),
        ),
        (|_, seen| seen.is_draft = true, Err("it is a draft (drafts = false)")),
        (
            |check, seen| {
                check.drafts = true;
                seen.is_draft = true;
            },
            Ok(()),
        ),
        (|_, seen| seen.is_fork = true, Ok(())),
        (
            |check, seen| {
                check.forks = Forks::Ignore;
                seen.is_fork = true;
            },
            Err("it comes from a fork (forks = \"ignore\")"),
        ),
        (
            |check, seen| {
                check.forks = Forks::Approve;
                seen.is_fork = true;
            },
            Err("it comes from a fork and waits for approval, which commands = false rules out \
                 (forks = \"approve\")"),
        ),
        (|check, _| check.forks = Forks::Ignore, Ok(())),
        (
            |check, seen| {
                check.labels = vec!["deploy".into(), "e2e".into()];
                seen.labels = vec!["ui".into()];
            },
            Err("it has none of the labels [deploy, e2e]"),
        ),
        (
            |check, seen| {
                check.labels = vec!["deploy".into(), "e2e".into()];
                seen.labels = vec!["E2E".into()];
            },
            Ok(()),
        ),
        (
            |_, seen| seen.title = "Fix typo [skip ci]".into(),
            Err("its text contains [skip ci] (skip_ci = true)"),
        ),
        (
            |check, seen| {
                check.skip_ci = false;
                seen.title = "Fix typo [skip ci]".into();
            },
            Ok(()),
        ),
    ];
    for (change, expected) in table {
        let (mut check, mut seen) = (check(), pull_request());
        change(&mut check, &mut seen);
        let found = check.admits(&seen);
        if let Err(Mismatch { key: Some(key), why, .. }) = &found {
            assert!(why.contains(key), "{why} names {key}");
        }
        let found = found.map_err(|mismatch| mismatch.why);
        assert_eq!(found, expected.map_err(str::to_owned), "{seen:?}");
    }
}

#[test]
fn unknown_labels_do_not_exempt_a_pull_request_from_a_required_check() {
    let labels = vec!["e2e".to_owned()];
    let required = Check { labels: labels.clone(), required: true, ..check() };
    let without_labels = PullRequest { labels_known: false, ..pull_request() };
    let why = "its labels are not known yet: catch-up reads them".to_owned();
    let admits =
        |check: &Check, seen: &PullRequest| check.admits(seen).map_err(|mismatch| mismatch.why);
    assert_eq!(admits(&required, &without_labels), Err(why));
    assert_eq!(required.exempts(&without_labels), None);
    let none = "it has none of the labels [e2e]".to_owned();
    assert_eq!(admits(&required, &pull_request()), Err(none.clone()));
    assert_eq!(required.exempts(&pull_request()), Some(none.clone()));
    // Whatever its labels are, it is not the branch that is waited for.
    let elsewhere = PullRequest { target_ref: "refs/heads/topic".into(), ..without_labels.clone() };
    assert!(required.exempts(&elsewhere).is_some());
    let labelled = PullRequest { labels, ..without_labels.clone() };
    assert_eq!(required.admits(&labelled), Ok(()));
    // Nobody waits for a check that is not required.
    let other = Check { required: false, ..required };
    assert_eq!(admits(&other, &without_labels), Err(none));
}

#[test]
fn every_spelling_that_skips_ci_is_found_in_any_case() {
    for spelling in SKIP_CI {
        for message in [spelling.to_owned(), format!("Fix\n\n{} now", spelling.to_uppercase())] {
            let refusal = check().admits_branch("main", &[message]).unwrap_err();
            assert_eq!(refusal.why, format!("its text contains {spelling} (skip_ci = true)"));
        }
    }
    for message in ["skip ci", "[skipci]", "[ skip ci ]", "NO_CI", ""] {
        assert_eq!(check().admits_branch("main", &[message.to_owned()]), Ok(()), "{message}");
    }
}

#[test]
fn skip_ci_counts_in_the_newest_commit_only() {
    let newest =
        PullRequest { messages: texts(&["Fix [ci skip]", "Add search"]), ..pull_request() };
    assert!(check().admits(&newest).is_err());
    let older = PullRequest { messages: texts(&["Add search", "Fix [ci skip]"]), ..pull_request() };
    assert_eq!(check().admits(&older), Ok(()));
}

#[test]
fn a_branch_that_does_not_match_is_named() {
    let refusal = check().admits_branch("topic", &[]).unwrap_err();
    let why = "branch topic does not match branches [main]";
    assert_eq!(refusal, Mismatch::of("branches", why));
}

#[test]
fn a_check_is_started_by_what_it_is_on() {
    assert!(check().is_on(Trigger::PullRequest));
    for trigger in [Trigger::Push, Trigger::Tag, Trigger::PullRequestClosed] {
        assert!(!check().is_on(trigger));
    }
}
