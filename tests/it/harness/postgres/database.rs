//! A database for one test, with an owner that has no rights beyond it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::folder::random_name;
use super::psql::Server;

/// An empty database; it is gone with the test.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    /// Its owner at its server.
    owner: Server,
    /// The superuser that removes it; none when the whole cluster goes with the test.
    remover: Option<Server>,
}

impl Database {
    /// A database on the cluster of this test run.
    pub(crate) fn create() -> Self {
        let server = Server::of_the_run();
        let mut database = Self::create_on(&server, None);
        database.remover = Some(server);
        database
    }

    /// A database on a cluster of the test, whose files are in a tablespace.
    pub(super) fn create_on(server: &Server, tablespace: Option<&str>) -> Self {
        let name = random_name("t");
        let owner = Server {
            address: server.address.clone(),
            user: name.clone(),
            password: random_name(""),
        };
        let tablespace = tablespace.map(|name| format!("TABLESPACE {name}")).unwrap_or_default();
        let text = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{verifier}';\n\
             CREATE DATABASE {name} OWNER {name} TEMPLATE template0 {tablespace};\n\
             REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n",
            verifier = verifier(&owner.password),
        );
        server.sql("postgres", &text);
        Self { name, owner, remover: None }
    }

    /// Its address, without the password.
    pub(crate) fn url(&self) -> String {
        self.owner.url(&self.name)
    }

    /// Its owner at something else that listens on `address` and leads to this server or to one
    /// with the same data.
    pub(crate) fn owner_at(&self, address: &str) -> Server {
        Server { address: address.to_owned(), ..self.owner.clone() }
    }

    /// The password of its owner.
    pub(crate) fn password(&self) -> &str {
        &self.owner.password
    }

    /// What statements of its owner print, which have to succeed.
    #[track_caller]
    pub(crate) fn sql(&self, text: &str) -> String {
        self.owner.sql(&self.name, text)
    }

    /// The same for statements that may fail.
    pub(crate) fn try_sql(&self, text: &str) -> Result<String, String> {
        self.owner.try_sql(&self.name, text)
    }

    /// How many rows of all tables hold that text, also as bytes.
    pub(crate) fn values_with(&self, text: &str) -> usize {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let count = format!(
            "SELECT sum((xpath('/row/count/text()', query_to_xml(format(
                $$SELECT count(*) FROM %s AS row
                WHERE row::text LIKE '%%{text}%%' OR row::text LIKE '%%{hex}%%'$$,
                oid::regclass), false, true, '')))[1]::text::bigint)
             FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        );
        self.sql(&count).trim().parse().expect("it is a number")
    }

    /// A connection of its owner.
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        let config = self.url().parse::<tokio_postgres::Config>();
        let mut config = config.expect("it is a URL");
        let connecting = config.password(self.password()).connect(tokio_postgres::NoTls);
        let (client, connection) = connecting.await.expect("the server answers");
        // It ends with the client.
        tokio::spawn(connection);
        client
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its owner, who may connect to it only.
    pub(crate) fn owner(&self) -> &Server {
        &self.owner
    }
}

/// What the server keeps of a password (RFC 5802), with one iteration in place of its 4096: a
/// client that was built without optimization takes 0.1 s for those, at each connection.
fn verifier(password: &str) -> String {
    let hmac = |key: &[u8], text: &[u8]| {
        let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
        hmac.update(text);
        hmac.finalize().into_bytes()
    };
    let salt = random_name("");
    let salted = hmac(password.as_bytes(), &[salt.as_bytes(), &1_u32.to_be_bytes()].concat());
    let stored = Sha256::digest(hmac(&salted, b"Client Key"));
    let server = hmac(&salted, b"Server Key");
    let [salt, stored, server] =
        [salt.as_bytes(), &stored[..], &server[..]].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored}:{server}")
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = &self.remover else { return };
        let name = &self.name;
        let text = format!("DROP DATABASE {name} WITH (FORCE);\nDROP ROLE {name};\n");
        let runtime = tokio::runtime::Handle::try_current().map(|one| one.runtime_flavor());
        if let Ok(tokio::runtime::RuntimeFlavor::CurrentThread) = runtime {
            // Connections of the test may need this very thread before they can end, so nobody
            // waits here; the statement is with psql already.
            drop(server.begin_sql("postgres", &text));
            return;
        }
        let dropped = server.try_sql("postgres", &text);
        assert!(dropped.is_ok() || std::thread::panicking(), "{name} is left: {dropped:?}");
    }
}
