//! `run changes --csv`.

use contracts::{change_csv, v1};

use crate::api::Api;
use crate::failure::Failure;
use crate::output::print;

/// What a page holds: so many are in memory at a time.
const PAGE: i32 = 500;

/// Prints everything that is asked for, page by page.
pub async fn print_all(api: &Api, mut asked: v1::ListChangesRequest) -> Result<(), Failure> {
    asked.page_size = PAGE;
    let mut text = change_csv::header();
    loop {
        let page = api
            .call(asked.clone(), async |request| {
                api.runs().list_changes(request).await
            })
            .await?;
        text.extend(page.changes.iter().map(change_csv::rows));
        print(&text)?;
        text.clear();
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        asked.page_token = page.next_page_token;
    }
}
