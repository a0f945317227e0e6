//! Globs and the branches of policies.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::check::Patterns;
use super::super::*;

const MAIN: &str = "refs/heads/main";

fn listed(globs: &[&str]) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
    branches(&globs, Some(MAIN)).iter().map(Branches::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn globs_become_names_and_prefixes() {
    let table: [(&[&str], &str); 12] = [
        (&["main"], "main"),
        (&["refs/heads/main"], "main"),
        (&["main", "release/*"], "main, release/*"),
        (&["release/**"], "release/*"),
        (&["**"], "main"),
        (&["*"], "main"),
        (&["refs/heads/**", "main"], "main"),
        (&["dev", "*"], "dev, main"),
        (&["release/*", "release/1", "release/1/**", "releases"], "releases, release/*"),
        (&["v?", "v1"], "v*"),
        (&["{main,dev}"], "main"),
        (&[], ""),
    ];
    for (globs, expected) in table {
        assert_eq!(listed(globs), expected, "{globs:?}");
    }
}

#[test]
fn without_a_default_branch_only_named_branches_are_covered() {
    let globs = ["dev".to_owned(), "**".to_owned()];
    assert_eq!(branches(&globs, None), [Branches::Exact("refs/heads/dev".into())]);
}

#[test]
fn a_slash_at_the_end_of_a_prefix_does_not_matter() {
    let prefix = |name: &str| Branches::Prefix(name.into());
    assert!(prefix("refs/heads/release").is_same(&prefix("refs/heads/release/")));
    assert!(!prefix("refs/heads/release").is_same(&Branches::Exact("refs/heads/release".into())));
    assert!(prefix("refs/heads").are_all());
}

#[test]
fn an_unknown_match_covers_nothing_and_may_meet_everything() {
    let main = Branches::Exact("refs/heads/main".into());
    for other in [Branches::Default, Branches::Unknown("Other".into())] {
        assert!(!other.cover(&main) && !main.cover(&other));
        assert!(other.may_meet(&main) && main.may_meet(&other));
    }
    assert!(!main.may_meet(&Branches::Prefix("refs/heads/release/".into())));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_branch_that_a_check_names_is_covered_and_no_branch_twice(
        globs in prop::collection::vec(
            select(vec!["main", "re*", "release/*", "release/**", "**", "*/1", "r[ae]*", "rel/1"]),
            0..4,
        ),
        branch in "(main|release|rel|ra)(/[12](/3)?)?",
    ) {
        let globs: Vec<String> = globs.into_iter().map(str::to_owned).collect();
        let found = branches(&globs, Some(MAIN));
        prop_assert!(!found.iter().any(Branches::are_all));
        let (any, named): (Vec<String>, Vec<String>) =
            globs.iter().cloned().partition(|glob| glob.starts_with('*'));
        let main = Branches::Exact(MAIN.into());
        prop_assert!(any.is_empty() || found.iter().any(|one| one.cover(&main)));
        let it = Branches::Exact(format!("refs/heads/{branch}"));
        if Patterns::of_branches(&named).unwrap().matches(&branch) {
            prop_assert!(found.iter().any(|one| one.cover(&it)), "{branch}: {found:?}");
        }
        for one in &found {
            prop_assert_eq!(found.iter().filter(|other| other.cover(one)).count(), 1);
        }
    }
}
