//! The fields that are read of a delivery; their JSON names are the same in camel case.
//!
//! Every field is optional and raw, since some event or version lacks it (docs/azure-devops.md §2.1
//! to §2.5). Other fields are skipped.

use serde::Deserialize;

use super::lenient::Raw;

macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub(super) struct $name<'a> {
                $(#[serde(borrow)] $(#[$of])* pub(super) $field: Raw<'a>,)*
            }
        )*
    };
}

objects! {
    /// The whole body. Microsoft Learn: "Service hooks events".
    Body {
        id,
        subscription_id,
        event_type,
        created_date,
        resource,
        resource_containers,
    }

    /// `resourceContainers`; in the published samples its project differs from that of the
    /// resource.
    Containers { project }

    /// Of `git.push`.
    Push { repository, push_id, date, ref_updates, commits }

    /// One ref of a push.
    RefUpdate { name, old_object_id, new_object_id }

    /// Of a push, and as the heads of a pull request.
    Commit { commit_id, comment }

    /// Of `git.pullrequest.*`, and within comments of version 2.0.
    PullRequest {
        repository,
        pull_request_id,
        title,
        description,
        source_ref_name,
        target_ref_name,
        last_merge_source_commit,
        last_merge_target_commit,
        last_merge_commit,
        merge_status,
        status,
        is_draft,
        fork_source,
        reviewers,
        labels,
        commits,
    }

    /// Of the comment event in version 2.0.
    CommentEvent { comment, pull_request }

    /// A comment, also as listed.
    Comment {
        id,
        author,
        content,
        published_date,
        last_content_updated_date,
        comment_type,
        is_deleted,
        #[serde(rename = "_links")]
        links,
    }

    /// A person.
    Identity { id, display_name, unique_name }

    /// Of a comment.
    Links {
        threads,
        #[serde(rename = "self")]
        own,
    }

    /// One link.
    Link { href }

    /// A reviewer (person or group) and the vote.
    Reviewer { id, vote }

    /// A label of a pull request; a removed one is not active.
    Label { name, active }

    /// A git repository.
    Repository { id, name, project }

    /// Of `build.complete`, in both versions.
    Build { id, project }

    /// Of a repository, a container or a build.
    Project { id, name }

    /// Every other event: the fields in which it may name its repository.
    Elsewhere {
        repository,
        project,
        pull_request,
        target_repository,
        repository_id,
        repository_name,
        old_name,
    }
}
