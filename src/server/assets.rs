//! What pages load: the stylesheet, the script and the icon. Their addresses contain a hash of all
//! of them, so that browsers keep them, and a new version has a new address. They are compressed
//! once.

use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{self, AcceptEncoding, Encoding, Header as _};
use actix_web::web::{self, Bytes, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// A year, as long as caches keep anything.
const FOREVER: &str = "public, max-age=31536000, immutable";

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("app.css", "text/css; charset=utf-8", include_str!("ui/app.css")),
        Asset::new("ui.js", "text/javascript; charset=utf-8", include_str!("ui/ui.js")),
        Asset::new("icon.svg", "image/svg+xml", include_str!("ui/icon.svg")),
    ]
});

/// Sixteen hexadecimal digits.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all = ASSETS.iter().fold(Sha256::new(), |hash, asset| hash.chain_update(asset.text));
    all.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// One file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    compressed: Bytes,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, text: &'static str) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; if it did, the file would be sent as it is.
        let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        Self { name, content_type, text, compressed: written.unwrap_or_default().into() }
    }
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/ui/assets/{hash}/{name}", web::get().to(asset))
        .route("/ui/assets/{hash}/{name}", web::head().to(asset))
        .route("/favicon.ico", web::get().to(icon));
}

/// The path of an asset, below the address of the gateway.
pub(super) fn path(name: &str) -> String {
    format!("/ui/assets/{}/{name}", *HASH)
}

async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (hash, name) = path.into_inner();
    let found = ASSETS.iter().find(|asset| asset.name == name && hash == *HASH);
    let asset = found.ok_or_else(|| Problem::not_found("asset", &name))?;
    let mut response = answer(asset.content_type, FOREVER);
    response.insert_header((header::VARY, "accept-encoding"));
    if !takes_gzip(&request) || asset.compressed.is_empty() {
        return Ok(response.body(asset.text));
    }
    response.insert_header((header::CONTENT_ENCODING, "gzip"));
    Ok(response.body(asset.compressed.clone()))
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(request).ok();
    let supported = [Encoding::identity(), Encoding::gzip()];
    accepted.and_then(|it| it.negotiate(supported.iter())) == Some(Encoding::gzip())
}

/// `/favicon.ico`, for browsers that ask without having read a page.
async fn icon() -> HttpResponse {
    answer("image/svg+xml", "public, max-age=86400").body(include_str!("ui/icon.svg"))
}

fn answer(content_type: &str, kept: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, kept))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}
