//! Every fixture, read and printed, against the text beside it: `tests/fixtures/hooks/*.golden`.
//! `UPDATE_GOLDEN=1` writes those texts; read the difference before you commit it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;
use crate::domain::comment::{Author, Comment};
use crate::domain::fact::CompletedBuild;
use crate::domain::pull_request::PullRequest;

/// The fixtures, by name.
pub(super) fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hooks");
    let files = json_files(&folder);
    assert!(files.len() > 50, "only {} fixtures in {}", files.len(), folder.display());
    files
}

fn json_files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_fixture_reads_as_its_golden_text_says() {
    let update = env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let mut wrong = Vec::new();
    for (path, body) in fixtures() {
        let printed = printed(&body);
        let golden = path.with_extension("golden");
        if update {
            fs::write(&golden, &printed).unwrap();
        }
        match fs::read_to_string(&golden) {
            Ok(expected) if expected == printed => {}
            Ok(expected) => wrong.push(format!("{golden:?}\n{expected}--- now\n{printed}")),
            Err(_) => wrong.push(format!("{golden:?} lacks: UPDATE_GOLDEN=1 writes it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_golden_text_is_left_behind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hooks");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("json").exists(), "{path:?} has no fixture");
    }
}

#[test]
fn no_url_is_kept() {
    for (path, body) in fixtures() {
        let printed = format!("{:?}", read(&body));
        assert!(!printed.contains("http"), "{path:?}: {printed}");
    }
}

/// Published samples are not ours to copy; where they lie beside the repository, they are read.
#[test]
fn published_samples_start_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/payloads");
    if !folder.is_dir() {
        println!("{} is not there: no published samples read", folder.display());
        return;
    }
    for (path, body) in json_files(&folder) {
        let printed = printed(&body);
        println!("{}\n{printed}", path.display());
        let fact = read(&body).fact;
        assert!(matches!(fact, Fact::Test | Fact::Other(_)), "{path:?}: {printed}");
    }
}

#[test]
fn published_samples_are_understood_once_they_look_real() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/payloads");
    if !folder.is_dir() {
        println!("{} is not there: no published samples read", folder.display());
        return;
    }
    for (path, body) in json_files(&folder) {
        let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        body["id"] = "7c1d0e52-9b3f-4a68-8d27-f5e60a91b4c3".into();
        let mut text = body.to_string();
        for id in ["278d5cd2-584d-4b63-824a-2ba458937249", "4bc14d40-c903-45e2-872e-0462c7748079"] {
            text = text.replace(id, "b90f6c2e-7d48-4a15-8c93-61e0d7a2f5b8");
        }
        let printed = printed(text.as_bytes());
        println!("{}\n{printed}", path.display());
        let fact = read(text.as_bytes()).fact;
        let understood = !matches!(fact, Fact::Test | Fact::Incomplete(_) | Fact::Unreadable(_));
        assert!(understood, "{path:?}: {printed}");
    }
}

/// What was read, in few lines.
fn printed(body: &[u8]) -> String {
    let mut out = String::new();
    match envelope(body) {
        Ok(Envelope { subscription_id, notification_id, event_id, .. }) => {
            let key = (subscription_id.as_deref(), notification_id, event_id.as_deref());
            writeln!(out, "key {key:?}").unwrap();
        }
        Err(refusal) => writeln!(out, "refused: {refusal}").unwrap(),
    }
    let Delivered { event_type, created_at, fact, repository, former_name, .. } = read(body);
    let created_at = created_at.map(|at| at.to_string());
    writeln!(out, "type {event_type:?} created {created_at:?}").unwrap();
    if let Some(Repository { id, name, project_id, project }) = repository {
        writeln!(out, "repository {project}/{name} = {project_id}/{id}").unwrap();
    }
    if let Some(name) = former_name {
        writeln!(out, "formerly {name}").unwrap();
    }
    print_fact(&mut out, fact);
    out
}

fn print_fact(out: &mut String, fact: Fact) {
    match fact {
        Fact::PullRequest(seen) => print_pull_request(out, "pull request", &seen),
        Fact::MergeAttempted(seen) => print_pull_request(out, "merge attempted:", &seen),
        Fact::Push(push) => {
            let pushed_at = push.pushed_at.map(|at| at.to_string());
            writeln!(out, "push {:?} at {pushed_at:?}", push.push_id).unwrap();
            for update in push.updates {
                let (old, new) = (update.old.as_deref(), update.new.as_deref());
                let (old, new) = (old.unwrap_or("nothing"), new.unwrap_or("nothing"));
                writeln!(out, "  {} {}: {old} -> {new}", update.event(), update.name).unwrap();
            }
            writeln!(out, "  messages {:?}", push.messages).unwrap();
        }
        Fact::BuildCompleted(CompletedBuild { id, project_id, project }) => {
            writeln!(out, "build {id} completed in {project} = {project_id}").unwrap();
        }
        Fact::Comment(comment) => {
            let Comment { pull_request, thread, id, author, content, published_at, .. } = comment;
            let at = published_at.map(|at| at.to_string());
            writeln!(out, "comment {id} in thread {thread} of {pull_request} at {at:?}").unwrap();
            let Author { id, display_name, account } = author;
            writeln!(out, "  by {display_name} {account} {id}: {content:?}").unwrap();
            let Comment { is_edited, is_deleted, is_system, .. } = comment;
            let flags = [(is_edited, "edited"), (is_deleted, "deleted"), (is_system, "system")];
            let flags: Vec<_> = flags.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            writeln!(out, "  flags {flags:?}").unwrap();
        }
        Fact::Other(event) => writeln!(out, "other: {event}").unwrap(),
        Fact::Test => writeln!(out, "test").unwrap(),
        Fact::Incomplete(reason) => writeln!(out, "incomplete: {reason}").unwrap(),
        Fact::Unreadable(reason) => writeln!(out, "unreadable: {reason}").unwrap(),
    }
}

fn print_pull_request(out: &mut String, what: &str, seen: &PullRequest) {
    let PullRequest { id, title, description, source_ref, target_ref, status, .. } = seen;
    writeln!(out, "{what} {id} {status:?} {title:?} {description:?}").unwrap();
    writeln!(out, "  {source_ref} -> {target_ref}").unwrap();
    let commits = [&seen.source_commit, &seen.target_commit, &seen.merge_commit];
    let [source, target, merge] = commits.map(|commit| commit.as_deref().unwrap_or("nothing"));
    writeln!(out, "  source {source} target {target} merge {merge}").unwrap();
    let flags =
        [(seen.has_conflicts, "conflicts"), (seen.is_draft, "draft"), (seen.is_fork, "fork")];
    let flags: Vec<_> = flags.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    writeln!(out, "  flags {flags:?} labels {:?} votes {:?}", seen.labels, seen.votes).unwrap();
    writeln!(out, "  messages {:?}", seen.messages).unwrap();
}
