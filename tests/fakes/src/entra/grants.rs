//! What each grant yields (docs/azure-devops.md §4.4).
//!
//! A code can be redeemed once. A refresh token stays valid when it is used, and each use yields
//! another one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::client::Form;
use super::model::{RefreshToken, User};
use super::refusal::OAuthError;
use super::world::World;
use crate::access_token::{AccessToken, Subject};

type Body = Result<Value, OAuthError>;

impl World {
    pub(super) fn redeem_code(&mut self, authority: &str, client_id: &str, form: &Form) -> Body {
        let secret = form.need("code")?;
        let (redirect_uri, verifier) = (form.need("redirect_uri")?, form.get("code_verifier"));
        let code = self.codes.get_mut(secret).ok_or_else(|| OAuthError::invalid_grant(70000))?;
        if code.client_id != client_id || code.redirect_uri != redirect_uri {
            return Err(OAuthError::invalid_grant(70000));
        }
        if code.is_redeemed {
            return Err(OAuthError::invalid_grant(54005));
        }
        if code.valid_until_ms <= self.now_ms {
            return Err(OAuthError::invalid_grant(70008));
        }
        let digest = verifier.map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        if digest.as_deref() != Some(code.challenge.as_str()) {
            return Err(OAuthError::invalid_grant(501_481));
        }
        code.is_redeemed = true;
        let code = code.clone();
        self.issued_secrets.push(("verifier", verifier.unwrap_or_default().to_owned()));
        let user = self.usable_account(&code.user)?;
        let nonce = code.nonce.as_deref();
        Ok(self.delegated(authority, client_id, &user, &code.scopes, nonce))
    }

    pub(super) fn refresh(&mut self, authority: &str, client_id: &str, form: &Form) -> Body {
        let secret = form.need("refresh_token")?;
        let known = self.refresh_tokens.get(secret).filter(|one| one.client_id == client_id);
        let known = known.cloned().ok_or_else(|| OAuthError::invalid_grant(70000))?;
        if known.is_revoked {
            return Err(OAuthError::invalid_grant(50173));
        }
        if self.now_ms - known.issued_ms >= self.options.refresh_idle_ms {
            return Err(OAuthError::invalid_grant(700_082));
        }
        let scopes = match form.get("scope") {
            None => known.scopes,
            Some(asked) => {
                let asked: Vec<_> = asked.split_whitespace().map(str::to_owned).collect();
                if !asked.iter().all(|one| known.scopes.contains(one)) {
                    return Err(OAuthError::new(400, "invalid_scope", 70011));
                }
                asked
            }
        };
        let user = self.usable_account(&known.user)?;
        Ok(self.delegated(authority, client_id, &user, &scopes, None))
    }

    pub(super) fn for_application(&mut self, client_id: &str, form: &Form) -> Body {
        if form.need("scope")? != format!("{}/.default", self.options.resource) {
            return Err(OAuthError::new(400, "invalid_scope", 1_002_012));
        }
        let object_id = self.object_id_of(client_id).to_owned();
        let (token, lifetime_s) = self.issue(Subject::Application { object_id });
        Ok(json!({
            "token_type": "Bearer",
            "expires_in": lifetime_s,
            "ext_expires_in": lifetime_s,
            "access_token": token,
        }))
    }

    /// The person, unless the account has an error by now.
    fn usable_account(&self, name: &str) -> Result<User, OAuthError> {
        let user = self.user(name).cloned().ok_or_else(|| OAuthError::invalid_grant(50020))?;
        match user.account_error {
            None => Ok(user),
            Some(number @ (50072 | 50074 | 50076 | 50078 | 50079)) => {
                Err(OAuthError::new(400, "interaction_required", number))
            }
            Some(number) => Err(OAuthError::invalid_grant(number)),
        }
    }

    fn delegated(
        &mut self,
        authority: &str,
        client_id: &str,
        user: &User,
        scopes: &[String],
        nonce: Option<&str>,
    ) -> Value {
        let prefix = format!("{}/", self.options.resource);
        let granted: Vec<_> = scopes.iter().filter(|one| one.starts_with(&prefix)).collect();
        let names = granted.iter().filter_map(|one| one.strip_prefix(&prefix));
        let subject = Subject::User {
            principal_name: user.principal_name.clone(),
            scopes: names.map(str::to_owned).collect(),
        };
        let granted: Vec<_> = granted.into_iter().map(String::as_str).collect();
        let (token, lifetime_s) = self.issue(subject);
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
        put("token_type", json!("Bearer"));
        put("scope", json!(granted.join(" ")));
        put("expires_in", json!(lifetime_s));
        put("ext_expires_in", json!(lifetime_s));
        put("access_token", json!(token));
        let asked = |name: &str| scopes.iter().any(|scope| scope == name);
        if asked("offline_access") {
            put("refresh_token", json!(self.new_refresh_token(client_id, user, scopes)));
        }
        if asked("openid")
            && let Some(id_token) = self.id_token(authority, client_id, user, nonce)
        {
            self.issued_secrets.push(("ID token", id_token.clone()));
            put("id_token", json!(id_token));
        }
        Value::Object(body)
    }

    fn new_refresh_token(&mut self, client: &str, user: &User, scopes: &[String]) -> String {
        let secret = self.random_text("1.refresh.", 160);
        let token = RefreshToken {
            client_id: client.to_owned(),
            user: user.principal_name.to_lowercase(),
            scopes: scopes.to_vec(),
            issued_ms: self.now_ms,
            is_revoked: false,
        };
        self.issued_secrets.push(("refresh token", secret.clone()));
        self.refresh_tokens.insert(secret.clone(), token);
        secret
    }

    /// A new access token, which is opaque to callers, and its lifetime in seconds.
    pub(super) fn issue(&mut self, subject: Subject) -> (String, u64) {
        let (least, most) = self.options.access_token_s;
        let lifetime_s = least + self.random.below(most.saturating_sub(least) + 1);
        let secret = self.random_text("access.", 220);
        let lifetime_ms = i64::try_from(lifetime_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let valid_until_ms = self.now_ms.saturating_add(lifetime_ms);
        self.issued_secrets.push(("access token", secret.clone()));
        self.issued.push(AccessToken { secret: secret.clone(), subject, valid_until_ms });
        (secret, lifetime_s)
    }
}
