//! Which callbacks are believed: each scheme, and what is wrong by a letter.

use azdo_gateway::ci::Mentioned;

use super::*;

/// HMAC-SHA-256 in hex, by openssl's library and not by the gateway.
fn hex_hmac(key: &[u8], body: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), body);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scheme_of_a_callback_is_verified() {
    let body = format!("{{\"run\": \"{OUR_ID}\", \"workflow\": {{\"id\": \"w-1\"}}}}");
    let at_ci = vec![Mentioned::AtCi("w-1".to_owned())];
    let ours = vec![Mentioned::Run(OUR_ID.parse().unwrap())];
    let hex = hex_hmac(TOKEN.as_bytes(), body.as_bytes());
    let hub = format!("sha256={hex}");
    let versions = format!("v1={hex},v2=0000");
    for (scheme, name, value, pointer, expected) in [
        ("x_hub_signature_256\"", "x-hub-signature-256", hub.as_str(), "run = \"/run\"", &ours),
        // As CircleCI sends it.
        (
            "hmac_sha256\", header = \"circleci-signature\"",
            "circleci-signature",
            &versions,
            "id = \"/workflow/id\"",
            &at_ci,
        ),
        (
            "hmac_sha256\", header = \"Authorization\"",
            "authorization",
            &hex,
            "id = \"/workflow/id\"",
            &at_ci,
        ),
        ("token\", header = \"X-Token\"", "x-token", TOKEN, "run = \"/run\"", &ours),
    ] {
        let adapter = adapter(&format!(
            "callback = {{ scheme = \"{scheme}, {pointer} }}\n\
             webhook_secret = [{{ env = \"SIGNING\" }}, {{ env = \"CI_TOKEN\" }}]\n\
             {STARTED}{POLL}{RULES}"
        ));
        let read = |headers: &[(String, String)], body: &str| {
            let callback = Callback { headers, body: body.as_bytes(), now: adapter.clock.now() };
            adapter.systems.read_callback(NAME, &callback)
        };
        let header = |value: &str| [(name.to_owned(), value.to_owned())];
        assert_eq!(read(&header(value), &body).as_ref(), Ok(expected), "{scheme}");
        let forged = match value.contains(&hex) {
            true => value.replace(&hex, &format!("{hex}0")),
            false => format!("{value}0"),
        };
        assert!(read(&header(&forged), &body).is_err(), "{scheme}");
        assert!(read(&[], &body).is_err(), "{scheme}");
        // A token proves nothing about the body.
        assert!(scheme.starts_with("token") || read(&header(value), &format!("{body} ")).is_err());
        assert_eq!(adapter.requests(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standard_webhook_is_verified_with_its_time() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let adapter = adapter(&format!(
        "callback = {{ scheme = \"standard_webhooks\", run = \"/run\" }}\n\
         webhook_secret = {{ env = \"SIGNING\" }}\n{STARTED}{POLL}{RULES}"
    ));
    let body = format!("{{\"run\": \"{OUR_ID}\"}}");
    let key = STANDARD.decode(SIGNING.trim_start_matches("whsec_")).unwrap();
    let read = |age_s: i64| {
        let now = adapter.clock.now();
        let at = (now.ms() / 1_000 - age_s).to_string();
        let hex = hex_hmac(&key, format!("m-1.{at}.{body}").as_bytes());
        let bytes: Vec<_> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let headers = [
            ("webhook-id", "m-1".to_owned()),
            ("webhook-timestamp", at),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(bytes))),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let callback = Callback { headers: &headers, body: body.as_bytes(), now };
        adapter.systems.read_callback(NAME, &callback)
    };
    assert_eq!(read(10), Ok(vec![Mentioned::Run(OUR_ID.parse().unwrap())]));
    assert_eq!(read(600), Err(CallbackError::TooOld));
}
