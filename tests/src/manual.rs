//! Importing users by hand, syncing one account.

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::{ImportUsersRequest, ImportUsersResponse, RunState, SyncAccountRequest, UserResult};
use tonic::Status;

use crate::documents::CONNECTION;
use crate::world::World;

impl World {
    /// Imports users by hand; the run must finish, and its counts must be true.
    pub async fn import_users(&self, users: &[&str]) -> Vec<UserResult> {
        let answer = self.try_import_users(users).await.unwrap();
        let run = self.ended(&answer.run.as_ref().unwrap().id).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        assert_eq!(answer.results.len(), users.len(), "{answer:#?}");
        answer.results
    }

    /// Asks for users to be imported by hand.
    pub async fn try_import_users(&self, users: &[&str]) -> Result<ImportUsersResponse, Status> {
        let request = ImportUsersRequest {
            connection: CONNECTION.to_owned(),
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            ..ImportUsersRequest::default()
        };
        let answer = self.runs().import_users(self.call(request)).await?;
        Ok(answer.into_inner())
    }

    /// Syncs one account.
    pub async fn sync_account(&self, id: &str) -> Result<ImportUsersResponse, Status> {
        let request = SyncAccountRequest {
            account_id: id.to_owned(),
            ..SyncAccountRequest::default()
        };
        let mut client = AccountsClient::new(self.channel());
        Ok(client.sync_account(self.call(request)).await?.into_inner())
    }
}
