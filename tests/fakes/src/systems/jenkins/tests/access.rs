//! Who may do what at Jenkins, and by which credential.

use super::{NOW_MS, State, World, get, job, signed_in, start};
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::System as _;

fn ask_as(world: &mut World, user: &str, method: &str, target: &str) -> Response {
    let request = signed_in(world, Request::new(method, target), user);
    world.handle(&request, NOW_MS)
}

fn with_secret(name: &str, secret: &str, request: Request) -> Request {
    let encoded = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{name}:{secret}"),
    );
    request.with_header("authorization", &format!("Basic {encoded}"))
}

#[test]
fn users_may_do_what_they_are_permitted() {
    let mut world = World::new(1);
    let target = job(&world, "buildWithParameters");
    let refused = ask_as(&mut world, "reader", "POST", &target);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("x-you-are-authenticated-as"), Some("reader"));
    // A job that one may not discover does not exist, nor do its items.
    assert_eq!(ask_as(&mut world, "stranger", "POST", &target).status, 404);
    assert_eq!(ask_as(&mut world, "starter", "POST", &target).status, 201);
    let item = "/queue/item/7001/api/json";
    assert_eq!(ask_as(&mut world, "reader", "GET", item).status, 200);
    assert_eq!(ask_as(&mut world, "stranger", "GET", item).status, 404);
    let empty = ask_as(&mut world, "stranger", "GET", "/queue/api/json");
    assert!(empty.body_json()["items"].as_array().unwrap().is_empty());
    let cancel = "/queue/cancelItem?id=7001";
    assert_eq!(ask_as(&mut world, "starter", "POST", cancel).status, 422);
    assert_eq!(ask_as(&mut world, "stranger", "POST", cancel).status, 404);
    world.builds().set_state(1, State::Running);
    let stop = job(&world, "1/stop");
    assert_eq!(ask_as(&mut world, "starter", "POST", &stop).status, 403);
    assert_eq!(ask_as(&mut world, "gateway", "POST", &stop).status, 302);
}

#[test]
fn a_wrong_credential_is_401_and_none_is_403() {
    let mut world = World::new(1);
    let path = job(&world, "api/json");
    let request = Request::new("GET", &path);
    let none = world.handle(&request, NOW_MS);
    assert_eq!((none.status, none.header("x-jenkins").is_some()), (403, true));
    let wrong = with_secret("gateway", "11ab", request.clone());
    assert_eq!(world.handle(&wrong, NOW_MS).status, 401);
    let bearer = request.clone().with_bearer(world.token());
    assert_eq!(world.handle(&bearer, NOW_MS).status, 401);
    let right = with_secret(world.user(), world.token(), request);
    assert_eq!(world.handle(&right, NOW_MS).status, 200);
    world.revoke_tokens();
    assert_eq!(world.handle(&right, NOW_MS).status, 401);
    let empty = with_secret("gateway", "", Request::new("GET", &path));
    assert_eq!(world.handle(&empty, NOW_MS).status, 401);
}

#[test]
fn a_password_needs_the_crumb_of_its_session() {
    let mut world = World::new(1);
    let password = world.password().to_owned();
    let target = job(&world, "buildWithParameters");
    let request = with_secret("gateway", &password, Request::new("POST", &target));
    let refused = world.handle(&request, NOW_MS);
    assert_eq!(refused.status, 403);
    let page = String::from_utf8(refused.body).unwrap();
    assert!(page.contains("No valid crumb was included in the request"));
    let issuer = with_secret("gateway", &password, Request::new("GET", "/crumbIssuer/api/json"));
    let issued = world.handle(&issuer, NOW_MS);
    let crumb = issued.body_json()["crumb"].as_str().unwrap().to_owned();
    let request = request.with_header("Jenkins-Crumb", &crumb);
    assert_eq!(world.handle(&request, NOW_MS).status, 403);
    let cookie = issued.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let request = request.with_header("cookie", &cookie);
    assert_eq!(world.handle(&request, NOW_MS).status, 201);
}

#[test]
fn the_token_of_the_job_replaces_the_permission_to_build() {
    let mut world = World::new(1);
    world.remote_token = Some("s3cret".to_owned());
    let target = job(&world, "buildWithParameters");
    let wrong = format!("{target}?token=other");
    assert_eq!(ask_as(&mut world, "gateway", "POST", &wrong).status, 403);
    let right = format!("{target}?token=s3cret");
    assert_eq!(ask_as(&mut world, "reader", "GET", &right).status, 201);
    assert_eq!(ask_as(&mut world, "reader", "POST", &target).status, 403);
    start(&mut world, "run-1");
    assert_eq!(get(&mut world, "/me/api/json")["id"], "gateway");
    assert_eq!(get(&mut world, "/api/json?tree=mode")["mode"], "NORMAL");
}
