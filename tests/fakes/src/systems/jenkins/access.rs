//! Who sends a request, and what that user may do.
//!
//! A user authenticates by Basic, with an API token or the password. Whoever uses the password must
//! send a crumb of the session with each POST.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{World, page};
use crate::http::{Request, Response};
use crate::random::Random;

const HEX: &[u8] = b"0123456789abcdef";

/// A user of Jenkins.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) password: String,
    pub(super) reads: bool,
    pub(super) builds: bool,
    pub(super) cancels: bool,
}

/// The user who sends a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) user: User,
}

/// One who may do all, one who may not cancel, one who reads, and one who sees nothing.
pub(super) fn users(random: &mut Random) -> Vec<User> {
    let users = [
        ("gateway", true, true, true),
        ("starter", true, true, false),
        ("reader", true, false, false),
        ("stranger", false, false, false),
    ];
    let user = |(name, reads, builds, cancels): (&str, bool, bool, bool)| User {
        name: name.to_owned(),
        token: format!("11{}", random.text(HEX, 32)),
        password: random.text(HEX, 16),
        reads,
        builds,
        cancels,
    };
    users.map(user).to_vec()
}

/// The user of a request, who may send it as far as forged requests are concerned.
pub(super) fn caller(world: &World, request: &Request) -> Result<Caller, Response> {
    let Some(header) = request.header("authorization") else {
        let text = "<h1>Authentication required</h1>";
        return Err(page(403, text).with_header("X-You-Are-Authenticated-As", "anonymous"));
    };
    let encoded = header.strip_prefix("Basic ").unwrap_or_default();
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let decoded = String::from_utf8(decoded).unwrap_or_default();
    let (name, secret) = decoded.split_once(':').unwrap_or_default();
    let user = world.users.iter().find(|user| user.name == name);
    let is_own = |own: &String| !own.is_empty() && own == secret;
    let user = user.filter(|user| [&user.token, &user.password].into_iter().any(is_own));
    let Some(user) = user else {
        let answer = page(401, "<h1>Invalid password/token for user</h1>");
        return Err(answer.with_header("WWW-Authenticate", "Basic realm=\"Jenkins\""));
    };
    let (crumb, session) = crumb(world, user);
    let has_session = request.header("cookie").is_some_and(|cookie| cookie.contains(&session));
    let has_crumb = has_session && request.header("jenkins-crumb") == Some(crumb.as_str());
    if secret != user.token && request.method == "POST" && !has_crumb {
        return Err(page(403, "<h1>No valid crumb was included in the request</h1>"));
    }
    Ok(Caller { user: user.clone() })
}

/// The crumb of the user's session, and its cookie.
pub(super) fn crumb_answer(world: &World, caller: &Caller) -> Response {
    let (crumb, session) = crumb(world, &caller.user);
    let answer = json!({
        "_class": "hudson.security.csrf.DefaultCrumbIssuer",
        "crumb": crumb,
        "crumbRequestField": "Jenkins-Crumb",
    });
    Response::json(200, &answer).with_header("set-cookie", &format!("{session}; Path=/; HttpOnly"))
}

/// A user who is known, but may not do that.
pub(super) fn not_permitted(caller: &Caller, permission: &str) -> Response {
    let name = &caller.user.name;
    page(
        403,
        &format!("<h1>Access Denied</h1><p>{name} is missing the Job/{permission} permission</p>"),
    )
    .with_header("X-You-Are-Authenticated-As", name)
    .with_header("X-Required-Permission", &format!("hudson.model.Item.{permission}"))
}

fn crumb(world: &World, user: &User) -> (String, String) {
    let of_user = user.name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(byte));
    let mut random = Random::seeded(world.seed ^ of_user ^ world.restarts);
    (random.text(HEX, 64), format!("JSESSIONID.1a2b3c4d=node0{}", random.text(HEX, 24)))
}
