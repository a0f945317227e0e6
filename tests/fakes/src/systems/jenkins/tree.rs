//! The parts of an answer that a request asks for: `tree=number,builds[number,url]{0,100}`.
//!
//! What is not asked for is left out, except `_class`.

use serde_json::{Map, Value};

use super::page;
use crate::http::{Request, Response};

/// One property that is wanted, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: String,
    /// None where all of it is wanted.
    of: Option<Vec<Node>>,
    /// The first position of a list, and the one after the last.
    range: Option<(usize, usize)>,
}

/// The answer to a request for data.
pub(super) fn answer(request: &Request, whole: Value) -> Result<Response, Response> {
    let tree = request.query.iter().find(|(key, _)| key == "tree").map(|(_, tree)| tree);
    let Some(tree) = tree else { return Ok(Response::json(200, &whole)) };
    let mut rest = tree.as_str();
    let nodes = nodes(&mut rest).filter(|_| rest.is_empty());
    let nodes = nodes.ok_or_else(|| page(400, "<h1>Illegal tree</h1>"))?;
    Ok(Response::json(200, &pruned(&whole, &nodes)))
}

fn pruned(value: &Value, nodes: &[Node]) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|one| pruned(one, nodes)).collect(),
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, value) in object {
                if key == "_class" {
                    kept.insert(key.clone(), value.clone());
                }
                for node in nodes.iter().filter(|node| node.name == *key) {
                    let value = in_range(value, node.range);
                    let of = node.of.as_deref();
                    kept.insert(key.clone(), of.map_or(value.clone(), |of| pruned(&value, of)));
                }
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

fn in_range(value: &Value, range: Option<(usize, usize)>) -> Value {
    match (value, range) {
        (Value::Array(list), Some((from, to))) => {
            list.iter().take(to).skip(from).cloned().collect()
        }
        _ => value.clone(),
    }
}

/// Reads nodes up to a bracket or the end; none where they are not well formed.
fn nodes(rest: &mut &str) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    loop {
        let end = rest.find(|letter| "[]{},".contains(letter)).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end)?;
        if name.trim().is_empty() {
            return None;
        }
        *rest = tail;
        let mut node = Node { name: name.trim().to_owned(), of: None, range: None };
        if let Some(inner) = rest.strip_prefix('[') {
            *rest = inner;
            node.of = Some(self::nodes(rest)?);
            *rest = rest.strip_prefix(']')?;
        }
        if let Some(inner) = rest.strip_prefix('{') {
            let (range, tail) = inner.split_once('}')?;
            node.range = Some(range_of(range)?);
            *rest = tail;
        }
        nodes.push(node);
        match rest.strip_prefix(',') {
            Some(tail) => *rest = tail,
            None => return Some(nodes),
        }
    }
}

/// `{from,to}`, each of which may be missing, or `{one}`.
fn range_of(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str, missing: usize| match text.trim() {
        "" => Some(missing),
        text => text.parse().ok(),
    };
    match text.split_once(',') {
        Some((from, to)) => Some((number(from, 0)?, number(to, usize::MAX)?)),
        None => text.trim().parse().ok().map(|one: usize| (one, one.saturating_add(1))),
    }
}
