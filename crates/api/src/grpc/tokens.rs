//! `rollcall.v1.Tokens`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::v1;
use contracts::v1::tokens_server::Tokens;
use domain::id::TokenId;
use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::credential::SealedSecret;
use store::sealed::TokenAnswer;
use store::token::{self, Role, Token};
use store::{Tx, audit};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use vault::Sealed;

use crate::app::App;
use crate::auth::{self, Caller};
use crate::fault::Fault;
use crate::once::Key;
use crate::page::Page;
use crate::view;

/// Characters in a name at most.
const LONGEST_NAME: usize = 100;
/// What a stored answer with a token's secret is sealed for.
const PURPOSE: &str = keys::purpose::TOKEN_ANSWER;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Tokens for Service {
    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(create(&self.0, &caller, request.get_ref()).await?))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::Token>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(revoke(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn create(
    app: &App,
    caller: &Caller,
    request: &v1::CreateTokenRequest,
) -> Result<v1::CreateTokenResponse, Fault> {
    let role = match request.role() {
        v1::TokenRole::Viewer => Role::Viewer,
        v1::TokenRole::Admin => Role::Admin,
        v1::TokenRole::Unspecified => {
            return Err(Fault::invalid(
                "role",
                "is missing; use TOKEN_ROLE_VIEWER or TOKEN_ROLE_ADMIN",
            ));
        }
    };
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(Fault::invalid("name", "is not a name of 1 to 100 characters"));
    }
    let key = Key::of(caller, "CreateToken", &request.idempotency_key, request)?;
    let mut tx = app.store.begin("token.create").await?;
    if let Some(stored) = key.claim_bytes(app, &mut tx).await? {
        return unseal(app, &stored);
    }
    let secret = auth::new_secret();
    let made = Token {
        id: TokenId(app.clock.new_id()),
        organization: caller.organization(),
        name: name.to_owned(),
        role,
        created_at: app.clock.now(),
        revoked_at: None,
    };
    token::insert(tx.connection(), &made, &auth::hash(&secret))
        .await
        .map_err(|error| {
            if error.duplicate() == Some("token_name") {
                return Fault::Conflict(format!(
                    "a token \"{name}\" is there already; revoke it or take another name"
                ));
            }
            Fault::from(error)
        })?;
    write_audit(app, caller, &mut tx, "token.create", &made).await?;
    let answer = v1::CreateTokenResponse {
        token: Some(view::token::token(&made)),
        secret,
    };
    key.answer_bytes(&mut tx, &seal(app, made.id.0, &answer)?).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListTokensRequest,
) -> Result<v1::ListTokensResponse, Fault> {
    let page = Page::read("tokens", request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut connection = app.store.connection().await?;
    let mut rows = token::list(&mut connection, caller.organization(), after, page.limit()).await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id.to_string()]);
    Ok(v1::ListTokensResponse {
        tokens: rows.iter().map(view::token::token).collect(),
        next_page_token,
    })
}

/// Revoking a revoked token again answers it as it is.
async fn revoke(app: &App, caller: &Caller, request: &v1::RevokeTokenRequest) -> Result<v1::Token, Fault> {
    let key = Key::of(caller, "RevokeToken", &request.idempotency_key, request)?;
    let mut tx = app.store.begin("token.revoke").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let found = token::find_by_name(tx.connection(), caller.organization(), &request.token).await?;
    let mut found = found.ok_or_else(|| Fault::NotFound {
        what: "token",
        name: request.token.clone(),
        hint: "; list tokens with rollcall token list".to_owned(),
    })?;
    if found.id == caller.0.id {
        return Err(Fault::Precondition {
            reason: "OWN_TOKEN",
            message: "this is the token that you call with; revoke it with another admin's token".to_owned(),
        });
    }
    let now = app.clock.now();
    if token::revoke(tx.connection(), found.id, now).await? {
        found.revoked_at = Some(now);
        write_audit(app, caller, &mut tx, "token.revoke", &found).await?;
    }
    let answer = view::token::token(&found);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn write_audit(
    app: &App,
    caller: &Caller,
    tx: &mut Tx,
    action: &str,
    token: &Token,
) -> Result<(), Fault> {
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: caller.organization(),
        at: app.clock.now(),
        actor: format!("token {}", caller.name()),
        action: action.to_owned(),
        subject: token.name.clone(),
        before: None,
        after: Some(json!({ "id": token.id.to_string(), "role": token.role.key() })),
    };
    Ok(audit::insert(tx.connection(), &entry).await?)
}

/// A stored answer with a token's secret, sealed for the token's row.
fn seal(app: &App, id: Uuid, answer: &v1::CreateTokenResponse) -> Result<Vec<u8>, Fault> {
    let plain = SecretString::from(STANDARD.encode(answer.encode_to_vec()));
    let Sealed { key_id, ciphertext } = app.vault.seal(&plain, PURPOSE, id)?;
    let stored = TokenAnswer {
        token: id,
        sealed: SealedSecret { key_id, ciphertext },
    };
    stored
        .to_bytes()
        .ok_or(Fault::Internal("a vault key's id is too long"))
}

fn unseal(app: &App, stored: &[u8]) -> Result<v1::CreateTokenResponse, Fault> {
    let broken = || Fault::Internal("a stored answer can't be read");
    let TokenAnswer { token, sealed } = TokenAnswer::from_bytes(stored).ok_or_else(broken)?;
    let SealedSecret { key_id, ciphertext } = sealed;
    let plain = app.vault.open(&Sealed { key_id, ciphertext }, PURPOSE, token)?;
    let bytes = STANDARD.decode(plain.expose_secret()).map_err(|_| broken())?;
    v1::CreateTokenResponse::decode(bytes.as_slice()).map_err(|_| broken())
}
