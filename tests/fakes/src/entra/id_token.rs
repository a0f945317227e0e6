//! ID tokens, valid and forged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::forgery::Forgery;
use super::keys;
use super::model::User;
use super::world::World;

/// The most groups in a token (Microsoft Learn, "Configure group claims for applications").
const GROUPS_MAX: usize = 200;

type Claims = Map<String, Value>;

impl World {
    /// The ID token for a redeemed code or a refresh; none when the forgery is that it is missing.
    pub(super) fn id_token(
        &mut self,
        authority: &str,
        client_id: &str,
        user: &User,
        nonce: Option<&str>,
    ) -> Option<String> {
        let forgery = self.forgery.take();
        let mut claims = self.claims(authority, client_id, user, nonce);
        let (other_tenant, other_client) = (self.random.guid(), self.random.guid());
        let seconds = self.now_ms.div_euclid(1_000);
        let mut put = |key: &str, value: Value| drop(claims.insert(key.to_owned(), value));
        match forgery {
            Some(Forgery::WrongNonce) => put("nonce", json!("another-nonce")),
            Some(Forgery::NoNonce) => drop(claims.remove("nonce")),
            Some(Forgery::WrongAudience) => put("aud", json!(other_client)),
            Some(Forgery::WrongTenant) => put("tid", json!(other_tenant)),
            Some(Forgery::WrongIssuer) => put("iss", json!("https://issuer.invalid/v2.0")),
            Some(Forgery::Expired) => {
                put("exp", json!(seconds - 3_600));
                put("nbf", json!(seconds - 7_200));
                put("iat", json!(seconds - 7_200));
            }
            Some(Forgery::NotYetValid) => put("nbf", json!(seconds + 3_600)),
            Some(Forgery::Missing) => return None,
            _ => {}
        }
        Some(self.signed_token(&Value::Object(claims), forgery))
    }

    fn claims(&self, authority: &str, client: &str, user: &User, nonce: Option<&str>) -> Claims {
        let seconds = self.now_ms.div_euclid(1_000);
        let claims = json!({
            "ver": "2.0",
            "iss": format!("{authority}/v2.0"),
            "aud": client,
            // Entra backdates its tokens by five minutes, for clocks that are behind.
            "iat": seconds - 300,
            "nbf": seconds - 300,
            "exp": seconds + 3_600,
            "sub": format!("sub-{}", user.object_id.replace('-', "")),
            "oid": user.object_id,
            "tid": self.tenant,
            "name": user.display_name,
            "preferred_username": user.principal_name,
            "email": user.email,
        });
        let mut claims = claims.as_object().cloned().unwrap_or_default();
        // Entra leaves empty lists out, and a list of groups that would be too long for a token.
        if user.groups.len() > GROUPS_MAX {
            claims.insert("_claim_names".to_owned(), json!({"groups": "src1"}));
            let endpoint = format!("https://graph.microsoft.com/v1.0/users/{}", user.object_id);
            let sources = json!({"src1": {"endpoint": format!("{endpoint}/getMemberObjects")}});
            claims.insert("_claim_sources".to_owned(), sources);
        } else if !user.groups.is_empty() {
            claims.insert("groups".to_owned(), json!(user.groups));
        }
        if !user.app_roles.is_empty() {
            claims.insert("roles".to_owned(), json!(user.app_roles));
        }
        claims.extend(nonce.map(|nonce| ("nonce".to_owned(), json!(nonce))));
        claims
    }

    fn signed_token(&self, claims: &Value, forgery: Option<Forgery>) -> String {
        let kid = match forgery {
            Some(Forgery::UnknownKey) => keys::name(keys::FORGERY_KEY),
            _ => keys::name(self.signing_key),
        };
        let algorithm = match forgery {
            Some(Forgery::AlgorithmNone) => "none",
            Some(Forgery::AlgorithmHs256) => "HS256",
            _ => "RS256",
        };
        let header = json!({"typ": "JWT", "alg": algorithm, "kid": kid});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(claims));
        let key = match forgery {
            Some(Forgery::OtherKey | Forgery::UnknownKey) => keys::FORGERY_KEY,
            _ => self.signing_key,
        };
        match forgery {
            Some(Forgery::AlgorithmNone) => format!("{message}."),
            Some(Forgery::Tampered) => {
                let signature = keys::signed(key, message.as_bytes());
                let mut changed = claims.as_object().cloned().unwrap_or_default();
                let name = json!("somebody.else@fabrikam.example");
                changed.insert("preferred_username".to_owned(), name);
                format!("{}.{}.{signature}", encoded(&header), encoded(&Value::Object(changed)))
            }
            _ => {
                let signature = keys::signed(key, message.as_bytes());
                format!("{message}.{signature}")
            }
        }
    }
}
