//! The register as people see it: accounts, links, reviews; and the import of accounts that were there before.

use std::collections::BTreeMap;

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::connections_client::ConnectionsClient;
use contracts::v1::links_client::LinksClient;
use contracts::v1::reviews_client::ReviewsClient;
use contracts::v1::{
    Account, AccountStatus, Connection, ConnectionTest, GetConnectionRequest, IntegrationStatus,
    LeaverAction, Link, ListAccountsRequest, ListLinksRequest, ListReviewsRequest, ResolveReviewsRequest,
    Review, ReviewResolution, ReviewState, TestConnectionRequest,
};
use entra_sim::Snapshot;
use serde_json::Value;

use crate::documents::CONNECTION;
use crate::world::World;

const PAGE: i32 = 200;

impl World {
    /// `rollcall import csv`: accounts that are there before any sync.
    pub async fn import(&self, csv: &str) -> Value {
        let file = self.file("accounts.csv", csv);
        let answer = self.cli_json(&["import", "csv", file.to_str().unwrap()]).await;
        assert_eq!(answer["failed"], 0, "{answer}");
        answer
    }

    /// All accounts, deleted ones too.
    pub async fn accounts(&self) -> Vec<Account> {
        let mut accounts = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListAccountsRequest {
                page_size: PAGE,
                page_token,
                include_deleted: true,
                ..ListAccountsRequest::default()
            };
            let mut client = AccountsClient::new(self.channel());
            let page = client
                .list_accounts(self.call(request))
                .await
                .unwrap()
                .into_inner();
            accounts.extend(page.accounts);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return accounts;
            }
        }
    }

    /// The accounts of this login, letter case aside.
    pub async fn accounts_of(&self, login: &str) -> Vec<Account> {
        let mut accounts = self.accounts().await;
        accounts.retain(|account| account.login.eq_ignore_ascii_case(login));
        accounts
    }

    /// The one account of this login.
    pub async fn account(&self, login: &str) -> Account {
        let mut found = self.accounts_of(login).await;
        assert_eq!(found.len(), 1, "accounts of {login}: {found:#?}");
        found.remove(0)
    }

    /// The one account that an object feeds.
    pub async fn account_by_object(&self, object: &str) -> Account {
        let mut found = self.accounts().await;
        found.retain(|account| account.object_id == object);
        assert_eq!(found.len(), 1, "accounts of the object {object}: {found:#?}");
        found.remove(0)
    }

    /// The register against the directory, for the default mapping and the default policies: everyone who is there and
    /// enabled has one active account with what the directory says; who left is out of use.
    pub async fn check_register(&self) {
        let accounts = self.accounts().await;
        let fed = accounts.iter().filter(|account| !account.object_id.is_empty());
        let by_object: BTreeMap<&str, &Account> =
            fed.map(|account| (account.object_id.as_str(), account)).collect();
        for user in self.tenant.users() {
            let enabled = user.attributes.get("accountEnabled") == Some(&Value::Bool(true));
            let Some(account) = by_object.get(user.id.as_str()) else {
                assert!(!enabled, "{user:#?} has no account");
                continue;
            };
            check_account(account, &user, &by_object);
            let (status, knows) = if enabled {
                (AccountStatus::Active, IntegrationStatus::Active)
            } else {
                (AccountStatus::Deactivated, IntegrationStatus::Disabled)
            };
            assert_eq!(
                (account.status(), account.integration_status()),
                (status, knows),
                "{account:#?}"
            );
        }
        for user in self.tenant.deleted_users() {
            if let Some(account) = by_object.get(user.id.as_str()) {
                assert_eq!(account.status(), AccountStatus::Deactivated, "{account:#?}");
                assert_eq!(
                    account.integration_status(),
                    IntegrationStatus::SoftDeleted,
                    "{account:#?}"
                );
            }
        }
    }

    /// The connection's links.
    pub async fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListLinksRequest {
                connection: CONNECTION.to_owned(),
                page_size: PAGE,
                page_token,
                ..ListLinksRequest::default()
            };
            let mut client = LinksClient::new(self.channel());
            let page = client.list_links(self.call(request)).await.unwrap().into_inner();
            links.extend(page.links);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return links;
            }
        }
    }

    /// The connection as it is shown.
    pub async fn connection(&self) -> Connection {
        let request = GetConnectionRequest {
            connection: CONNECTION.to_owned(),
        };
        let mut client = ConnectionsClient::new(self.channel());
        client
            .get_connection(self.call(request))
            .await
            .unwrap()
            .into_inner()
    }

    /// Tests the connection.
    pub async fn test_connection(&self) -> ConnectionTest {
        let request = TestConnectionRequest {
            connection: CONNECTION.to_owned(),
        };
        let mut client = ConnectionsClient::new(self.channel());
        client
            .test_connection(self.call(request))
            .await
            .unwrap()
            .into_inner()
    }

    /// The reviews in this state.
    pub async fn reviews(&self, state: ReviewState) -> Vec<Review> {
        let request = ListReviewsRequest {
            state: state.into(),
            page_size: PAGE,
            ..ListReviewsRequest::default()
        };
        let mut client = ReviewsClient::new(self.channel());
        client
            .list_reviews(self.call(request))
            .await
            .unwrap()
            .into_inner()
            .reviews
    }

    /// Approves reviews, doing `action` if one is given.
    pub async fn approve(&self, ids: &[&str], action: LeaverAction) -> Vec<ReviewResolution> {
        let request = resolve(ids, action);
        let mut client = ReviewsClient::new(self.channel());
        client
            .approve_reviews(self.call(request))
            .await
            .unwrap()
            .into_inner()
            .results
    }

    /// Rejects reviews.
    pub async fn reject(&self, ids: &[&str]) -> Vec<ReviewResolution> {
        let request = resolve(ids, LeaverAction::Unspecified);
        let mut client = ReviewsClient::new(self.channel());
        client
            .reject_reviews(self.call(request))
            .await
            .unwrap()
            .into_inner()
            .results
    }
}

/// What the default mapping reads, of those attributes that tests change.
fn check_account(account: &Account, user: &Snapshot, by_object: &BTreeMap<&str, &Account>) {
    let text = |attribute: &str| {
        user.attributes
            .get(attribute)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let upn = text("userPrincipalName");
    let (local, domain) = upn.rsplit_once('@').unwrap();
    let told = [upn, local, domain, text("displayName"), text("mail")];
    let held = [
        &account.upn,
        &account.login,
        &account.domain,
        &account.name,
        &account.email,
    ];
    assert_eq!(held.map(String::as_str), told, "{account:#?}");
    for (name, attribute) in [
        ("firstName", "givenName"),
        ("lastName", "surname"),
        ("jobTitle", "jobTitle"),
        ("department", "department"),
        ("city", "city"),
        ("employeeId", "employeeId"),
        ("onPremisesLogin", "onPremisesSamAccountName"),
    ] {
        assert_eq!(field(account, name), text(attribute), "{name} of {account:#?}");
    }
    let manager = by_object
        .get(text("manager"))
        .map_or("", |manager| manager.id.as_str());
    assert_eq!(account.reporting_to, manager, "{account:#?}");
}

fn resolve(ids: &[&str], action: LeaverAction) -> ResolveReviewsRequest {
    ResolveReviewsRequest {
        review_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        action: action.into(),
        reason: "as agreed".to_owned(),
        ..ResolveReviewsRequest::default()
    }
}

/// A field of an account; empty when it has no value.
pub fn field<'a>(account: &'a Account, name: &str) -> &'a str {
    account.fields.get(name).map_or("", String::as_str)
}
