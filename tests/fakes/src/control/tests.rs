//! The control API, called as a load test does.

use serde_json::{Value, json};

use super::handle;
use crate::http::Request;
use crate::neighbour::Neighbour as _;
use crate::{ado, ci, entra};

struct Worlds(ado::World, ci::World, entra::World);

impl Worlds {
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::new(method, &format!("/_fake/{path}")).with_json(body);
        let response = handle(&mut self.0, &mut self.1, &mut self.2, &request);
        assert_eq!(response.status, 200, "{path}: {}", response.body_json());
        response.body_json()
    }
}

#[test]
fn pull_requests_are_opened_in_bulk_and_their_statuses_listed_in_order() {
    let world = ado::World::new(1, ado::Options::loopback());
    let mut worlds = Worlds(world, ci::World::new(1), entra::World::new(1));
    worlds.ask("POST", "organizations", &json!({"name": "fabrikam", "project": "Fabrikam"}));
    worlds.ask("POST", "repositories/create", &json!({"repository": "Fabrikam/web"}));
    let wanted = json!({"repository": "Fabrikam/web", "count": 3, "prefix": "topic-"});
    let opened = worlds.ask("POST", "pull-requests/many", &wanted);
    let numbers: Vec<_> = (0..3).map(|at| opened["pull_requests"][at][0].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let head = opened["pull_requests"][1][1].as_str().unwrap().to_owned();
    assert_eq!(worlds.0.pull_request(2).iterations[0].source, head);

    let repository = opened["repository"]["id"].as_str().unwrap();
    let path = format!("/fabrikam/Fabrikam/_apis/git/repositories/{repository}");
    let service = worlds.0.create_identity("CI", "ci@fabrikam.example");
    worlds.0.add_pat("secret", &service, &["vso.code_status"], i64::MAX);
    for place in ["pullRequests/2/iterations/1".to_owned(), format!("commits/{head}")] {
        let target = format!("{path}/{place}/statuses?api-version=7.1");
        let body = json!({"state": "succeeded", "context": {"name": "build"}});
        let request = Request::new("POST", &target).with_json(&body).with_pat("secret");
        let now_ms = worlds.0.now_ms();
        assert!(worlds.0.handle(&request, now_ms).status < 300, "{place}");
    }
    let all = worlds.ask("GET", "statuses/0", &Value::Null);
    assert_eq!((&all[0]["pull_request"], &all[0]["iteration"]), (&json!(2), &json!(1)));
    assert_eq!((&all[1]["commit"], &all[1]["state"]), (&json!(head), &json!("succeeded")));
    let rest = worlds.ask("GET", "statuses/1", &Value::Null);
    assert_eq!(rest.as_array().map(Vec::len), Some(1), "counted from the first");
}
