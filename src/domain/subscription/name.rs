//! The names of our hooks in their URLs: topic, project, the generation of the secret, and a tag of
//! the root key from which the secret is derived.
//!
//! Azure DevOps never shows the secret of a subscription. The name in its URL says which secret it
//! has.

use std::fmt;

use super::hook_scope::{HookScope, Topic};

/// See the module. `pushes-<project>-<generation>-<tag>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookName {
    pub hook_scope: HookScope,
    /// Counts the secrets of this scope, from 1.
    pub generation: u32,
    /// Eight hexadecimal digits.
    pub tag: String,
}

impl HookName {
    /// The name without its tag, from which the tag is derived.
    pub fn untagged(hook_scope: &HookScope, generation: u32) -> String {
        format!("{}-{}-{generation}", hook_scope.topic, hook_scope.project_id)
    }

    /// Reads a name; none where it is not one that we give.
    pub fn parse(text: &str) -> Option<HookName> {
        let (topic, rest) = text.split_once('-')?;
        let (project_id, rest) = rest.split_at_checked(36)?;
        let (generation, tag) = rest.strip_prefix('-')?.split_once('-')?;
        let name = HookName {
            hook_scope: HookScope {
                project_id: project_id.to_owned(),
                topic: Topic::parse(topic)?,
            },
            generation: generation.parse().ok()?,
            tag: tag.to_owned(),
        };
        // Names are compared as text, so each has only one spelling.
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", HookName::untagged(&self.hook_scope, self.generation), self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_and_nothing_else_is() {
        let hook_scope = HookScope {
            project_id: "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c".into(),
            topic: Topic::PullRequestsUpdated,
        };
        let name = HookName { hook_scope, generation: 12, tag: "0a1b2c3d".into() };
        let text = name.to_string();
        assert_eq!(text, "updated-6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c-12-0a1b2c3d");
        assert_eq!(HookName::parse(&text), Some(name));
        for other in ["", "git-push", "updated-", "pushes-x-1-a", &text.replace("-12-", "-012-")] {
            assert_eq!(HookName::parse(other), None, "{other}");
        }
    }
}
