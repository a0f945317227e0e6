//! Comments on pull requests, who may contribute to a repository, and answers to comments
//! (docs/azure-devops.md §2.3, §7).

use reqwest::Method;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::client::{Call, Host};
use super::hooks::comment::comment;
use super::permissions::text;
use super::statuses::repository;
use super::{Client, Credential, Error, MaySend};
use crate::domain::comment::Comment;
use crate::domain::event::Repository;
use crate::domain::permission::CONTRIBUTE;
use crate::domain::status::Status;

/// A list of all comments may be long.
const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A comment, and the JSON that it was read from, with the link that says in which thread it is.
#[derive(Clone, Debug)]
pub struct ListedComment {
    pub comment: Comment,
    pub resource: Value,
}

impl Client {
    /// The comments on a pull request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn comments(
        &self,
        credential: Credential,
        of: &Repository,
        pull_request: i64,
    ) -> Result<Vec<ListedComment>, Error> {
        let number = pull_request.to_string();
        let git = [&of.project_id, "_apis", "git", "repositories", &of.id];
        let segments = [&git[..], &["pullRequests", &number, "threads"]].concat();
        let call = Call { answer_bytes_max: LIST_BYTES_MAX, ..Call::new(Method::GET, &segments) };
        let answer = self.call(credential, call).await?;
        let threads = answer.get("value").and_then(Value::as_array);
        let threads = threads.ok_or_else(|| unreadable("which threads there are"))?;
        let mut found = Vec::new();
        for thread in threads {
            let Some(id) = thread.get("id").and_then(Value::as_i64) else { continue };
            let comments = thread.get("comments").and_then(Value::as_array);
            for one in comments.into_iter().flatten() {
                let Some(comment) = read(one, of, pull_request, id) else { continue };
                let mut resource = one.clone();
                if let Some(fields) = resource.as_object_mut() {
                    let href = format!("/threads/{id}");
                    fields.insert("_links".into(), json!({ "threads": { "href": href } }));
                }
                found.push(ListedComment { comment, resource });
            }
        }
        Ok(found)
    }

    /// A comment as it is now; none where it is gone.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn comment(
        &self,
        credential: Credential,
        known: &Comment,
    ) -> Result<Option<Comment>, Error> {
        let Comment { repository, pull_request, thread, id, .. } = known;
        let (number, in_thread, id) =
            (pull_request.to_string(), thread.to_string(), id.to_string());
        let segments = [
            &repository.project_id,
            "_apis",
            "git",
            "repositories",
            &repository.id,
            "pullRequests",
            &number,
            "threads",
            &in_thread,
            "comments",
            &id,
        ];
        let answer = match self.call(credential, Call::new(Method::GET, &segments)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            answer => answer?,
        };
        let read = read(&answer, repository, *pull_request, *thread);
        let found = read.ok_or_else(|| unreadable("what the comment is"))?;
        Ok(Some(found).filter(|found| found.id == known.id))
    }

    /// The descriptor by which access control entries name the identity with this id; none when
    /// there is no such identity.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn descriptor_of_id(
        &self,
        credential: Credential,
        id: &str,
    ) -> Result<Option<String>, Error> {
        let query = [("identityIds", id)];
        let call = Call {
            host: Host::Identity,
            query: &query,
            ..Call::new(Method::GET, &["_apis", "identities"])
        };
        let answer = self.call(credential, call).await?;
        let found = answer.get("value").and_then(Value::as_array);
        let found = found.ok_or_else(|| unreadable("who has the id"))?;
        let is_it =
            |one: &&Value| text(one, "/id").is_some_and(|found| found.eq_ignore_ascii_case(id));
        Ok(found.iter().find(is_it).and_then(|one| text(one, "/descriptor")))
    }

    /// Whether an identity may contribute to a repository, its groups and what is inherited
    /// included. What the answer does not say is not permitted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn may_contribute(
        &self,
        credential: Credential,
        repository: &Repository,
        descriptor: &str,
    ) -> Result<bool, Error> {
        let token = format!("repoV2/{}/{}", repository.project_id, repository.id);
        let query = [
            ("token", token.as_str()),
            ("descriptors", descriptor),
            ("includeExtendedInfo", "true"),
            ("recurse", "false"),
        ];
        let segments = ["_apis", "accesscontrollists", CONTRIBUTE.namespace];
        let call = Call { query: &query, ..Call::new(Method::GET, &segments) };
        let answer = self.call(credential, call).await?;
        let lists = answer.get("value").and_then(Value::as_array);
        let lists = lists.ok_or_else(|| unreadable("who may contribute"))?;
        Ok(lists.iter().any(|list| allows(list, &token, descriptor)))
    }

    /// Answers a comment in its thread, if that still may be done when the request is written:
    /// `status` says which comment, and what.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn answer_comment(
        &self,
        credential: Credential,
        status: &Status,
        (pull_request, thread, comment): (i64, i64, i64),
        may_send: MaySend,
    ) -> Result<(), Error> {
        let (number, thread) = (pull_request.to_string(), thread.to_string());
        let body = json!({
            "content": status.description,
            "parentCommentId": comment,
            "commentType": "text",
        });
        let segments = thread_segments(status, &number, &thread);
        let (body, may_send, is_once) = (Some(body), Some(may_send), true);
        let call = Call { body, may_send, is_once, ..Call::new(Method::POST, &segments) };
        self.call(credential, call).await.map(drop)
    }

    /// Whether the thread of a comment has this answer to it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn has_answer(
        &self,
        credential: Credential,
        status: &Status,
        (pull_request, thread, comment): (i64, i64, i64),
    ) -> Result<bool, Error> {
        let (number, thread) = (pull_request.to_string(), thread.to_string());
        let segments = thread_segments(status, &number, &thread);
        let answer = self.call(credential, Call::new(Method::GET, &segments)).await?;
        let comments = answer.get("value").and_then(Value::as_array);
        let comments = comments.ok_or_else(|| unreadable("which comments there are"))?;
        let is_it = |one: &Value| {
            let content = one.get("content").and_then(Value::as_str);
            one.get("parentCommentId").and_then(Value::as_i64) == Some(comment)
                && content == Some(status.description.as_str())
        };
        Ok(comments.iter().any(is_it))
    }
}

fn thread_segments<'a>(status: &'a Status, number: &'a str, thread: &'a str) -> Vec<&'a str> {
    let rest = ["pullRequests", number, "threads", thread, "comments"];
    [&repository(status)[..], &rest].concat()
}

/// Reads a listed comment as one of a delivery.
fn read(value: &Value, of: &Repository, pull_request: i64, thread: i64) -> Option<Comment> {
    let raw = to_raw_value(value).ok()?;
    comment(Some(&raw), of.clone(), pull_request, thread).ok()
}

/// Whether an access control list of this token lets the identity contribute.
fn allows(list: &Value, token: &str, descriptor: &str) -> bool {
    let is_of_token = text(list, "/token").is_some_and(|found| found.eq_ignore_ascii_case(token));
    let entries = list.get("acesDictionary").and_then(Value::as_object);
    let entry = entries.into_iter().flatten().find(|(of, _)| of.eq_ignore_ascii_case(descriptor));
    let Some((_, entry)) = entry.filter(|_| is_of_token) else { return false };
    let bits = |name: &str| entry.pointer(name).and_then(Value::as_u64).unwrap_or_default();
    let bit = u64::from(CONTRIBUTE.bit);
    let denied = bits("/extendedInfo/effectiveDeny") | bits("/deny");
    bits("/extendedInfo/effectiveAllow") & bit != 0 && denied & bit == 0
}

fn unreadable(about: &str) -> Error {
    let reason = format!("its answer does not say {about}");
    Error::Unavailable { reason, doubtful: false, retry_after: None }
}
