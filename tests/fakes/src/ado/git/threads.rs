//! Threads of comments over REST (docs/azure-devops.md §2.3).
//!
//! The gateway answers comments; it begins no thread.

use serde_json::Value;

use crate::ado::model::{Comment, PullRequest, Thread};
use crate::ado::rest::refusal::{
    bad_request, git_item_unknown, method_not_allowed, page_not_found,
};
use crate::ado::rest::render::list;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// `…/threads/{thread}/comments[/{comment}]`.
    pub(super) fn thread_call(
        &mut self,
        call: &Call<'_>,
        id: u64,
        thread: &str,
        tail: &[&str],
    ) -> Reply {
        let pull_request = self.pull_request(id);
        let found = known_thread(pull_request, thread)?;
        match (call.method(), tail) {
            ("GET", ["comments"]) => {
                let json = |one| self.comment_json(pull_request, found.id, one);
                Ok(Response::json(200, &list(found.comments.iter().map(json).collect())))
            }
            ("GET", ["comments", number]) => {
                let comment = found.comments.iter().find(|one| one.id.to_string() == *number);
                let comment = comment.ok_or_else(|| unknown("comment", number))?;
                Ok(Response::json(200, &self.comment_json(pull_request, found.id, comment)))
            }
            ("POST", ["comments"]) => {
                let (thread, repository) = (found.id, pull_request.repository.clone());
                self.check_permission(call, Permission::PullRequestContribute, &repository)?;
                let (content, parent) = new_comment(found, &call.json()?)?;
                let by = call.caller.identity.clone();
                let comment = self.reply_as(&by, id, thread, parent, &content);
                let pull_request = self.pull_request(id);
                let all = pull_request.threads.iter().flat_map(|one| one.comments.iter());
                let mut same = all.filter(|one| one.id == comment && one.by == by);
                let added = same.next_back().ok_or_else(page_not_found)?;
                Ok(Response::json(200, &self.comment_json(pull_request, thread, added)))
            }
            (method, ["comments", ..]) => Err(method_not_allowed(method)),
            _ => Err(page_not_found()),
        }
    }
}

fn known_thread<'a>(pull_request: &'a PullRequest, number: &str) -> Result<&'a Thread, Response> {
    let found = pull_request.threads.iter().find(|one| one.id.to_string() == number);
    found.ok_or_else(|| unknown("thread", number))
}

fn unknown(what: &str, number: &str) -> Response {
    let text = format!("The {what} {number} does not exist.");
    git_item_unknown("GitPullRequestCommentThreadNotFoundException", &text)
}

/// Content and parent of a comment to be added.
fn new_comment(thread: &Thread, body: &Value) -> Result<(String, u64), Response> {
    let content = body.get("content").and_then(Value::as_str).unwrap_or_default();
    if content.trim().is_empty() {
        return Err(bad_request("A comment needs content."));
    }
    let kind = body.get("commentType").and_then(Value::as_str).unwrap_or("text");
    if kind != "text" {
        return Err(bad_request("Only comments of type text can be added."));
    }
    let parent = body.get("parentCommentId").and_then(Value::as_u64).unwrap_or(0);
    let is_there = |one: &Comment| one.id == parent;
    if parent != 0 && !thread.comments.iter().any(is_there) {
        return Err(unknown("comment", &parent.to_string()));
    }
    Ok((content.to_owned(), parent))
}
