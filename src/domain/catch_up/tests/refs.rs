//! Refs: which pushes and heads were missed, and which refs are past.

use std::collections::BTreeMap;

use super::super::super::decision::RememberedRef;
use super::*;

fn known(name: &str, head: char, push_id: Option<i64>) -> RememberedRef {
    RememberedRef {
        repository: Repository::default(),
        name: format!("refs/heads/{name}"),
        head: Some(sha(head)),
        push_id,
        settled: vec![],
    }
}

fn heads(list: &[(&str, char)]) -> Heads {
    let head = |(name, c): &(&str, char)| (format!("refs/heads/{name}"), sha(*c));
    Heads { prefixes: vec!["refs/heads/"], list: list.iter().map(head).collect() }
}

/// `id: superseded refs` of pushes, `name old>new` of heads and of past refs.
fn listed(found: &FoundRefs) -> (Vec<String>, Vec<String>, Vec<String>) {
    let short = |name: &str| name.trim_start_matches("refs/heads/").to_owned();
    let push = |push: &FoundPush| {
        let over: Vec<_> = push.superseded.iter().map(|name| short(name)).collect();
        format!("{}: {}", push.push_id, over.join(" ")).trim_end().to_owned()
    };
    let object =
        |object: &Option<String>| object.as_ref().map_or(".".into(), |o| o[..1].to_owned());
    let update =
        |one: &RefUpdate| format!("{} {}>{}", short(&one.name), object(&one.old), object(&one.new));
    (
        found.pushes.iter().map(push).collect(),
        found.heads.iter().map(update).collect(),
        found.past.iter().map(update).collect(),
    )
}

type Listed<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str]);

#[track_caller]
fn assert_found(
    known: &[RememberedRef],
    seen: &Heads,
    pushes: Option<&Pushes>,
    criteria: &Criteria,
    expected: Listed<'_>,
) {
    let (found, heads, past) = listed(&missed_refs(known, seen, pushes, criteria));
    let found = (found.iter().map(String::as_str).collect::<Vec<_>>(), heads, past);
    let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    assert_eq!(found, (expected.0.to_vec(), own(expected.1), own(expected.2)));
}

#[test]
fn a_ref_differs_when_it_is_new_moved_or_gone() {
    let one = [known("main", 'a', Some(1))];
    assert!(!differs(&one, &heads(&[("main", 'a')])));
    assert!(differs(&one, &heads(&[("main", 'b')])), "moved");
    assert!(differs(&one, &heads(&[])), "gone");
    assert!(differs(&one, &heads(&[("main", 'a'), ("new", 'a')])), "new");
    assert!(!differs(&one, &Heads::default()), "not read");
}

#[test]
fn of_several_pushes_the_last_counts() {
    let known = [known("main", 'a', Some(1))];
    let list = pushes(&[
        push(4, 130, &[("main", 'c', 'd')]),
        push(1, 110, &[("main", '.', 'a')]),
        push(2, 120, &[("main", 'a', 'b')]),
        push(3, 125, &[("main", 'b', 'c'), ("old", '.', 'c')]),
    ]);
    let seen = heads(&[("main", 'd'), ("old", 'c')]);
    let expected: Listed<'_> = (&["2: main", "3: main", "4:"], &[], &[]);
    assert_found(&known, &seen, Some(&list), &criteria(), expected);
}

#[test]
fn a_settled_push_is_not_found_again() {
    let known = [RememberedRef { settled: vec![2, 3], ..known("main", 'd', Some(1)) }];
    let list = pushes(&[push(2, 120, &[("main", 'a', 'b')]), push(3, 125, &[("main", 'b', 'd')])]);
    let expected: Listed<'_> = (&[], &[], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &thorough(), expected);
}

#[test]
fn after_a_head_without_a_push_id_the_pushes_from_it_count() {
    let known = [known("main", 'b', None)];
    let list = pushes(&[
        push(1, 110, &[("main", 'a', 'b')]),
        push(2, 120, &[("main", 'b', 'c')]),
        push(3, 125, &[("main", 'c', 'd')]),
    ]);
    let expected: Listed<'_> = (&["2: main", "3:"], &[], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &criteria(), expected);
    // Where no push begins at the known head, the difference alone is found.
    let list = pushes(&[push(3, 125, &[("main", 'c', 'd')])]);
    let expected: Listed<'_> = (&[], &["main b>d"], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &criteria(), expected);
}

#[test]
fn without_pushes_the_difference_is_found() {
    let known = [known("main", 'a', Some(1)), known("gone", 'a', Some(2))];
    let seen = heads(&[("main", 'b'), ("new", 'c')]);
    let expected: Listed<'_> = (&[], &["gone a>.", "main a>b", "new .>c"], &[]);
    assert_found(&known, &seen, None, &criteria(), expected);
    let incomplete = Pushes::new(vec![], false);
    assert_found(&known, &seen, Some(&incomplete), &criteria(), expected);
}

#[test]
fn a_new_ref_without_a_push_is_past() {
    let known = [known("main", 'a', Some(1))];
    let seen = heads(&[("main", 'a'), ("new", 'b'), ("old", 'c')]);
    let list = pushes(&[push(2, 150, &[("new", '.', 'b')])]);
    let expected: Listed<'_> = (&["2:"], &[], &["old .>c"]);
    assert_found(&known, &seen, Some(&list), &criteria(), expected);
    // Of a kind that nobody expected to know before.
    let tags = Heads {
        prefixes: vec!["refs/tags/"],
        list: BTreeMap::from([("refs/tags/v1".to_owned(), sha('a'))]),
    };
    assert_found(&known, &tags, None, &criteria(), (&[], &[], &["refs/tags/v1 .>a"]));
}

#[test]
fn the_first_reading_finds_pushes_since_the_watch_began() {
    let known = [known("main", 'a', Some(1))];
    let seen = heads(&[("main", 'b'), ("new", 'c'), ("old", 'd')]);
    let list = pushes(&[
        push(2, -10, &[("main", 'a', 'b'), ("old", '.', 'd')]),
        push(3, 10, &[("new", '.', 'c')]),
    ]);
    let expected: Listed<'_> = (&["3:"], &[], &["main a>b", "old .>d"]);
    assert_found(&known, &seen, Some(&list), &first(), expected);
    let expected: Listed<'_> = (&[], &[], &["main a>b", "new .>c", "old .>d"]);
    assert_found(&known, &seen, None, &first(), expected);
}

#[test]
fn a_branch_that_was_created_and_deleted_is_not_found() {
    let list = pushes(&[push(1, 120, &[("x", '.', 'a')]), push(2, 125, &[("x", 'a', '.')])]);
    assert_found(&[], &heads(&[]), Some(&list), &thorough(), (&[], &[], &[]));
}

#[test]
fn a_branch_that_moved_and_came_back_is_found_by_a_thorough_scan() {
    let known = [known("main", 'a', Some(1))];
    let list = pushes(&[push(2, 120, &[("main", 'a', 'b')]), push(3, 125, &[("main", 'b', 'a')])]);
    let expected: Listed<'_> = (&["2: main", "3:"], &[], &[]);
    assert_found(&known, &heads(&[("main", 'a')]), Some(&list), &thorough(), expected);
}
