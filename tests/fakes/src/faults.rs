//! Misbehaviour of the network and of a neighbour, by rules.
//!
//! Each rule has a condition and an action, and the first rule whose condition holds applies. Here
//! is only decided which; the shell closes, delays and holds connections.

use crate::http::{Request, Response};
use crate::random::Random;

/// What happens to a request instead of, or besides, the ordinary answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer this. The request is not applied to the world.
    Respond(Response),
    /// Apply the request, and add these headers to the answer.
    AddHeaders(Vec<(String, String)>),
    /// Close the connection. The request is not applied to the world.
    DropBefore,
    /// Apply the request, then close the connection without an answer.
    DropAfter,
    /// Apply the request, send half of the body, then close the connection.
    TruncateBody,
    /// Wait this long before applying the request.
    DelayMs(u64),
    /// Hold the request until the test releases it.
    Hold {
        /// Whether it is held before it is applied, or after that and before the answer.
        before: bool,
    },
}

impl Action {
    /// Its name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Respond(_) => "respond",
            Self::AddHeaders(_) => "add_headers",
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::TruncateBody => "truncate_body",
            Self::DelayMs(_) => "delay",
            Self::Hold { before: true } => "hold_before",
            Self::Hold { before: false } => "hold_after",
        }
    }

    /// The answer to a request to which this fault applies, and the status for the journal: 0 where
    /// the caller gets no answer. `apply` applies the request to the world, and is called only
    /// where the fault does not prevent that.
    pub(crate) fn answer(&self, apply: impl FnOnce() -> Response) -> (Option<Response>, u16) {
        let response = match self {
            Self::DropBefore => None,
            Self::Respond(response) => Some(response.clone()),
            Self::AddHeaders(headers) => {
                let mut response = apply();
                response.headers.extend(headers.iter().cloned());
                Some(response)
            }
            _ => Some(apply()),
        };
        let is_answered = !matches!(self, Self::DropBefore | Self::DropAfter);
        let status = response.as_ref().filter(|_| is_answered).map_or(0, |answer| answer.status);
        (response, status)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Next(u32),
    Nth(u32),
    Percent(u8),
}

/// One rule: to which requests it applies, how often, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    method: Option<String>,
    path_part: String,
    when: When,
    action: Action,
}

impl Rule {
    /// Applies to every request of that method (empty for any) whose path contains `path_part`. A
    /// part with `=`, such as `eventType=git.push`, is looked for in the decoded query instead.
    pub fn new(method: &str, path_part: &str, action: Action) -> Self {
        Self {
            method: (!method.is_empty()).then(|| method.to_ascii_uppercase()),
            path_part: path_part.to_ascii_lowercase(),
            when: When::Always,
            action,
        }
    }

    /// Applies only to the next `count` such requests.
    pub fn next(mut self, count: u32) -> Self {
        self.when = When::Next(count);
        self
    }

    /// Applies only to the `number`-th such request from now, counted from one.
    pub fn nth(mut self, number: u32) -> Self {
        self.when = When::Nth(number);
        self
    }

    /// Applies to this percentage of such requests, chosen by the seed.
    pub fn percent(mut self, percent: u8) -> Self {
        self.when = When::Percent(percent);
        self
    }

    fn matches(&self, request: &Request) -> bool {
        let method = self.method.as_ref().is_none_or(|method| *method == request.method);
        let in_query = |(name, value): &(String, String)| {
            format!("{name}={value}").to_ascii_lowercase().contains(&self.path_part)
        };
        method
            && match self.path_part.contains('=') {
                true => request.query.iter().any(in_query),
                false => request.path.to_ascii_lowercase().contains(&self.path_part),
            }
    }

    fn strikes(&mut self, random: &mut Random) -> bool {
        match &mut self.when {
            When::Always => true,
            When::Next(left) | When::Nth(left) if *left == 0 => false,
            When::Next(left) => {
                *left -= 1;
                true
            }
            When::Nth(left) => {
                *left -= 1;
                *left == 0
            }
            When::Percent(percent) => random.happens(*percent),
        }
    }
}

/// The rules of one world, in order.
#[derive(Debug, Clone)]
pub struct Faults {
    rules: Vec<Rule>,
    random: Random,
}

impl Faults {
    /// No rules. Random choices follow from the seed.
    pub fn seeded(seed: u64) -> Self {
        Self { rules: Vec::new(), random: Random::seeded(seed ^ 0x00FA_0175) }
    }

    /// Adds a rule after the others.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The action of the first rule that applies to this request. Rules that count requests count
    /// it.
    pub fn decide(&mut self, request: &Request) -> Option<Action> {
        let random = &mut self.random;
        let mut matching = self.rules.iter_mut().filter(|rule| rule.matches(request));
        matching.find_map(|rule| rule.strikes(random).then(|| rule.action.clone()))
    }
}

/// 429 as ADO sends it to a user over the limit (docs/azure-devops.md §8). Zero seconds leave the
/// header out.
pub fn too_many_requests(retry_after_s: u32) -> Action {
    let body = serde_json::json!({
        "$id": "1",
        "innerException": null,
        "message": "TF400733: Too much of a resource has been used; the request was blocked.",
        "typeName": "Microsoft.TeamFoundation.Framework.Server.RequestBlockedException",
        "typeKey": "RequestBlockedException",
        "errorCode": 0,
        "eventId": 3000,
    });
    let response = Response::json(429, &body);
    Action::Respond(match retry_after_s {
        0 => response,
        seconds => response.with_header("retry-after", &seconds.to_string()),
    })
}

/// A success with the headers of a rate limit: ADO delays calls before it refuses them
/// (docs/azure-devops.md §8).
pub fn rate_limited_200(retry_after_s: u32) -> Action {
    let headers = [
        ("retry-after", retry_after_s.to_string()),
        ("x-ratelimit-resource", "Core".to_owned()),
        ("x-ratelimit-delay", format!("{retry_after_s}.000")),
        ("x-ratelimit-limit", "200".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", "1893456000".to_owned()),
    ];
    Action::AddHeaders(headers.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// The sign-in page that ADO sends for an invalid token (docs/azure-devops.md §8).
pub fn sign_in_page_203() -> Action {
    Action::Respond(Response::html(203, "<html><title>Sign In</title></html>"))
}

/// A page with status 200, as a proxy in front of ADO sends it instead of data
/// (docs/azure-devops.md §8).
pub fn page_200() -> Action {
    Action::Respond(Response::html(200, "<html><title>Azure DevOps</title></html>"))
}

/// A success with the remaining budget of the rate limit, which ADO sends only near the limit
/// (docs/azure-devops.md §8). `reset_s` is in seconds since 1970.
pub fn budget_left(limit: u32, remaining: u32, reset_s: i64) -> Action {
    let headers = [
        ("x-ratelimit-resource", "Core".to_owned()),
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset_s.to_string()),
    ];
    Action::AddHeaders(headers.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// The redirect to the sign-in page (docs/azure-devops.md §8), which a caller must not follow with
/// a credential.
pub fn redirect_302(location: &str) -> Action {
    Action::Respond(Response::html(302, "Object moved").with_header("location", location))
}

/// 500 with an HTML body, as a proxy in front of ADO sends it.
pub fn server_error_500() -> Action {
    Action::Respond(Response::html(500, "<html><h1>We are sorry</h1></html>"))
}

/// 503 with an HTML body, as a proxy in front of ADO sends it.
pub fn unavailable_503(retry_after_s: u32) -> Action {
    let response = Response::html(503, "<html><h1>Unavailable</h1></html>");
    Action::Respond(response.with_header("retry-after", &retry_after_s.to_string()))
}
