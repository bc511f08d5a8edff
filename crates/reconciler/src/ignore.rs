//! A person's word to ignore failed records (B8).

use contracts::internal::v1::IgnoreFailedRecordsRequest;
use contracts::v1::{FailedRecordIgnoring, IgnoreFailedRecordsResponse};
use domain::id::{ConnectionId, OrganizationId};
use service::Clock;
use store::failed_record::{self, Filter};
use store::{Store, StoreError};
use tonic::Status;
use uuid::Uuid;

use crate::error::Error;

/// Records of one call at most.
const MOST: usize = 1_000;

/// Marks them; each that can't be says why.
pub async fn ignore(
    store: &Store,
    clock: &Clock,
    request: IgnoreFailedRecordsRequest,
) -> Result<IgnoreFailedRecordsResponse, Status> {
    if request.object_ids.is_empty() || request.object_ids.len() > MOST {
        return Err(Status::invalid_argument(format!(
            "object_ids must name 1 to {MOST} records"
        )));
    }
    let objects: Vec<Uuid> = request
        .object_ids
        .iter()
        .map(|text| id("object_ids", text))
        .collect::<Result<_, Status>>()?;
    let connection = match request.connection_id.as_str() {
        "" => None,
        text => Some(ConnectionId(id("connection_id", text)?)),
    };
    let filter = Filter {
        organization: OrganizationId(id("organization_id", &request.organization_id)?),
        connection,
        objects: Some(&objects),
        without_ignored: false,
    };
    let word = (request.ignored_by.as_str(), request.reason.as_str());
    let ignored = async {
        let mut database = store.connection().await?;
        failed_record::ignore(&mut database, filter, word, clock.now()).await
    };
    let ignored = ignored
        .await
        .map_err(|error: StoreError| Status::from(Error::from(error)))?;
    let result = |(object_id, object): (String, &Uuid)| {
        let ignored = ignored.contains(object);
        let message = if ignored {
            ""
        } else {
            "it is not on the list of failed records; it may have stopped failing"
        };
        FailedRecordIgnoring {
            object_id,
            ignored,
            message: message.to_owned(),
        }
    };
    Ok(IgnoreFailedRecordsResponse {
        results: request.object_ids.into_iter().zip(&objects).map(result).collect(),
    })
}

fn id(field: &str, text: &str) -> Result<Uuid, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("{field}: {text:?} is not a UUID")))
}
