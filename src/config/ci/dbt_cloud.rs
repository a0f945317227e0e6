//! `kind = "dbt_cloud"`.

use std::sync::Arc;

use url::Url;

use super::{template, token, webhook_secrets};
use crate::ci::{Kind, dbt_cloud};
use crate::config::address;
use crate::config::section::Section;
use crate::config::value::Value;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let url = section.required("url", "\"https://ab123.us1.dbt.com\"");
    let url = url.and_then(|value| own_host(&value));
    let account = section.required("account", "70403").and_then(|value| value.id());
    let job = section.required("job", "67890").and_then(|value| value.id());
    let token = token(&mut section, "{ env = \"DBT_TOKEN\" }", "a service token of the account");
    let schema = section.value("schema", "\"dbt_cloud_pr_{{ job }}_{{ pull_request.id }}\"");
    let schema = schema.map_or(Some(None), |value| template(&value).map(Some));
    let steps = section.value("steps", "[\"dbt build --select state:modified+\"]");
    let steps = steps.map_or(Some(Vec::new()), |value| {
        let items = value.items()?;
        if items.is_empty() {
            value.refuse("steps is empty", "leave it out: then the job's own commands are run");
        }
        items.iter().map(template).collect()
    });
    let webhook_secrets = webhook_secrets(&mut section);
    section.finish();
    Some(Arc::new(dbt_cloud::Options {
        url: url?,
        account: account?,
        job: job?,
        token: token?,
        schema: schema?,
        steps: steps?,
        webhook_secrets,
    }))
}

/// The address of the account. The hosts that all accounts shared have an end.
fn own_host(value: &Value<'_>) -> Option<Url> {
    let url = address::base(value)?;
    let host = url.host_str().unwrap_or_default();
    let labels = host.split('.').count();
    if host.ends_with(".getdbt.com") || host.ends_with(".dbt.com") && labels < 4 {
        let what = "accounts do not share a host any more, and redirects are not followed";
        value.warn(what, "write the account's own address, such as https://ab123.us1.dbt.com");
    }
    Some(url)
}
