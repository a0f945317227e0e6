//! `kind = "buildkite"`.

use std::sync::Arc;

use url::Url;

use super::{token, url_or, webhook_secrets};
use crate::ci::{Kind, buildkite};
use crate::config::section::Section;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let organization = section.required("organization", "\"my-organization\"");
    let organization = organization.and_then(|value| value.text_of(1, 200));
    let pipeline = section.required("pipeline", "\"my-pipeline\"");
    let pipeline = pipeline.and_then(|value| value.text_of(1, 200));
    let token = token(&mut section, "{ env = \"BUILDKITE_TOKEN\" }", "an API access token");
    let url: Option<Url> = url_or(&mut section, "\"https://api.buildkite.com\"");
    let webhook_secrets = webhook_secrets(&mut section);
    section.finish();
    Some(Arc::new(buildkite::Options {
        organization: organization?.to_owned(),
        pipeline: pipeline?.to_owned(),
        token: token?,
        url: url?,
        webhook_secrets,
    }))
}
