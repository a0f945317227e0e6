//! `kind = "jenkins"`.

use std::sync::Arc;

use super::token;
use crate::ci::{Kind, jenkins};
use crate::config::address;
use crate::config::section::Section;

pub(super) fn read(mut section: Section<'_>) -> Option<Arc<dyn Kind>> {
    let value = section.required("url", "\"https://jenkins.example.com/job/team/job/web\"");
    let url = value.and_then(|value| address::base(&value));
    let user = section.required("user", "\"azdo-gateway\"");
    let user = user.and_then(|value| {
        let user = value.text_of(1, 200)?;
        if user.contains(':') {
            value.refuse("user has a colon", "write the user's id, without the token");
        }
        Some(user)
    });
    let token = token(&mut section, "{ env = \"JENKINS_TOKEN\" }", "an API token of the user");
    let parameter = section.value("parameter", "\"AZDO_GATEWAY_RUN\"");
    let parameter = parameter.map_or(Some("AZDO_GATEWAY_RUN"), |value| value.text_of(0, 100));
    section.finish();
    let options = jenkins::Options {
        url: url?,
        user: user?.to_owned(),
        token: token?,
        parameter: parameter?.to_owned(),
    };
    if let Some(value) = value.filter(|_| options.root().is_none()) {
        let what = "url is not the address of a job: it has no /job/";
        value.refuse(what, value.remedy());
        return None;
    }
    Some(Arc::new(options))
}
