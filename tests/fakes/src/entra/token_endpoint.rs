//! The token endpoint: finds the grant and the caller, and records the call.
//!
//! What each grant yields is in `grants`.

use super::client::Form;
use super::model::TokenCall;
use super::refusal::OAuthError;
use super::world::World;
use crate::http::{Request, Response};

impl World {
    pub(super) fn token(&mut self, request: &Request) -> Response {
        let form = Form::read(request);
        let grant = form.as_ref().and_then(|form| form.get("grant_type"));
        let grant = grant.unwrap_or_default().to_owned();
        let outcome = self.answer_grant(request, form.as_ref(), &grant);
        let refused = outcome.as_ref().err().map(|refused| refused.number);
        self.calls.push(TokenCall { at_ms: self.now_ms, grant, refused });
        outcome.unwrap_or_else(|refused| refused.response(&mut self.random, self.now_ms))
    }

    fn answer_grant(
        &mut self,
        request: &Request,
        form: Option<&Form>,
        grant: &str,
    ) -> Result<Response, OAuthError> {
        if request.method != "POST" {
            return Err(OAuthError::invalid_request(900_561));
        }
        let form = form.ok_or_else(|| OAuthError::invalid_request(900_144))?;
        form.need("grant_type")?;
        if let Some(refused) = self.next_scripted_refusal() {
            return Err(refused);
        }
        let client_id = self.client(request, form)?;
        let authority = self.authority(request);
        let body = match grant {
            "authorization_code" => self.redeem_code(&authority, &client_id, form)?,
            "refresh_token" => self.refresh(&authority, &client_id, form)?,
            "client_credentials" => self.for_application(&client_id, form)?,
            _ => return Err(OAuthError::new(400, "unsupported_grant_type", 70003)),
        };
        Ok(Response::json(200, &body))
    }
}
