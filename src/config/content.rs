//! What a configuration says, key by key, so that two of them can be compared.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::environment::Environment;
use crate::secret::Keyring;
use crate::server::Difference;

/// The keys of the file with their values, and digests of the secrets that it refers to. No value
/// is a secret: the file may not hold any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// By key: `server.drain`, `check.build.paths`, `ci.builder.secret.env`. The values are JSON.
    keys: BTreeMap<String, String>,
    /// By source: `file /run/secrets/pat`.
    secrets: BTreeMap<String, [u8; 32]>,
}

/// An environment that remembers digests of the secrets that are read from it.
pub(super) struct Remembering<'e> {
    environment: &'e dyn Environment,
    secrets: RefCell<BTreeMap<String, [u8; 32]>>,
}

impl<'e> Remembering<'e> {
    pub(super) fn new(environment: &'e dyn Environment) -> Self {
        Self { environment, secrets: RefCell::default() }
    }

    fn remember(&self, source: String, secret: &str) {
        self.secrets.borrow_mut().insert(source, Sha256::digest(secret).into());
    }

    /// What the file of this text and these secrets says.
    pub(super) fn content(self, text: &str) -> Content {
        let mut keys = BTreeMap::new();
        // A text with an error has no content: it is refused.
        for (key, value) in text.parse::<Table>().unwrap_or_default() {
            flatten(key, value, &mut keys);
        }
        Content { keys, secrets: self.secrets.into_inner() }
    }
}

impl Environment for Remembering<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let value = self.environment.variable(name)?;
        self.remember(format!("environment variable {name}"), &value);
        Some(value)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = self.environment.file(path)?;
        self.remember(format!("file {}", path.display()), &text);
        Ok(text)
    }
}

/// Tables with a `name` have it in the keys of what they hold, so that another order of them is no
/// difference.
fn flatten(key: String, value: Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                flatten(format!("{key}.{name}"), value, into);
            }
        }
        Value::Array(items) if items.iter().all(Value::is_table) && !items.is_empty() => {
            let mut used = BTreeSet::new();
            for item in items {
                let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
                let mut of = format!("{key}.{name}");
                while !used.insert(of.clone()) {
                    of.push('+');
                }
                flatten(of, item, into);
            }
        }
        value => {
            let shown = serde_json::to_string(&value).unwrap_or_else(|_| format!("{value:?}"));
            into.insert(key, shown);
        }
    }
}

impl Content {
    /// The same for all processes with this configuration, whatever their addresses: eight
    /// hexadecimal digits that tell nothing of a secret to anybody without the root key.
    pub fn fingerprint(&self, keys: &Keyring) -> String {
        let own = ["server.listen", "server.admin_listen"];
        let shared = self.keys.iter().filter(|(key, _)| !own.contains(&key.as_str()));
        let mut parts: Vec<&str> =
            shared.flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        let digest = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let secrets = self.secrets.iter().map(|(source, bytes)| (source, digest(bytes)));
        let secrets: Vec<(&String, String)> = secrets.collect();
        parts.extend(secrets.iter().flat_map(|(source, digest)| [source.as_str(), digest]));
        keys.fingerprint(&parts)
    }

    /// What differs in `next`, by key.
    pub fn differences(&self, next: &Content) -> Vec<Difference> {
        let keys: BTreeSet<_> = self.keys.keys().chain(next.keys.keys()).collect();
        let of_keys = keys.into_iter().map(|key| Difference {
            key: key.clone(),
            before: self.keys.get(key).cloned(),
            after: next.keys.get(key).cloned(),
        });
        let of_keys = of_keys.filter(|one| one.before != one.after);
        // A secret of another source is a difference of its key.
        let other = next.secrets.iter().filter(|(source, digest)| {
            self.secrets.get(*source).is_some_and(|before| before != *digest)
        });
        let secret =
            |source: &String| Difference { key: source.clone(), before: None, after: None };
        of_keys.chain(other.map(|(source, _)| secret(source))).collect()
    }
}

/// Whether a difference counts only after a restart.
pub fn needs_restart(difference: &Difference) -> bool {
    let key = &*difference.key;
    let is_address = matches!(key, "server.listen" | "server.admin_listen");
    let is_kept = matches!(key, "storage.retention" | "storage.audit_retention");
    is_address || (key.starts_with("storage.") && !is_kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File(&'static str);

    impl Environment for File {
        fn variable(&self, _: &str) -> Option<String> {
            Some("v".into())
        }

        fn file(&self, _: &Path) -> io::Result<String> {
            Ok(self.0.into())
        }
    }

    fn content(text: &str, secret: &'static str) -> Content {
        let environment = File(secret);
        let remembering = Remembering::new(&environment);
        remembering.variable("NAME").unwrap();
        remembering.file(Path::new("/run/pat")).unwrap();
        remembering.content(text)
    }

    fn shown(before: &Content, after: &Content) -> Vec<String> {
        before.differences(after).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn differences_are_told_by_key_and_secrets_without_their_values() {
        let one = content(
            "[server]\ndrain = \"20s\"\n[[check]]\nname = \"a\"\nctx = 1\n[[check]]\nname = \"b\"",
            "old-secret",
        );
        assert_eq!(shown(&one, &one), [""; 0]);
        let other = content(
            "[[check]]\nname = \"b\"\n[[check]]\nname = \"a\"\npaths = [\"x\"]\n[[check]]\n\
             name = \"a\"\n[server]\ndrain = \"9s\"",
            "new-secret",
        );
        let expected = [
            "check.a+.name: \"a\" is new",
            "check.a.ctx: 1 is gone",
            "check.a.paths: [\"x\"] is new",
            "server.drain: \"20s\" is \"9s\" now",
            "file /run/pat: its content has changed",
        ];
        assert_eq!(shown(&one, &other), expected);
        assert!(!format!("{other:?}").contains("secret\""));
    }

    #[test]
    fn addresses_and_the_database_need_a_restart() {
        let needs =
            |key: &str| needs_restart(&Difference { key: key.into(), before: None, after: None });
        assert!(needs("server.listen") && needs("server.admin_listen"));
        assert!(needs("storage.url") && needs("storage.password.file"));
        assert!(!needs("storage.retention") && !needs("server.drain") && !needs("check.a.on"));
    }
}
