//! `rollcall.v1.Assets` (B6).

use std::time::Duration;

use contracts::internal::v1 as internal;
use contracts::v1;
use contracts::v1::assets_server::Assets;
use domain::id::AccountId;
use store::asset::{self, Search};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::page::Page;
use crate::{lookup, view};

use super::accounts::words;

const DEADLINE: Duration = Duration::from_secs(20);
/// Characters in a text at most.
const LONGEST: usize = 200;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Assets for Service {
    async fn list_assets(
        &self,
        request: Request<v1::ListAssetsRequest>,
    ) -> Result<Response<v1::ListAssetsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn add_asset(&self, request: Request<v1::AddAssetRequest>) -> Result<Response<v1::Asset>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(add(&self.0, &caller, request.get_ref()).await?))
    }

    async fn assign_asset(
        &self,
        request: Request<v1::AssignAssetRequest>,
    ) -> Result<Response<v1::Asset>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(assign(&self.0, &caller, request.get_ref()).await?))
    }

    async fn return_asset(
        &self,
        request: Request<v1::ReturnAssetRequest>,
    ) -> Result<Response<v1::ReturnAssetResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            take_back(&self.0, &caller, request.get_ref()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListAssetsRequest,
) -> Result<v1::ListAssetsResponse, Fault> {
    let list = format!("assets {} {}", request.account_id, request.search);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let search = Search {
        words: words(&request.search)?,
        holder: match request.account_id.as_str() {
            "" => None,
            id => Some(lookup::parse::<AccountId>("accountId", id)?),
        },
    };
    let mut connection = app.store.connection().await?;
    let mut rows = asset::list(
        &mut connection,
        caller.organization(),
        &search,
        after,
        page.limit(),
    )
    .await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id.to_string()]);
    Ok(v1::ListAssetsResponse {
        assets: rows.into_iter().map(view::asset::asset).collect(),
        next_page_token,
    })
}

async fn add(app: &App, caller: &Caller, request: &v1::AddAssetRequest) -> Result<v1::Asset, Fault> {
    check(request)?;
    let key = Key::of(caller, "AddAsset", &request.idempotency_key, request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let work = async {
        let mut call = Request::new(internal::AddAssetRequest {
            organization_id: caller.organization().to_string(),
            name: request.name.trim().to_owned(),
            tag: request.tag.trim().to_owned(),
            serial: request.serial.trim().to_owned(),
            model: request.model.trim().to_owned(),
        });
        call.set_timeout(DEADLINE);
        let answer = app.register.clone().add_asset(call).await.map_err(upstream)?;
        let id = lookup::parse("assetId", &answer.get_ref().asset_id)?;
        found(app, caller, id).await
    };
    let outcome = work.await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn assign(app: &App, caller: &Caller, request: &v1::AssignAssetRequest) -> Result<v1::Asset, Fault> {
    let id: Uuid = lookup::parse("assetId", &request.asset_id)?;
    let to: AccountId = lookup::parse("accountId", &request.account_id)?;
    let key = Key::of(caller, "AssignAsset", &request.idempotency_key, request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let work = async {
        let mut call = Request::new(internal::AssignAssetRequest {
            organization_id: caller.organization().to_string(),
            asset_id: id.to_string(),
            account_id: to.to_string(),
        });
        call.set_timeout(DEADLINE);
        app.register.clone().assign_asset(call).await.map_err(upstream)?;
        found(app, caller, id).await
    };
    let outcome = work.await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn take_back(
    app: &App,
    caller: &Caller,
    request: &v1::ReturnAssetRequest,
) -> Result<v1::ReturnAssetResponse, Fault> {
    let id: Uuid = lookup::parse("assetId", &request.asset_id)?;
    let key = Key::of(caller, "ReturnAsset", &request.idempotency_key, request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let work = async {
        let mut call = Request::new(internal::ReturnAssetRequest {
            organization_id: caller.organization().to_string(),
            asset_id: id.to_string(),
            returned_by: caller.name().to_owned(),
        });
        call.set_timeout(DEADLINE);
        let answer = app.register.clone().return_asset(call).await.map_err(upstream)?;
        Ok(v1::ReturnAssetResponse {
            asset: Some(found(app, caller, id).await?),
            deletion: answer.into_inner().deletion,
        })
    };
    let outcome = work.await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn found(app: &App, caller: &Caller, id: Uuid) -> Result<v1::Asset, Fault> {
    let mut connection = app.store.connection().await?;
    asset::find(&mut connection, caller.organization(), id)
        .await?
        .map(view::asset::asset)
        .ok_or_else(|| Fault::NotFound {
            what: "asset",
            name: id.to_string(),
            hint: "; find assets with rollcall asset list --search TEXT".to_owned(),
        })
}

fn upstream(status: Status) -> Fault {
    Fault::Upstream {
        service: "reconciler",
        status: Box::new(status),
    }
}

fn check(request: &v1::AddAssetRequest) -> Result<(), Fault> {
    let mut violations = Vec::new();
    let mut add = |path: &str, problem: String| {
        violations.push(Violation {
            path: path.to_owned(),
            problem,
        });
    };
    if request.name.trim().is_empty() {
        add("name", "is missing; say what people call the asset".to_owned());
    }
    for (path, text) in [
        ("name", &request.name),
        ("tag", &request.tag),
        ("serial", &request.serial),
        ("model", &request.model),
    ] {
        if text.chars().count() > LONGEST {
            add(path, format!("is longer than {LONGEST} characters; shorten it"));
        } else if text.contains(char::is_control) {
            add(
                path,
                "holds line breaks or other control characters; leave them out".to_owned(),
            );
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Fault::Invalid(violations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_everything_wrong_with_an_asset_is_told_at_once() {
        let request = v1::AddAssetRequest {
            name: " ".to_owned(),
            tag: "a\0b".to_owned(),
            serial: "x".repeat(201),
            ..Default::default()
        };
        let Err(Fault::Invalid(violations)) = check(&request) else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["name", "tag", "serial"]);
    }
}
