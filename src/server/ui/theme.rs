//! `POST /ui/theme`: whether pages are light or dark, kept in a cookie of the browser.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Payload};

use super::visit::{Visit, return_path};
use crate::secret::Secret;
use crate::server::cookie;
use crate::server::html::{self, THEME_COOKIE, THEMES};
use crate::server::json_body::JsonBodies;
use crate::server::problem::Problem;

const AGE_S: u64 = 365 * 24 * 60 * 60;
/// The largest form: a word and an address.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// `POST /ui/theme`.
pub(super) async fn choose(
    visit: Visit,
    payload: Payload,
    bodies: Data<JsonBodies>,
) -> Result<HttpResponse, Problem> {
    let body = bodies.bytes(payload, FORM_BYTES_MAX).await?;
    let field = |wanted: &str| {
        let mut fields = url::form_urlencoded::parse(&body);
        fields.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let theme = field("theme").unwrap_or_default();
    let expected = || Problem::field("theme", format!("one of {} is needed", THEMES.join(", ")));
    let theme = THEMES.iter().find(|known| **known == theme).ok_or_else(expected)?;
    let public_url = &visit.state.deps.public_url;
    let to = return_path(public_url, field("to").as_deref());
    let theme = Secret::new((*theme).to_owned());
    let cookie = cookie::written(public_url, "/", THEME_COOKIE, &theme, AGE_S);
    let mut response = HttpResponse::SeeOther();
    response
        .insert_header((header::LOCATION, format!("{}{to}", html::base(public_url))))
        .insert_header((header::SET_COOKIE, cookie));
    Ok(html::protect(response).finish())
}
