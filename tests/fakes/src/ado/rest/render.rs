//! What exists, as JSON, for REST answers and for the resources in hook deliveries.
//!
//! The keys are those of Microsoft's OpenAPI documents (7.1) and those measured in
//! docs/azure-devops.md §2.3. A test compares them.

use serde_json::{Map, Value, json};

use crate::ado::model::{Commit, Iteration, PullRequest, Push, Repository};
use crate::ado::security::identity::Identity;
use crate::ado::world::World;
use crate::timestamp::{precise, rfc3339};

impl World {
    pub(crate) fn identity_json(&self, id: &str, organization: &str) -> Value {
        let identity = self.identity(id);
        let base = self.organization_url(organization);
        let descriptor = subject_descriptor(identity);
        json!({
            "displayName": identity.display_name,
            "url": format!("{base}/_apis/Identities/{id}"),
            "_links": {"avatar": {
                "href": format!("{base}/_apis/GraphProfile/MemberAvatars/{descriptor}"),
            }},
            "id": id,
            "uniqueName": identity.unique_name,
            "imageUrl": format!("{base}/_api/_common/identityImage?id={id}"),
            "descriptor": descriptor,
        })
    }

    /// The descriptor by which permissions are given (docs/azure-devops.md §7).
    pub(crate) fn descriptor(&self, identity: &Identity) -> String {
        let (tenant, name) = (&self.tenant, &identity.unique_name);
        format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;{tenant}\\{name}")
    }

    pub(crate) fn project_json(&self, id: &str) -> Value {
        let project = self.project(id);
        let base = self.organization_url(&project.organization);
        json!({
            "id": id,
            "name": project.name,
            "url": format!("{base}/_apis/projects/{id}"),
            "state": "wellFormed",
            "revision": 11,
            "visibility": "private",
            "lastUpdateTime": rfc3339(1_789_000_000_000),
        })
    }

    pub(crate) fn repository_url(&self, repository: &Repository) -> String {
        let base = self.organization_url(&repository.organization);
        format!("{base}/{}/_apis/git/repositories/{}", repository.project, repository.id)
    }

    pub(crate) fn repository_json(&self, repository: &Repository) -> Value {
        let base = self.organization_url(&repository.organization);
        let project = self.project(&repository.project).name.replace(' ', "%20");
        let web = format!("{base}/{project}/_git/{}", repository.name.replace(' ', "%20"));
        let mut value = json!({
            "id": repository.id,
            "name": repository.name,
            "url": self.repository_url(repository),
            "project": self.project_json(&repository.project),
            "size": 728,
            "remoteUrl": web,
            "sshUrl": format!("git@ssh.fakes.invalid:v3/{}", repository.id),
            "webUrl": web,
            "isDisabled": repository.is_disabled,
            "isInMaintenance": false,
        });
        if let Some(branch) = &repository.default_branch {
            put(&mut value, "defaultBranch", json!(branch));
        }
        if let Some(parent) = &repository.parent {
            put(&mut value, "isFork", json!(true));
            put(&mut value, "parentRepository", self.parent_json(parent));
        }
        value
    }

    fn parent_json(&self, parent: &str) -> Value {
        let parent = self.repository(parent);
        json!({
            "id": parent.id,
            "name": parent.name,
            "url": self.repository_url(parent),
            "project": self.project_json(&parent.project),
        })
    }

    pub(crate) fn commit_url(&self, repository: &Repository, sha: &str) -> String {
        format!("{}/commits/{sha}", self.repository_url(repository))
    }

    /// The short form that pull requests and iterations use.
    pub(crate) fn commit_link(&self, repository: &Repository, sha: &str) -> Value {
        json!({"commitId": sha, "url": self.commit_url(repository, sha)})
    }

    pub(crate) fn commit_json(&self, repository: &Repository, commit: &Commit) -> Value {
        let author = self.identity(&commit.author);
        let signature = json!({
            "name": author.display_name,
            "email": author.unique_name,
            "date": rfc3339(commit.at_ms),
        });
        json!({
            "commitId": commit.id,
            "author": signature,
            "committer": signature,
            "comment": commit.comment,
            "url": self.commit_url(repository, &commit.id),
        })
    }

    pub(crate) fn push_json(&self, repository: &Repository, push: &Push) -> Value {
        let url = format!("{}/pushes/{}", self.repository_url(repository), push.id);
        json!({
            "pushId": push.id,
            "date": precise(push.at_ms),
            "pushedBy": self.identity_json(&push.by, &repository.organization),
            "url": url,
        })
    }

    pub(crate) fn pull_request_json(&self, pull_request: &PullRequest) -> Value {
        let repository = self.repository(&pull_request.repository);
        let artifact =
            format!("vstfs:///Git/PullRequestId/{}%2f{}", repository.project, repository.id);
        let mut value = json!({
            "repository": self.repository_json(repository),
            "pullRequestId": pull_request.id,
            "codeReviewId": pull_request.id,
            "status": pull_request.state.name(),
            "createdBy": self.identity_json(&pull_request.by, &repository.organization),
            "creationDate": rfc3339(pull_request.created_ms),
            "title": pull_request.title,
            "description": pull_request.description,
            "sourceRefName": pull_request.source_ref,
            "targetRefName": pull_request.target_ref,
            "mergeStatus": pull_request.merge_status,
            "isDraft": pull_request.is_draft,
            "mergeId": pull_request.merge_id,
            "lastMergeSourceCommit": self.commit_link(repository, &pull_request.merge_source),
            "lastMergeTargetCommit": self.commit_link(repository, &pull_request.merge_target),
            "reviewers": self.reviewers_json(pull_request),
            "url": self.pull_request_url(pull_request),
            "supportsIterations": true,
            "artifactId": format!("{artifact}%2f{}", pull_request.id),
        });
        self.add_optional_parts(&mut value, pull_request, repository);
        value
    }

    fn add_optional_parts(
        &self,
        value: &mut Value,
        pull_request: &PullRequest,
        repository: &Repository,
    ) {
        if let Some(commit) = &pull_request.merge_commit {
            put(value, "lastMergeCommit", self.commit_link(repository, commit));
        }
        if let Some(closed_ms) = pull_request.closed_ms {
            put(value, "closedDate", json!(rfc3339(closed_ms)));
        }
        if let Some(fork) = &pull_request.fork {
            let fork = self.repository(fork);
            let source = json!({
                "name": pull_request.source_ref,
                "url": format!("{}/refs", self.repository_url(fork)),
                "repository": self.repository_json(fork),
            });
            put(value, "forkSource", source);
        }
    }

    pub(crate) fn pull_request_url(&self, pull_request: &PullRequest) -> String {
        let repository = self.repository(&pull_request.repository);
        format!("{}/pullRequests/{}", self.repository_url(repository), pull_request.id)
    }

    pub(crate) fn labels_json(&self, pull_request: &PullRequest) -> Value {
        let url = self.pull_request_url(pull_request);
        let label = |(id, name): &(String, String)| {
            let url = format!("{url}/labels/{id}");
            json!({"id": id, "name": name, "active": true, "url": url})
        };
        pull_request.labels.iter().map(label).collect()
    }

    fn reviewers_json(&self, pull_request: &PullRequest) -> Value {
        let organization = &self.repository(&pull_request.repository).organization;
        let url = self.pull_request_url(pull_request);
        let reviewer = |reviewer: &crate::ado::model::Reviewer| {
            let mut value = self.identity_json(&reviewer.id, organization);
            put(&mut value, "reviewerUrl", json!(format!("{url}/reviewers/{}", reviewer.id)));
            put(&mut value, "vote", json!(reviewer.vote));
            put(&mut value, "hasDeclined", json!(false));
            put(&mut value, "isFlagged", json!(false));
            if self.identity(&reviewer.id).is_group {
                put(&mut value, "isContainer", json!(true));
            }
            value
        };
        pull_request.reviewers.iter().map(reviewer).collect()
    }

    pub(crate) fn iteration_json(
        &self,
        pull_request: &PullRequest,
        iteration: &Iteration,
    ) -> Value {
        let repository = self.repository(&pull_request.repository);
        let mut value = json!({
            "id": iteration.id,
            "description": "",
            "author": self.identity_json(&pull_request.by, &repository.organization),
            "createdDate": rfc3339(iteration.at_ms),
            "updatedDate": rfc3339(iteration.at_ms),
            "sourceRefCommit": {"commitId": iteration.source},
            "targetRefCommit": {"commitId": iteration.target},
            "commonRefCommit": {"commitId": iteration.common},
            "hasMoreCommits": false,
            "reason": iteration.reason,
        });
        if let Some(push) = iteration.push {
            put(&mut value, "push", json!({"pushId": push}));
        }
        if let Some((old, new)) = &iteration.retarget {
            put(&mut value, "oldTargetRefName", json!(old));
            put(&mut value, "newTargetRefName", json!(new));
        }
        value
    }
}

/// The descriptor by which the Graph API names an identity.
pub(crate) fn subject_descriptor(identity: &Identity) -> String {
    format!("aad.{}", identity.id.replace('-', ""))
}

/// A list as ADO answers it.
pub(crate) fn list(values: Vec<Value>) -> Value {
    json!({"count": values.len(), "value": values})
}

/// Sets a key of an object.
pub(crate) fn put(value: &mut Value, key: &str, content: Value) {
    value.as_object_mut().unwrap_or(&mut Map::new()).insert(key.to_owned(), content);
}
