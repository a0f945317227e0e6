//! For `azdo-gateway ci check`: whether the CI answers and accepts who asks. Nothing is started.

use std::collections::BTreeMap;

use serde_json::json;

use super::call::with;
use super::{Http, is_ok};
use crate::ci::error::{Error, Refusal};
use crate::ci::sample::Sample;
use crate::ci::system::Finding;

/// No CI has a run of this id.
const NO_RUN: &str = "0";

impl Http {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        if let Err(error) = self.session.log_in().await {
            return vec![self.problem("auth", &error)];
        }
        let mut findings = Vec::new();
        let polls = self.options.poll.as_ref().filter(|_| self.options.polls);
        for (name, call) in [("find", self.options.find.as_ref()), ("poll", polls)] {
            let Some(call) = call else { continue };
            let run = Sample::PullRequest.run("sample", BTreeMap::new());
            let context = self.context(&run);
            let context = match context.get("id") {
                Some(_) => context,
                None => with(&context, "id", json!(NO_RUN)),
            };
            let request = match self.request(call, &context) {
                Ok((request, _)) => request,
                // It needs inputs that only a check has.
                Err(error) => {
                    findings.push(Finding::note(format!("{name} is not tried: {error}")));
                    continue;
                }
            };
            findings.push(match self.session.send(request).await {
                Ok(answer) if is_ok(call, &answer) => {
                    Finding::note(format!("{name} is answered {}", answer.status.as_u16()))
                }
                Ok(answer) => match self.failure(call, &answer) {
                    // That there is no such run is right.
                    Error::Refused { refusal: Refusal::Gone, .. } => {
                        Finding::note(format!("{name} is answered {}", answer.status.as_u16()))
                    }
                    error => self.problem(name, &error),
                },
                Err(error) => self.problem(name, &error),
            });
        }
        if findings.is_empty() {
            let what =
                "it has neither a login nor find nor poll: it is only asked when a run starts";
            findings.push(Finding::note(what));
        }
        findings
    }

    fn problem(&self, name: &str, error: &Error) -> Finding {
        let help = match error {
            Error::Refused { refusal: Refusal::Credential, .. } => {
                "give auth a token or password that the CI accepts and that may do this"
            }
            Error::Refused { .. } => "correct the call in the configuration, or the CI",
            _ => "see whether the CI is up, and its address right",
        };
        Finding::problem(format!("{name}: {}", self.plain(&error.to_string())), help)
    }
}
