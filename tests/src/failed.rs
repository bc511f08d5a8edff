//! The list of failed records.

use contracts::v1::failed_records_client::FailedRecordsClient;
use contracts::v1::{
    FailedRecord, IgnoreFailedRecordsRequest, IgnoreFailedRecordsResponse, ListFailedRecordsRequest,
    RetryFailedRecordsRequest, Run, RunState,
};
use tonic::Status;

use crate::world::World;

impl World {
    /// The failed records, by object id.
    pub async fn failed_records(&self) -> Vec<FailedRecord> {
        let request = ListFailedRecordsRequest {
            page_size: 200,
            ..ListFailedRecordsRequest::default()
        };
        let mut client = FailedRecordsClient::new(self.channel());
        let answer = client.list_failed_records(self.call(request)).await.unwrap();
        answer.into_inner().failed_records
    }

    /// Retries these records, or all when none is named; the one run must finish.
    pub async fn retry(&self, ids: &[&str]) -> Run {
        let runs = self.try_retry(ids).await.unwrap();
        assert_eq!(runs.len(), 1, "{runs:#?}");
        let run = self.ended(&runs[0].id).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        run
    }

    /// Asks for these records to be retried, or for all when none is named.
    pub async fn try_retry(&self, ids: &[&str]) -> Result<Vec<Run>, Status> {
        let request = RetryFailedRecordsRequest {
            object_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            all: ids.is_empty(),
            ..RetryFailedRecordsRequest::default()
        };
        let mut client = FailedRecordsClient::new(self.channel());
        let answer = client.retry_failed_records(self.call(request)).await?;
        Ok(answer.into_inner().runs)
    }

    /// Asks for these records to be ignored.
    pub async fn ignore(&self, ids: &[&str], reason: &str) -> Result<IgnoreFailedRecordsResponse, Status> {
        let request = IgnoreFailedRecordsRequest {
            object_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            reason: reason.to_owned(),
            ..IgnoreFailedRecordsRequest::default()
        };
        let mut client = FailedRecordsClient::new(self.channel());
        Ok(client
            .ignore_failed_records(self.call(request))
            .await?
            .into_inner())
    }
}
