//! What Azure DevOps would deliver: bodies of 2 to 12 KB that differ in every key.
//!
//! Bodies are rendered once; for a delivery only digits are filled in, because the generator shares
//! a machine with what it measures. It must never know who receives them.

/// What is delivered how often.
mod kinds;
/// Names and sentences.
mod names;
/// One rendered body.
mod template;

pub(crate) use names::Place;
pub(crate) use template::{Subject, Template, mix};

/// Of all kinds together.
const VARIANTS: u64 = 72;

/// Everything that can be sent.
#[derive(Debug)]
pub(crate) struct Bodies {
    templates: Vec<Template>,
}

impl Bodies {
    /// What a busy organization sends: every kind of delivery, of things that nobody plays.
    pub(crate) fn new() -> Self {
        Self { templates: (0..VARIANTS).map(kinds::of_mix).collect() }
    }

    /// All about new pull requests of a repository that exists.
    pub(crate) fn of_lives(place: &Place) -> Self {
        Self { templates: (0..VARIANTS).map(|variant| kinds::opened(variant, place)).collect() }
    }

    /// Which body delivery `number` has: always the same for the same number.
    pub(crate) fn template(&self, number: u64) -> Option<&Template> {
        let count = u64::try_from(self.templates.len()).ok()?;
        // Mixed, so that neighbours in time differ in size.
        let variant = mix(number ^ 0x0b0d_1e5e).checked_rem(count)?;
        self.templates.get(usize::try_from(variant).ok()?)
    }

    /// Smallest, mean and largest body.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        let sizes = || self.templates.iter().map(Template::len);
        let mean = sizes().sum::<usize>().checked_div(self.templates.len()).unwrap_or_default();
        [sizes().min().unwrap_or_default(), mean, sizes().max().unwrap_or_default()]
    }
}

fn pick<T: Copy + Default>(from: &[T], number: u64) -> T {
    let position = usize::try_from(number).unwrap_or_default().checked_rem(from.len());
    position.and_then(|position| from.get(position)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Bodies;

    #[test]
    fn bodies_are_json_with_unique_keys() {
        let (bodies, mut keys, mut events) = (Bodies::new(), HashSet::new(), HashSet::new());
        for number in 0..2_000 {
            let mut body = Vec::new();
            bodies.template(number).unwrap().render(number, &mut body);
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
        let [smallest, mean, largest] = Bodies::new().sizes();
        assert!(smallest >= 2_000 && largest <= 12_500, "{smallest} to {largest}");
        assert!((4_500..=5_500).contains(&mean), "{mean}");
    }
}
