//! Lists come in pages, by tokens that say nothing.

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::{ListAccountsRequest, ListAccountsResponse, ListRunsRequest};
use harness::people::{hire, hire_many};
use harness::world::World;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;

async fn accounts(
    world: &World,
    size: i32,
    token: &str,
    search: &str,
) -> Result<ListAccountsResponse, Status> {
    let request = ListAccountsRequest {
        page_size: size,
        page_token: token.to_owned(),
        search: search.to_owned(),
        ..ListAccountsRequest::default()
    };
    Ok(AccountsClient::new(world.channel())
        .list_accounts(world.call(request))
        .await?
        .into_inner())
}

#[tokio::test]
async fn a_list_is_read_page_by_page_each_row_once_while_it_grows() {
    let world = World::start().await;
    hire_many(&world.tenant, 7);
    world.full().await;

    let first = accounts(&world, 3, "", "").await.unwrap();
    assert_eq!(first.accounts.len(), 3);
    // Whoever comes now moves nobody from one page to another.
    for early in ["aaa", "zzz"] {
        hire(&world.tenant, early, json!({}));
    }
    world.full().await;
    let mut logins: Vec<String> = first
        .accounts
        .iter()
        .map(|account| account.login.clone())
        .collect();
    let mut token = first.next_page_token;
    while !token.is_empty() {
        let page = accounts(&world, 3, &token, "").await.unwrap();
        assert!((1..=3).contains(&page.accounts.len()));
        logins.extend(page.accounts.into_iter().map(|account| account.login));
        token = page.next_page_token;
    }
    for number in 1..=7 {
        let login = format!("p{number:02}");
        assert_eq!(
            logins.iter().filter(|known| **known == login).count(),
            1,
            "{login}: {logins:?}"
        );
    }
    assert_eq!(
        accounts(&world, 9, "", "").await.unwrap().next_page_token,
        "",
        "the last page says that it is"
    );
}

#[tokio::test]
async fn a_token_is_good_for_its_own_list_only() {
    let world = World::start().await;
    hire_many(&world.tenant, 4);
    world.full().await;
    let token = accounts(&world, 2, "", "").await.unwrap().next_page_token;
    assert!(
        !token.is_empty() && !token.contains("p02") && token.parse::<u64>().is_err(),
        "{token}"
    );

    let refused = |status: Status, field: &str| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(
            status.get_details_bad_request().unwrap().field_violations[0].field,
            field
        );
    };
    refused(accounts(&world, 2, &token, "p0").await.unwrap_err(), "pageToken");
    let runs = ListRunsRequest {
        page_token: token.clone(),
        ..ListRunsRequest::default()
    };
    refused(
        world.runs().list_runs(world.call(runs)).await.unwrap_err(),
        "pageToken",
    );
    let changed = format!("{}A", &token[..token.len() - 1]);
    for made_up in ["2", "not a token", changed.as_str()] {
        if made_up != token {
            refused(accounts(&world, 2, made_up, "").await.unwrap_err(), "pageToken");
        }
    }
    refused(accounts(&world, -1, "", "").await.unwrap_err(), "pageSize");
    assert_eq!(
        accounts(&world, i32::MAX, "", "").await.unwrap().accounts.len(),
        4
    );
}
