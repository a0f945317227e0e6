//! The names of the configured organizations, and the extractor of the one that a path names.

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest};

use super::problem::Problem;

/// The names of the configured organizations. They are found without regard to case.
#[derive(Debug)]
pub struct Organizations(HashMap<String, String>);

impl Organizations {
    /// These names.
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        Self(names.map(|name| (name.to_ascii_lowercase(), name)).collect())
    }

    /// The name as configured; none where the organization is not configured.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// All names as configured, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.values().map(String::as_str).collect();
        names.sort_by_key(|name| name.to_lowercase());
        names
    }
}

/// The name, as configured, of the organization that is the only parameter of the path.
#[derive(Debug)]
pub(super) struct Organization(pub(super) String);

impl Organization {
    /// 404 for a name that is not configured.
    pub(super) fn unknown(name: &str) -> Problem {
        Problem::not_found("organization", name)
    }
}

impl FromRequest for Organization {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = Path::<String>::extract(request).into_inner();
        let name = name.map(Path::into_inner).unwrap_or_default();
        let organizations: Option<&Data<Organizations>> = request.app_data();
        let found = organizations.and_then(|organizations| organizations.find(&name));
        ready(found.map(|name| Self(name.to_owned())).ok_or_else(|| Self::unknown(&name)))
    }
}
