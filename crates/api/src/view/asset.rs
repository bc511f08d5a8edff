//! Assets.

use contracts::v1;
use domain::asset::Status;
use store::asset::Asset;

use super::time;

/// An asset.
pub fn asset(asset: Asset) -> v1::Asset {
    let holder = asset.holder;
    v1::Asset {
        id: asset.id.to_string(),
        name: asset.name,
        tag: asset.tag.unwrap_or_default(),
        serial: asset.serial.unwrap_or_default(),
        model: asset.model.unwrap_or_default(),
        status: match asset.status {
            Status::InStock => v1::AssetStatus::InStock,
            Status::InUse => v1::AssetStatus::InUse,
            Status::Retired => v1::AssetStatus::Retired,
        }
        .into(),
        account_id: holder
            .as_ref()
            .map(|holder| holder.account.to_string())
            .unwrap_or_default(),
        account_name: holder
            .as_ref()
            .and_then(|holder| holder.name.clone())
            .unwrap_or_default(),
        account_upn: holder
            .as_ref()
            .and_then(|holder| holder.upn.clone())
            .unwrap_or_default(),
        assign_time: holder.map(|holder| time(holder.since)),
        create_time: Some(time(asset.created_at)),
        update_time: Some(time(asset.updated_at)),
    }
}
