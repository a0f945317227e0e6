//! Errors as RFC 9457 problem documents: what is wrong and what to do. The cause of a 5xx is logged
//! under a request id, and only that id is in the answer.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::json;
use uuid::Uuid;

use crate::storage;

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// The field of the body, or the parameter, that is wrong.
    field: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), field: None }
    }

    /// Whether it is a 404.
    pub(super) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// What is wrong, for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// 400 about one field or parameter.
    pub(super) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, format!("{field}: {}", detail.into()))
        }
    }

    /// 400 about the whole request.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "send `Authorization: Bearer TOKEN` with a token that is valid here",
        )
    }

    /// 401 for a caller that is no user of the API.
    pub(super) fn unproved(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }

    /// 404 with a reason.
    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 502: Azure DevOps did not answer as it should.
    pub(super) fn bad_gateway(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, detail)
    }

    /// 408: the body did not arrive within `limit`.
    pub(super) fn slow_body(limit: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s: send it again", limit.as_secs()),
        )
    }

    /// 503 for a reason that the caller may know.
    pub(super) fn busy(reason: &str) -> Self {
        let id = Uuid::now_v7();
        tracing::debug!(request = %id, "a request is refused for now: {reason}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{reason} (request {id})"))
    }

    /// 413.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body may have {bytes_max} bytes at most"),
        )
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        if let storage::Error::Contended(_) = error {
            tracing::debug!("a request failed: {error}");
            return Self::conflict(format!("{error}: try again"));
        }
        let id = Uuid::now_v7();
        tracing::error!(request = %id, "a request failed: {error}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("try again; if that does not help, give request {id} to the operator"),
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let title = self.status.canonical_reason().unwrap_or("error");
        let mut body = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(field), Some(fields)) = (&self.field, body.as_object_mut()) {
            fields.insert("errors".into(), json!([{ "field": field, "detail": self.detail }]));
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "2"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // What is left of the body is not read.
            response.force_close();
        }
        response.body(body.to_string())
    }
}

/// The answer at a path that does not exist.
pub(super) async fn no_such_path(request: HttpRequest) -> Problem {
    Problem::not_found("path", &format!("{} {}", request.method(), request.path()))
}

impl actix_web::Responder for Problem {
    type Body = actix_web::body::BoxBody;
    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
