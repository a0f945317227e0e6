//! Refs: which pushes are told, which heads, and what is past.

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

/// `id: passed over` of pushes, `name old>new` of heads and of what is past.
fn said(found: &FoundRefs) -> (Vec<String>, Vec<String>, Vec<String>) {
    let short = |name: &str| name.trim_start_matches("refs/heads/").to_owned();
    let push = |push: &FoundPush| {
        let over: Vec<_> = push.passed_over.iter().map(|name| short(name)).collect();
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

type Said<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str]);

#[track_caller]
fn assert_found(
    known: &[RememberedRef],
    seen: &Heads,
    pushes: Option<&Pushes>,
    frame: &Frame,
    wanted: Said<'_>,
) {
    let (told, heads, past) = said(&missed_refs(known, seen, pushes, frame));
    let told = (told.iter().map(String::as_str).collect::<Vec<_>>(), heads, past);
    let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    assert_eq!(told, (wanted.0.to_vec(), own(wanted.1), own(wanted.2)));
}

#[test]
fn what_differs_is_seen() {
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
    let wanted: Said<'_> = (&["2: main", "3: main", "4:"], &[], &[]);
    assert_found(&known, &seen, Some(&list), &frame(), wanted);
}

#[test]
fn what_was_settled_is_not_told_again() {
    let known = [RememberedRef { settled: vec![2, 3], ..known("main", 'd', Some(1)) }];
    let list = pushes(&[push(2, 120, &[("main", 'a', 'b')]), push(3, 125, &[("main", 'b', 'd')])]);
    let wanted: Said<'_> = (&[], &[], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &thorough(), wanted);
}

#[test]
fn a_head_known_without_a_number_goes_on_from_there() {
    let known = [known("main", 'b', None)];
    let list = pushes(&[
        push(1, 110, &[("main", 'a', 'b')]),
        push(2, 120, &[("main", 'b', 'c')]),
        push(3, 125, &[("main", 'c', 'd')]),
    ]);
    let wanted: Said<'_> = (&["2: main", "3:"], &[], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &frame(), wanted);
    // Where they do not go on from what we know, the difference alone is told.
    let list = pushes(&[push(3, 125, &[("main", 'c', 'd')])]);
    let wanted: Said<'_> = (&[], &["main b>d"], &[]);
    assert_found(&known, &heads(&[("main", 'd')]), Some(&list), &frame(), wanted);
}

#[test]
fn without_pushes_the_difference_is_told() {
    let known = [known("main", 'a', Some(1)), known("gone", 'a', Some(2))];
    let seen = heads(&[("main", 'b'), ("new", 'c')]);
    let wanted: Said<'_> = (&[], &["gone a>.", "main a>b", "new .>c"], &[]);
    assert_found(&known, &seen, None, &frame(), wanted);
    let incomplete = Pushes::new(vec![], false);
    assert_found(&known, &seen, Some(&incomplete), &frame(), wanted);
}

#[test]
fn a_new_ref_of_which_no_push_tells_was_there_before() {
    let known = [known("main", 'a', Some(1))];
    let seen = heads(&[("main", 'a'), ("new", 'b'), ("old", 'c')]);
    let list = pushes(&[push(2, 150, &[("new", '.', 'b')])]);
    let wanted: Said<'_> = (&["2:"], &[], &["old .>c"]);
    assert_found(&known, &seen, Some(&list), &frame(), wanted);
    // Of a kind that nobody wanted to know before.
    let tags = Heads {
        prefixes: vec!["refs/tags/"],
        list: BTreeMap::from([("refs/tags/v1".to_owned(), sha('a'))]),
    };
    assert_found(&known, &tags, None, &frame(), (&[], &[], &["refs/tags/v1 .>a"]));
}

#[test]
fn the_first_reading_tells_what_was_pushed_since_the_watch() {
    let known = [known("main", 'a', Some(1))];
    let seen = heads(&[("main", 'b'), ("new", 'c'), ("old", 'd')]);
    let list = pushes(&[
        push(2, -10, &[("main", 'a', 'b'), ("old", '.', 'd')]),
        push(3, 10, &[("new", '.', 'c')]),
    ]);
    let wanted: Said<'_> = (&["3:"], &[], &["main a>b", "old .>d"]);
    assert_found(&known, &seen, Some(&list), &first(), wanted);
    let wanted: Said<'_> = (&[], &[], &["main a>b", "new .>c", "old .>d"]);
    assert_found(&known, &seen, None, &first(), wanted);
}

#[test]
fn a_branch_that_came_and_went_is_not_told() {
    let list = pushes(&[push(1, 120, &[("x", '.', 'a')]), push(2, 125, &[("x", 'a', '.')])]);
    assert_found(&[], &heads(&[]), Some(&list), &thorough(), (&[], &[], &[]));
}

#[test]
fn a_branch_that_moved_and_came_back_is_told_by_a_close_look() {
    let known = [known("main", 'a', Some(1))];
    let list = pushes(&[push(2, 120, &[("main", 'a', 'b')]), push(3, 125, &[("main", 'b', 'a')])]);
    let wanted: Said<'_> = (&["2: main", "3:"], &[], &[]);
    assert_found(&known, &heads(&[("main", 'a')]), Some(&list), &thorough(), wanted);
}
