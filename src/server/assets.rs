//! What pages load: the stylesheet and the icon. Their addresses contain a hash of all of them, so
//! that browsers keep them, and a new version has a new address.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Path, ServiceConfig};
use sha2::{Digest, Sha256};

use super::problem::Problem;

const STYLESHEET: &str = include_str!("ui/app.css");
const ICON: &str = include_str!("ui/icon.svg");
/// A year, as long as caches keep anything.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Sixteen hexadecimal digits.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let hash = Sha256::new().chain_update(STYLESHEET).chain_update(ICON).finalize();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/ui/assets/{hash}/{name}", web::get().to(asset))
        .route("/favicon.ico", web::get().to(icon));
}

/// The path of an asset, below the address of the gateway.
pub(super) fn path(name: &str) -> String {
    format!("/ui/assets/{}/{name}", *HASH)
}

async fn asset(path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (hash, name) = path.into_inner();
    let found = match name.as_str() {
        "app.css" => Some(("text/css; charset=utf-8", STYLESHEET)),
        "icon.svg" => Some(("image/svg+xml", ICON)),
        _ => None,
    };
    let found = found.filter(|_| hash == *HASH);
    let (content_type, text) = found.ok_or_else(|| Problem::not_found("asset", &name))?;
    Ok(answer(content_type, FOREVER, text))
}

/// `/favicon.ico`, for browsers that ask without having read a page.
async fn icon() -> HttpResponse {
    answer("image/svg+xml", "public, max-age=86400", ICON)
}

fn answer(content_type: &str, kept: &str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, kept))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text)
}
