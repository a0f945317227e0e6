//! Why each check runs on a pull request, or why it does not.
//!
//! Reads Azure DevOps and changes nothing.

use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::paging::Parameters;
use crate::domain::decision::Finding;
use crate::pipeline::examine::{Address, Examine, Examined, Refusal};
use crate::server::auth::Operator;
use crate::server::organization::Organization;
use crate::server::problem::Problem;

const PARAMETERS: [&str; 3] = ["project", "repository", "pull_request"];

/// `GET /v1/organizations/{name}/explain`.
pub(super) async fn explain(
    _: Operator,
    organization: Organization,
    parameters: Parameters,
    examine: Data<Examine>,
) -> Result<Json<Value>, Problem> {
    parameters.only(&PARAMETERS)?;
    let needed = |name: &str| {
        let given = parameters.get(name).filter(|text| !text.is_empty());
        given.ok_or_else(|| Problem::field(name, "it is needed"))
    };
    let expected = "the number of a pull request";
    let id = parameters.parse::<i64>("pull_request", expected)?;
    let address = Address {
        organization: organization.0,
        project: needed("project")?,
        repository: needed("repository")?,
        id: id.ok_or_else(|| Problem::field("pull_request", format!("{expected} is needed")))?,
    };
    let Examined { pull_request, findings } = examine.pull_request(&address).await?;
    Ok(Json(json!({
        "organization": address.organization,
        "project": pull_request.repository.project,
        "repository": pull_request.repository.name,
        "pull_request": pull_request.id,
        "title": pull_request.title,
        "commit": pull_request.source_commit,
        "target": pull_request.target_ref,
        "items": findings.iter().map(rendered).collect::<Vec<_>>(),
    })))
}

fn rendered(finding: &Finding) -> Value {
    let Finding { check, genre, expectation, why, run } = finding;
    json!({
        "check": check,
        "genre": genre,
        "outcome": expectation.as_str(),
        "reason": why,
        "run": run,
    })
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(why) => Problem::missing(why),
            Refusal::Paused(why) => Problem::busy(&why),
            Refusal::Call(error) => Problem::bad_gateway(error.to_string()),
            Refusal::Store(error) => Problem::from(error),
        }
    }
}
