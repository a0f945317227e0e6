//! The people, repositories and sentences in bodies. Everything here is made up.

use super::pick;

pub(super) const PEOPLE: [(&str, &str, &str, &str); 6] = [
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
pub(super) const TITLE: &str = "Cache the legs between depots";
pub(super) const SENTENCES: [&str; 6] = [
    "The planner no longer asks the map service twice for the same pair of depots.",
    "Parcels without a weight are rejected where they enter, and not when the lorry is full.\\r\\n",
    "- [ ] measure the morning peak once more\\r\\n- [x] migration tried on a copy of production",
    "Follow-up of the incident on Tuesday: the retry budget is now shared between all workers.",
    "See the decision record \\\"one queue for each depot\\\" (docs/0042-queues.md).\\r\\n",
    "Rolled out behind the flag `planner.cached-legs`; switch it off to go back.",
];

/// The repository that a body is about.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) organization: String,
    /// GUID and name.
    pub(crate) project: (String, String),
    pub(crate) id: String,
    pub(crate) name: String,
    /// Head of the target branch.
    pub(crate) head: String,
}

impl Repository {
    /// A repository that does not exist at any Azure DevOps.
    pub(super) fn made_up(variant: u64) -> Self {
        let (name, id) = pick(&REPOSITORIES, variant);
        let project = "f04c8e2b-96d1-4b7a-8e35-c1a7d9026f4b";
        Self {
            organization: "contoso".to_owned(),
            project: (project.to_owned(), "Logistics".to_owned()),
            id: id.to_owned(),
            name: name.to_owned(),
            head: "1d7e40c9ab35f862d1907e4bc6a2f8305d9b71e4".to_owned(),
        }
    }
}
