//! What Azure DevOps would deliver: bodies of 2 to 12 KB that differ in every key.
//!
//! Bodies are rendered once; for a delivery only digits are replaced in place, because the
//! generator shares a machine with what it measures. It must never know who receives them.

mod template;

pub(crate) use template::Template;

/// Of both kinds together.
const VARIANTS: u64 = 36;
/// One in so many is a push, the others are updates of pull requests.
const PUSH_EVERY: u64 = 3;

/// Everything that can be sent.
#[derive(Debug)]
pub(crate) struct Bodies {
    templates: Vec<Template>,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        let template = |variant| {
            if variant % PUSH_EVERY == 0 { push(variant) } else { pull_request_updated(variant) }
        };
        Self { templates: (0..VARIANTS).map(template).collect() }
    }

    /// Which body delivery `number` has: always the same for the same number.
    pub(crate) fn template(&self, number: u64) -> Option<&Template> {
        let count = u64::try_from(self.templates.len()).ok()?;
        // Mixed, so that neighbours in time differ in size.
        let variant = template::mix(number ^ 0x0b0d_1e5e).checked_rem(count)?;
        self.templates.get(usize::try_from(variant).ok()?)
    }

    /// Smallest, mean and largest body.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        let sizes = || self.templates.iter().map(Template::len);
        let mean = sizes().sum::<usize>().checked_div(self.templates.len()).unwrap_or_default();
        [sizes().min().unwrap_or_default(), mean, sizes().max().unwrap_or_default()]
    }
}

const PEOPLE: [(&str, &str, &str, &str); 6] = [
    ("Noor Haddad", "noor", "5ce0d1f7-2a84-4b39-9d06-e7f31b8a4c52", "Tm9vci1IYWRkYWQtY29udG9zbw"),
    (
        "Tomas Brandt",
        "tomas",
        "b2f96a08-41d7-4ce5-86b3-0a9d7e5c1f34",
        "VG9tYXMtQnJhbmR0LWNvbnRvc28",
    ),
    ("Yuki Arata", "yuki", "07d3be94-c5f2-4a1b-b768-3e8c90f1a6d5", "WXVraS1BcmF0YS1jb250b3Nv"),
    ("Lena Okafor", "lena", "e9417c3a-608f-4d25-a1cb-59f2d0b7e863", "TGVuYS1Pa2Fmb3ItY29udG9zbw"),
    ("Mateo Silva", "mateo", "3a85f0d6-97be-4173-8ce4-b1d620f59a7c", "TWF0ZW8tU2lsdmEtY29udG9zbw"),
    ("Ingrid Dahl", "ingrid", "d16b2e95-3fc0-4897-bd5a-7c48a1e0f623", "SW5ncmlkLURhaGwtY29udG9zbw"),
];
const REPOSITORIES: [(&str, &str); 4] = [
    ("route-planner", "6f2b91d4-c0e8-4357-9ab6-1d84e7f3c205"),
    ("label-printer", "94c7e0a3-1b5d-4f82-b6d9-f205a8c3e716"),
    ("tracking-api", "c83d5f17-e294-4a60-85fb-62e19d0b7a4c"),
    ("warehouse", "2ae6b8d0-7f13-49c5-a84e-d390f5b1c672"),
];
const SENTENCES: [&str; 6] = [
    "The planner no longer asks the map service twice for the same pair of depots.",
    "Parcels without a weight are rejected where they enter, and not when the lorry is full.\\r\\n",
    "- [ ] measure the morning peak once more\\r\\n- [x] migration tried on a copy of production",
    "Follow-up of the incident on Tuesday: the retry budget is now shared between all workers.",
    "See the decision record \\\"one queue for each depot\\\" (docs/0042-queues.md).\\r\\n",
    "Rolled out behind the flag `planner.cached-legs`; switch it off to go back.",
];

fn pull_request_updated(variant: u64) -> Template {
    let reviewers: Vec<String> =
        (0..variant % 4).map(|number| person(include_str!("reviewer.json"), number + 1)).collect();
    // A few descriptions are pages long.
    let sentences = if variant % 9 == 7 { 48 } else { variant % 5 };
    let description: Vec<&str> = (0..sentences).map(|number| pick(&SENTENCES, number)).collect();
    let text = include_str!("pull_request_updated.json")
        .replace("@REVIEWERS@", &reviewers.join(","))
        .replace("@description@", &description.join(" "))
        .replace("@title@", "Cache the legs between depots")
        .replace("@branch@", "cached-legs");
    Template::new(&common(&text, variant))
}

fn push(variant: u64) -> Template {
    let commit = |number: u64| {
        let hash = format!("{:016x}{:016x}0badcafe", template::mix(variant), template::mix(number));
        person(include_str!("commit.json"), number)
            .replace("@hash@", &hash)
            .replace("@comment@", pick(&SENTENCES, variant + number))
    };
    let commits: Vec<String> = (0..1 + variant % 8).map(commit).collect();
    let text = include_str!("push.json").replace("@COMMITS@", &commits.join(","));
    Template::new(&common(&text, variant))
}

fn common(text: &str, variant: u64) -> String {
    let (name, repository) = pick(&REPOSITORIES, variant);
    let text = text
        .replace("@REPOSITORY@", include_str!("repository.json"))
        .replace("@CONTAINERS@", include_str!("containers.json"))
        .replace("@PERSON@", include_str!("person.json"))
        .replace("@repository_name@", name)
        .replace("@repository@", repository)
        .replace("@project@", "f04c8e2b-96d1-4b7a-8e35-c1a7d9026f4b");
    // Azure DevOps sends no line breaks.
    let text: String = text.lines().map(str::trim_start).collect();
    person(&text, variant)
}

fn person(text: &str, number: u64) -> String {
    let (name, mail, id, descriptor) = pick(&PEOPLE, number);
    let vote = if number.is_multiple_of(2) { "0" } else { "10" };
    text.replace("@name@", name)
        .replace("@mail@", mail)
        .replace("@person@", id)
        .replace("@descriptor@", descriptor)
        .replace("@vote@", vote)
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
            assert!(body["resource"]["repository"]["project"]["id"].is_string());
        }
    }

    #[test]
    fn bodies_have_the_sizes_of_real_ones() {
        let [smallest, mean, largest] = Bodies::new().sizes();
        assert!(smallest >= 2_000 && largest <= 12_500, "{smallest} to {largest}");
        assert!((4_500..=5_500).contains(&mean), "{mean}");
    }
}
