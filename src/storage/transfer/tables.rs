//! The tables that are moved, as both engines have them.
//!
//! Each is read in the order of its key. What is not here stays behind: who holds a lease
//! (`holder`, where a lease has one), running processes, migrations, the position of the intake,
//! which is moved into the inbox first, and `meta`, of which the name of the installation is moved.

/// A table of both engines. Names are separated by spaces.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The columns of its key.
    pub key: &'static str,
    /// Whether the first column of its key is compared without case.
    pub ignores_case: bool,
    /// Whether the engine numbers new rows, in the only column of the key.
    pub is_numbered: bool,
    pub integers: &'static str,
    pub booleans: &'static str,
    pub texts: &'static str,
    /// Texts that are JSON.
    pub json: &'static str,
    pub bytes: &'static str,
}

/// What a column holds, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Boolean,
    Text,
    Json,
    Bytes,
}

impl Table {
    /// Every column, in the order of the values of a row.
    pub fn columns(&self) -> Vec<(&'static str, Kind)> {
        let kinds = [
            (self.integers, Kind::Integer),
            (self.booleans, Kind::Boolean),
            (self.texts, Kind::Text),
            (self.json, Kind::Json),
            (self.bytes, Kind::Bytes),
        ];
        let of = |(names, kind): (&'static str, Kind)| {
            names.split_whitespace().map(move |name| (name, kind))
        };
        kinds.into_iter().flat_map(of).collect()
    }

    /// The names of every column, quoted, as statements have them.
    pub fn column_list(&self) -> String {
        let names: Vec<String> =
            self.columns().into_iter().map(|(name, _)| format!("\"{name}\"")).collect();
        names.join(", ")
    }

    /// The columns of its key.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static str> {
        self.key.split_whitespace()
    }
}

const EMPTY: Table = Table {
    name: "",
    key: "",
    ignores_case: false,
    is_numbered: false,
    integers: "",
    booleans: "",
    texts: "",
    json: "",
    bytes: "",
};

/// A table whose rows the engine numbers.
const NUMBERED: Table = Table { key: "id", is_numbered: true, ..EMPTY };

/// A table of organizations whose names are compared without case.
const BY_ORGANIZATION: Table = Table { key: "organization", ignores_case: true, ..EMPTY };

/// In the order in which they are moved.
pub const TABLES: [Table; 29] = [
    Table { name: "subscription", integers: "id", texts: "organization scope guid", ..NUMBERED },
    // PostgreSQL has the bodies in a table of their own.
    Table {
        name: "delivery",
        integers: "id received_at subscription notification created_at body_bytes",
        texts: "organization hook source event_type",
        json: "catch_up",
        bytes: "event_id body",
        ..NUMBERED
    },
    Table { name: "inbox", key: "delivery", integers: "delivery due_at lease attempts", ..EMPTY },
    Table {
        name: "decision",
        key: "delivery",
        integers: "delivery decided_at",
        texts: "outcome event reason",
        json: "checks",
        ..EMPTY
    },
    Table { name: "about", key: "delivery subject", integers: "delivery subject", ..EMPTY },
    Table {
        name: "repository",
        key: "organization id",
        texts: "organization id name project",
        json: "former",
        ..EMPTY
    },
    Table { name: "project", key: "organization id", texts: "organization id name", ..EMPTY },
    Table {
        name: "pull_request",
        key: "organization repository id",
        integers: "id as_of revision",
        texts: "organization repository",
        json: "body",
        ..EMPTY
    },
    Table {
        name: "ref",
        key: "organization repository name",
        integers: "push_id revision",
        texts: "organization repository name head",
        json: "body",
        ..EMPTY
    },
    Table {
        name: "run",
        key: "number",
        integers: "number revision delivery updated_at overdue_at due_at follow_at leased_until \
            lease",
        texts: "organization subject check_key ci commit_start state",
        json: "body",
        bytes: "id",
        ..NUMBERED
    },
    Table {
        name: "slot",
        integers: "id owner newest iteration renewed due_at leased_until lease attempts",
        booleans: "doubtful",
        texts: "key organization",
        json: "posted",
        bytes: "iteration_of",
        ..NUMBERED
    },
    Table {
        name: "status",
        integers: "id slot queued_at posted_at",
        texts: "organization outcome reason",
        json: "body",
        bytes: "run",
        ..NUMBERED
    },
    Table {
        name: "ticket",
        key: "digest",
        integers: "expires_at",
        texts: "organization actor",
        bytes: "digest",
        ..EMPTY
    },
    Table {
        name: "login",
        key: "state",
        integers: "expires_at",
        texts: "organization nonce actor via",
        bytes: "state browser verifier",
        ..EMPTY
    },
    Table {
        name: "link",
        integers: "linked_at signed_in_at access_expires_at refreshed_at retry_at failures",
        texts: "organization tenant_id object_id user_name email linked_by problem",
        bytes: "refresh_token access_token",
        ..BY_ORGANIZATION
    },
    Table {
        name: "link_fence",
        integers: "revision lease leased_until",
        texts: "organization",
        ..BY_ORGANIZATION
    },
    Table {
        name: "audit",
        integers: "id at lifetime_s",
        texts: "organization action outcome identity actor via pat scope activity_id detail",
        bytes: "run",
        ..NUMBERED
    },
    Table {
        name: "reconciler",
        key: "organization reconciler",
        integers: "number leased_until due_at asked changing idle last_at last_changes",
        booleans: "last_has_more",
        texts: "organization reconciler holder last_instance last_problem",
        ..BY_ORGANIZATION
    },
    Table { name: "ci_pause", key: "account", integers: "until", texts: "account reason", ..EMPTY },
    Table { name: "hook_hold", texts: "organization", ..BY_ORGANIZATION },
    Table {
        name: "hook_scope",
        key: "organization project_id topic",
        integers: "generation live_from renewed_at healings older_seen_at",
        texts: "organization project_id topic",
        ..BY_ORGANIZATION
    },
    Table {
        name: "hook_activity",
        key: "organization hook",
        integers: "first_at last_at",
        texts: "organization hook",
        ..BY_ORGANIZATION
    },
    Table {
        name: "seen_subscription",
        integers: "id seen_at",
        texts: "organization guid project hook action reason",
        json: "found checks",
        ..NUMBERED
    },
    Table {
        name: "watched_repository",
        key: "organization repository",
        integers: "since read_until",
        texts: "organization repository",
        ..BY_ORGANIZATION
    },
    Table {
        name: "policy",
        key: "organization project_id id",
        integers: "id",
        texts: "organization project_id",
        ..BY_ORGANIZATION
    },
    Table { name: "ended_session", key: "id", integers: "until", texts: "id", ..EMPTY },
    Table {
        name: "minute",
        key: "series at process",
        integers: "at value",
        texts: "series process",
        ..EMPTY
    },
    Table {
        name: "problem",
        key: "organization kind about",
        integers: "since seen_at",
        texts: "organization kind about reason",
        ..EMPTY
    },
    Table {
        name: "runner",
        integers: "id since seen_at",
        texts: "token name",
        json: "labels",
        ..NUMBERED
    },
];
