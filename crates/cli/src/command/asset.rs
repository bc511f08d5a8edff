//! `asset`: what people hold.

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::output::Output;
use crate::page;
use crate::show::{self, escape};
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List assets, and who holds each
    List {
        /// Only those with all these words in name, tag, serial number or model
        #[arg(long, value_name = "QUERY", default_value = "")]
        search: String,
        /// Only those that this account or person holds
        #[arg(long, value_name = "ID", value_parser = super::id)]
        account: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: u32,
    },
    /// Add an asset that nobody holds
    #[command(
        after_help = "Examples:\n  rollcall asset add --name 'Laptop 7' --tag T-0007 --serial 5CD1234 --model 'EliteBook 840'"
    )]
    Add {
        /// What people call it
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// What its label says; no two assets have the same
        #[arg(long, value_name = "TEXT", default_value = "")]
        tag: String,
        /// Its maker's number
        #[arg(long, value_name = "TEXT", default_value = "")]
        serial: String,
        /// What it is one of
        #[arg(long, value_name = "TEXT", default_value = "")]
        model: String,
    },
    /// Give an asset to an account or a person
    Assign {
        /// The asset's id
        #[arg(value_parser = super::id)]
        id: String,
        /// The account's or person's id
        #[arg(value_name = "ACCOUNT", value_parser = super::id)]
        account: String,
    },
    /// Take an asset back; the last one of a leaver carries out the deletion that waits for it
    Return {
        /// The asset's id
        #[arg(value_parser = super::id)]
        id: String,
    },
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                search,
                account,
                limit,
            } => list(session, &search, account.as_deref().unwrap_or_default(), limit).await,
            Self::Add {
                name,
                tag,
                serial,
                model,
            } => {
                let message = v1::AddAssetRequest {
                    name,
                    tag,
                    serial,
                    model,
                    idempotency_key: idempotency_key(),
                };
                let api = session.api().await?;
                let answer = api
                    .call(message, async |request| api.assets().add_asset(request).await)
                    .await?;
                session.output.answer(&answer, one)
            }
            Self::Assign { id, account } => {
                let message = v1::AssignAssetRequest {
                    asset_id: id,
                    account_id: account,
                    idempotency_key: idempotency_key(),
                };
                let api = session.api().await?;
                let answer = api
                    .call(message, async |request| api.assets().assign_asset(request).await)
                    .await?;
                session.output.answer(&answer, one)
            }
            Self::Return { id } => take_back(session, id).await,
        }
    }
}

async fn list(session: &Session, search: &str, account_id: &str, limit: u32) -> Result<(), Failure> {
    let api = session.api().await?;
    let (assets, next_page_token) = page::read(Some(limit), async |page_size, page_token| {
        let message = v1::ListAssetsRequest {
            search: search.to_owned(),
            account_id: account_id.to_owned(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| api.assets().list_assets(request).await)
            .await?;
        Ok((page.assets, page.next_page_token))
    })
    .await?;
    let answer = v1::ListAssetsResponse {
        assets,
        next_page_token,
    };
    session.output.answer(&answer, |answer| table(&answer.assets))?;
    page::say_if_cut(&answer.next_page_token, answer.assets.len());
    Ok(())
}

async fn take_back(session: &Session, asset_id: String) -> Result<(), Failure> {
    let message = v1::ReturnAssetRequest {
        asset_id,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.assets().return_asset(request).await)
        .await?;
    session.output.answer(&answer, |answer| {
        answer.asset.as_ref().map(one).unwrap_or_default()
    })?;
    if session.output == Output::Table && !answer.deletion.is_empty() {
        eprintln!("{}", escape(&answer.deletion));
    }
    Ok(())
}

fn one(asset: &v1::Asset) -> String {
    table(std::slice::from_ref(asset))
}

fn table(assets: &[v1::Asset]) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("NAME"),
        Column::Left("TAG"),
        Column::Left("SERIAL"),
        Column::Left("MODEL"),
        Column::Left("STATUS"),
        Column::Left("HELD BY"),
        Column::Left("SINCE"),
    ]);
    for asset in assets {
        let holder = if asset.account_upn.is_empty() {
            &asset.account_name
        } else {
            &asset.account_upn
        };
        table.row([
            asset.id.clone(),
            asset.name.clone(),
            asset.tag.clone(),
            asset.serial.clone(),
            asset.model.clone(),
            words::plain(asset.status().as_str_name(), "ASSET_STATUS_"),
            holder.clone(),
            show::time(asset.assign_time.as_ref()),
        ]);
    }
    table.into_text("No assets.")
}
