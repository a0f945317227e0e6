//! The bodies that Azure DevOps would deliver: 2 to 12 KB, different in every key.
//!
//! Bodies are rendered once, and only digits are filled in for each delivery, because the generator
//! shares a machine with the server that it measures.

/// The kinds of deliveries, and how often each comes.
mod kinds;
/// The people, repositories and sentences in them.
mod names;
/// One rendered body.
mod template;

pub(crate) use names::Repository;
pub(crate) use template::{PullRequest, Template, mix};

/// How many different bodies there are.
const VARIANTS: u64 = 72;

/// Everything that can be sent.
#[derive(Debug)]
pub(crate) struct Bodies {
    templates: Vec<Template>,
}

impl Bodies {
    /// What a busy organization sends: all kinds of deliveries, about made-up repositories.
    pub(crate) fn mixed() -> Self {
        Self { templates: (0..VARIANTS).map(kinds::mixed).collect() }
    }

    /// New pull requests of a repository that exists.
    pub(crate) fn of_new_pull_requests(repository: &Repository) -> Self {
        Self {
            templates: (0..VARIANTS).map(|variant| kinds::opened(variant, repository)).collect(),
        }
    }

    /// Which body delivery `number` has: always the same for the same number.
    pub(crate) fn template(&self, number: u64) -> Option<&Template> {
        let count = u64::try_from(self.templates.len()).ok()?;
        // Mixed, so that consecutive bodies differ in size.
        let variant = mix(number ^ 0x0b0d_1e5e).checked_rem(count)?;
        self.templates.get(usize::try_from(variant).ok()?)
    }
}

fn pick<T: Copy + Default>(from: &[T], number: u64) -> T {
    let position = usize::try_from(number).unwrap_or_default().checked_rem(from.len());
    position.and_then(|position| from.get(position)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Bodies, Template};

    #[test]
    fn bodies_are_json_with_unique_keys() {
        let (bodies, mut keys, mut events) = (Bodies::mixed(), HashSet::new(), HashSet::new());
        for number in 0..2_000 {
            let mut body = Vec::new();
            bodies.template(number).unwrap().render(number, None, &mut body);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let subscription = body["subscriptionId"].as_str().unwrap().to_owned();
            assert!(keys.insert((subscription, body["notificationId"].as_i64().unwrap())));
            assert!(events.insert(body["id"].as_str().unwrap().to_owned()));
            assert!(!body.to_string().contains("\"@"), "something was not filled in: {body}");
            assert!(body["eventType"].is_string() && body["resource"].is_object());
        }
    }

    #[test]
    fn bodies_have_the_sizes_of_real_ones() {
        let bodies = Bodies::mixed().templates;
        let size = |template: &Template| {
            let mut body = Vec::new();
            template.render(0, None, &mut body);
            body.len()
        };
        let sizes: Vec<usize> = bodies.iter().map(size).collect();
        assert!(sizes.iter().all(|size| (2_000..=12_500).contains(size)), "{sizes:?}");
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((4_500..=5_500).contains(&mean), "{mean}");
    }
}
