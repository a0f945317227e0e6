//! `kind = "azure_pipelines"`.

use std::sync::Arc;

use super::Organizations;
use crate::ci::Kind;
use crate::ci::azure_pipelines::{Options, Ref};
use crate::config::references::reference;
use crate::config::section::Section;

const REFS: [(&str, Ref); 2] = [("merge", Ref::Merge), ("source", Ref::Source)];
const PARTIAL_SUCCESS: [(&str, bool); 2] = [("failed", false), ("succeeded", true)];

pub(super) fn read(
    mut section: Section<'_>,
    organizations: &Organizations<'_>,
) -> Option<Arc<dyn Kind>> {
    let organization = section.required("organization", "\"my-devops-org\"");
    let names: Vec<&str> = organizations.iter().map(|(name, _)| *name).collect();
    let organization =
        organization.and_then(|value| reference(&value, &names, "[[organization]]", true));
    let project = section.required("project", "\"MyProject\"");
    let project = project.and_then(|value| value.text_of(1, 64));
    let pipeline = section.required("pipeline", "12").and_then(|value| value.count());
    let parameter = section.value("parameter", "\"azdo_gateway_run\"");
    let parameter = parameter.map_or(Some("azdo_gateway_run"), |value| value.text_of(0, 100));
    let git_ref = section.value("ref", "\"merge\"");
    let git_ref = git_ref.map_or(Some(Ref::Merge), |value| value.word(&REFS));
    let partial = section.value("partially_succeeded", "\"failed\"");
    let partial = partial.map_or(Some(false), |value| value.word(&PARTIAL_SUCCESS));
    section.finish();
    let organization = organization?;
    let url = organizations.iter().find(|(name, _)| *name == organization).map(|(_, url)| url);
    Some(Arc::new(Options {
        url: (*url?).clone(),
        organization,
        project: project?.to_owned(),
        pipeline: pipeline?,
        parameter: Some(parameter?.to_owned()).filter(|name| !name.is_empty()),
        git_ref: git_ref?,
        accepts_partial_success: partial?,
    }))
}
