//! Many pull requests in one call, for load tests: one call for each would take longer than the
//! test.

use serde_json::{Value, json};

use super::arguments::{Reply, repository, text};
use crate::ado::{NewPullRequest, World};

const COUNT_MAX: u64 = 10_000;

/// Opens `count` pull requests into the default branch, each from a branch of its own with one
/// commit; answers with the repository, and with the number and the head of each.
pub(super) fn open_many(ado: &mut World, body: &Value) -> Reply {
    let id = repository(ado, body)?;
    let prefix = text(body, "prefix")?;
    let count = body.get("count").and_then(Value::as_u64).filter(|count| *count <= COUNT_MAX);
    let count = count.ok_or_else(|| format!("count is at most {COUNT_MAX}"))?;
    let target = ado.repository(&id).default_branch.clone().ok_or("the repository is empty")?;
    let names: Vec<_> = (0..count).map(|number| format!("{prefix}{number}")).collect();
    let branches: Vec<_> = names.iter().map(|name| (name.as_str(), "Change something")).collect();
    let heads = ado.push_many(&id, &branches);
    let mut opened = Vec::with_capacity(heads.len());
    for (name, head) in names.iter().zip(heads) {
        let number = ado.open_pull_request(&NewPullRequest::new(&id, name, &target));
        opened.push(json!([number, head]));
    }
    let known = ado.repository(&id);
    let base = ado.head(&id, &target);
    Ok(json!({
        "repository": {"id": id, "name": known.name},
        "project": {"id": known.project, "name": ado.project(&known.project).name},
        "organization": known.organization,
        "base": base,
        "pull_requests": opened,
    }))
}
