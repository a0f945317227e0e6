//! Links the service user as a person does: in a browser that keeps cookies, through the fake
//! Entra.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::{Method, Response, StatusCode, header};
use url::Url;

use super::settings::OPERATOR;
use super::{Env, Gateway, InProcess, SERVICE_USER, Settings};

/// A browser: it keeps cookies by name and follows redirects one at a time.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// The answer to one request of the browser.
#[derive(Debug)]
pub(crate) struct PageResponse {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<Url>,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().redirect(redirects).build().expect("it is set up");
        Self { http, cookies: Mutex::default() }
    }

    /// The values of its cookies.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.cookies.lock().expect("nobody panicked").values().cloned().collect()
    }

    /// The value of one of its cookies.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("nobody panicked").get(name).cloned()
    }

    /// One request. `token` is what a program sends instead of a cookie.
    pub(crate) async fn open(&self, url: &str, token: Option<&str>) -> PageResponse {
        let request = self.http.get(url);
        self.send(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    /// Follows a link of a page of the same site.
    pub(crate) async fn follow(&self, url: &str) -> PageResponse {
        self.send(self.http.get(url).header("sec-fetch-site", "same-origin")).await
    }

    /// Sends a form from a page of that site, as `Sec-Fetch-Site` names it.
    pub(crate) async fn submit(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        site: &str,
    ) -> PageResponse {
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form_type = "application/x-www-form-urlencoded";
        let request = self.http.post(url).header(header::CONTENT_TYPE, form_type).body(form);
        self.send(request.header("sec-fetch-site", site)).await
    }

    /// Has this cookie from now on.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("nobody panicked");
        cookies.insert(name.to_owned(), value.to_owned());
    }

    /// A request that takes this encoding. The body of the answer is still to be read.
    pub(crate) async fn ask(&self, method: Method, url: &str, encoding: &str) -> Response {
        let request = self.http.request(method, url);
        self.answer(request.header(header::ACCEPT_ENCODING, encoding)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> PageResponse {
        let answer = self.answer(request).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map(|to| answer.url().join(to).expect("it is an address"));
        let text = answer.text().await.expect("the page is whole");
        PageResponse { status, location, headers, text }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Response {
        let cookies = self.cookies.lock().expect("nobody panicked").clone();
        let cookies: Vec<_> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(header::COOKIE, cookies.join("; "));
        let answer = request.send().await.expect("it answers");
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().expect("it is text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("it is a pair");
            let mut cookies = self.cookies.lock().expect("nobody panicked");
            cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Goes from the gateway to Entra. Returns the address that Entra sends the browser back to.
    pub(crate) async fn sign_in(&self, gateway: &str, token: Option<&str>) -> Url {
        let begun = self.open(gateway, token).await;
        assert_eq!(begun.status, StatusCode::FOUND, "{}", begun.text);
        let authorize = begun.location.expect("it leads to Entra");
        let signed_in = self.open(authorize.as_str(), None).await;
        assert_eq!(signed_in.status, StatusCode::FOUND, "{}", signed_in.text);
        signed_in.location.expect("it leads back")
    }
}

impl Env {
    /// The TOML keys of a service user's credential, and further `keys`.
    pub(crate) fn service_user(&self, keys: &str) -> String {
        let (tenant, client_id) =
            (self.shell.entra(|entra| entra.tenant().to_owned()), &self.client_id);
        format!(
            r#"kind = "service_user"
tenant_id = "{tenant}"
client_id = "{client_id}"
client_secret = {{ env = "CLIENT_SECRET" }}
authority_url = "{authority}"
expected_user = "{SERVICE_USER}"
{keys}"#,
            authority = self.shell.url(),
        )
    }

    /// Registers this gateway as a redirect URI at Entra.
    pub(crate) fn register(&self, gateway: &str) {
        let uri = format!("{gateway}/complete/azure_active_directory_service_user");
        self.shell.entra(|entra| entra.add_redirect_uri(&self.client_id, &uri));
    }

    /// `[sign_in]` with these further keys, such as `operators`.
    pub(crate) fn sign_in(&self, keys: &str) -> String {
        let tenant = self.shell.entra(|entra| entra.tenant().to_owned());
        format!(
            r#"[sign_in]
tenant_id = "{tenant}"
client_id = "{client_id}"
client_secret = {{ env = "CLIENT_SECRET" }}
authority_url = "{authority}"
{keys}"#,
            client_id = self.client_id,
            authority = self.shell.url(),
        )
    }

    /// Registers the address at which people return to this gateway.
    pub(crate) fn register_pages(&self, gateway: &str) {
        let uri = format!("{gateway}/complete/azure_active_directory");
        self.shell.entra(|entra| entra.add_redirect_uri(&self.client_id, &uri));
    }

    /// Signs the service user in, as an operator.
    pub(crate) async fn link(&self, gateway: &str) {
        self.register(gateway);
        let browser = Browser::new();
        let begin = format!("{gateway}/connect/fabrikam");
        let back = browser.sign_in(&begin, Some(OPERATOR)).await;
        let shown = browser.open(back.as_str(), None).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    }

    /// A gateway whose service user is linked, with the usual hooks.
    pub(crate) async fn linked(&self, change: impl FnOnce(&mut Settings)) -> Gateway {
        let gateway = self.unlinked(change).await;
        self.link(&gateway.url).await;
        gateway
    }

    /// A gateway in this process whose service user is linked, with the usual hooks: other parts
    /// can share its store.
    pub(crate) async fn linked_in_process(&self) -> InProcess {
        let change = |settings: &mut Settings| settings.credential = self.service_user("");
        let gateway = InProcess::start_with(self, change).await;
        self.link(&gateway.url).await;
        gateway
    }

    /// A gateway before its service user is linked, with the usual hooks.
    pub(crate) async fn unlinked(&self, change: impl FnOnce(&mut Settings)) -> Gateway {
        Gateway::start_with(self, |settings| {
            settings.credential = self.service_user("");
            change(settings);
        })
        .await
    }

    /// Waits until no token that was minted works any more.
    pub(crate) async fn until_all_revoked(&self) {
        self.until("every token is revoked", |ado, _| ado.active_pats().next().is_none()).await;
    }
}
