//! Pushes, and what people do to pull requests.

use serde_json::{Value, json};

use super::arguments::{HELP, Reply, flag, pull_request, repository, text};
use crate::ado;
use crate::ado::NewPullRequest;

pub(super) fn push(ado: &mut ado::World, body: &Value) -> Reply {
    let repository = repository(ado, body)?;
    let comment = text(body, "comment").unwrap_or("Change something");
    let branch = text(body, "branch")?;
    let Ok(sha) = text(body, "commit") else {
        return Ok(json!({"commit": ado.push(&repository, branch, comment)}));
    };
    let is_object = sha.len() == 40 && sha.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_object || ado.repository(&repository).commits.contains_key(sha) {
        return Err(format!("{sha} is no object id, or one that is there already"));
    }
    ado.push_object(&repository, branch, comment, sha);
    Ok(json!({"commit": sha}))
}

pub(super) fn open(ado: &mut ado::World, body: &Value) -> Reply {
    let repository = repository(ado, body)?;
    let (source, target) = (text(body, "source")?, text(body, "target").unwrap_or("main"));
    if ado.head(&repository, target).is_none() {
        return Err(format!("there is no branch {target}"));
    }
    if ado.head(&repository, source).is_none() {
        ado.push(&repository, source, "Begin");
    }
    let mut new = NewPullRequest::new(&repository, source, target);
    if let Ok(title) = text(body, "title") {
        new = new.titled(title);
    }
    if flag(body, "draft") {
        new = new.draft();
    }
    if flag(body, "conflicts") {
        new = new.conflicting();
    }
    Ok(json!({"pull_request": ado.open_pull_request(&new)}))
}

pub(super) fn change(ado: &mut ado::World, id: &str, verb: &str, body: &Value) -> Reply {
    let id = pull_request(ado, id)?;
    let known = ado.pull_request(id);
    let origin = known.fork.clone().unwrap_or_else(|| known.repository.clone());
    let source = known.source_ref.clone();
    match verb {
        "push" => return Ok(json!({"commit": ado.push(&origin, &source, "Continue")})),
        "force-push" => {
            return Ok(json!({"commit": ado.force_push(&origin, &source, "Start over")}));
        }
        "complete" => return Ok(json!({"commit": ado.complete(id)})),
        "try-complete" => return Ok(json!({"commit": ado.try_complete(id)?})),
        "abandon" => ado.abandon(id),
        "reactivate" => ado.reactivate(id),
        "draft" => ado.set_draft(id),
        "publish" => ado.publish(id),
        "title" => ado.edit_title(id, text(body, "text")?),
        "retarget" => ado.retarget(id, text(body, "text")?),
        "comment" => {
            let (thread, _) = ado.comment(id, text(body, "text")?);
            return Ok(json!({"thread": thread}));
        }
        _ => return Err(HELP.to_owned()),
    }
    Ok(json!({"pull_request": id}))
}
