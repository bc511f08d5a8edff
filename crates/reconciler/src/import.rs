//! Loads accounts from the rows of a file (I11).
//!
//! First every row is decided against the register as it is ([`look`]), then what only the whole file tells is settled
//! ([`found`]), and only then is anything written ([`write`]): a dry run is the same without the last step.

mod found;
mod look;
mod row;
mod write;

use std::time::Duration;

use contracts::internal::v1::ImportAccountsRequest;
use contracts::v1::{ImportAccountsResponse, RowFailure};
use domain::id::OrganizationId;
use domain::import::Terms;
use domain::mapping::Target;
use domain::overwrite::Rule;
use service::Clock;
use service::error::chain;
use store::{Store, StoreError, account, custom_field, import_page, mapping};
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::error::Error;
use found::{Found, Refusal, Why};
use look::Look;

/// Failures that are told one by one.
const TOLD: usize = 1_000;
/// Values kept by the directory that are told one by one.
const NOTED: usize = 100;
/// Rows in one message.
const MOST: usize = 1_000;
/// Rows in one file: what is remembered of them has to fit into memory.
const MOST_ROWS: usize = 1_000_000;
/// A sender that says nothing for so long has gone.
const QUIET: Duration = Duration::from_secs(120);

/// What the whole import needs.
pub struct Import<'a> {
    /// The database.
    pub store: &'a Store,
    /// The time.
    pub clock: &'a Clock,
}

/// What its first message decides.
struct Head {
    import: Uuid,
    organization: OrganizationId,
    dry_run: bool,
    terms: Terms,
}

impl Import<'_> {
    /// Imports a stream of rows. A bad row fails alone.
    pub async fn run(
        &self,
        mut requests: Streaming<ImportAccountsRequest>,
    ) -> Result<ImportAccountsResponse, Status> {
        let Some(first) = next(&mut requests).await? else {
            return Err(Status::invalid_argument(
                "rows: there is no message; send at least one",
            ));
        };
        let head = self.head(&first).await?;
        let done = self.rows(&head, first, &mut requests).await;
        if !head.dry_run {
            self.tidy(head.import).await;
        }
        done
    }

    async fn head(&self, first: &ImportAccountsRequest) -> Result<Head, Status> {
        let organization = first
            .organization_id
            .parse()
            .map_err(|_| Status::invalid_argument("organization_id is not a UUID"))?;
        let mut connection = self.store.connection().await.map_err(Error::from)?;
        let mut terms = Terms {
            mapping: None,
            override_by_email: first.override_by_email,
            custom: custom_field::list(&mut connection, organization)
                .await
                .map_err(Error::from)?,
        };
        if !first.mapping.is_empty() {
            let found = mapping::find_by_name(&mut connection, organization, &first.mapping)
                .await
                .map_err(Error::from)?;
            let found = found.ok_or_else(|| {
                Status::invalid_argument(format!("mapping: there is no mapping {:?}", first.mapping))
            })?;
            let rules = found.rules().filter(|rules| rules.target == Target::Accounts);
            terms.mapping = Some(rules.ok_or_else(|| {
                Status::invalid_argument(format!(
                    "mapping: {:?} does not bring in accounts; name one with target accounts",
                    first.mapping
                ))
            })?);
        }
        Ok(Head {
            import: self.clock.new_id(),
            organization,
            dry_run: first.dry_run,
            terms,
        })
    }

    async fn rows(
        &self,
        head: &Head,
        first: ImportAccountsRequest,
        requests: &mut Streaming<ImportAccountsRequest>,
    ) -> Result<ImportAccountsResponse, Status> {
        let mut look = Look::new(self, head).await?;
        let mut message = Some(first);
        while let Some(request) = message {
            if request.rows.len() > MOST {
                return Err(Status::invalid_argument(format!(
                    "rows: at most {MOST} in one message"
                )));
            }
            if look.found.len() + request.rows.len() > MOST_ROWS {
                return Err(Status::invalid_argument(format!(
                    "rows: more than {MOST_ROWS} in one import; split the file"
                )));
            }
            look.page(request.rows).await?;
            message = next(requests).await?;
        }
        let Look { mut found, pages, .. } = look;
        let refusals = found.settle();
        self.tell(&mut found, &refusals).await?;
        if !head.dry_run {
            write::write(self, head, &mut found, pages).await?;
        }
        Ok(found.answer())
    }

    /// Words for the first refusals; of the others only the number is told.
    async fn tell(&self, found: &mut Found, refusals: &[Refusal]) -> Result<(), Error> {
        let told = &refusals[..refusals.len().min(TOLD)];
        let contested: Vec<Uuid> = told
            .iter()
            .filter(|refusal| !matches!(refusal.why, Why::Shares(_)))
            .map(|refusal| found.account(refusal.row).0)
            .collect();
        let mut connection = self.store.connection().await?;
        let accounts = account::load(&mut connection, &contested).await?;
        for refusal in told {
            let (line, other) = (found.line(refusal.row), found.line(refusal.other));
            let label = || {
                let id = found.account(refusal.row);
                accounts
                    .iter()
                    .find(|account| account.id == id)
                    .map_or_else(|| id.to_string(), domain::account::Account::label)
            };
            let reason = match refusal.why {
                Why::Shares(identity) => format!(
                    "line {other} has the same {}; keep one of the two",
                    identity.title()
                ),
                Why::Lost(rule, by) => format!(
                    "{rule} matches the account {}, but line {other} has it by {by}",
                    label()
                ),
                Why::Tied(rule) => format!(
                    "{rule} matches the account {}, and so it does for line {other}; correct one of the two",
                    label()
                ),
            };
            found.tell(line, reason);
        }
        Ok(())
    }

    /// What is left of the file goes. Where that fails, the retention does it later.
    async fn tidy(&self, import: Uuid) {
        let deleted = async {
            let mut connection = self.store.connection().await?;
            import_page::delete(&mut connection, import).await
        };
        if let Err::<(), StoreError>(error) = deleted.await {
            tracing::warn!(error = %chain(&error), "an import's pages were not deleted; they are in a day");
        }
    }
}

async fn next(
    requests: &mut Streaming<ImportAccountsRequest>,
) -> Result<Option<ImportAccountsRequest>, Status> {
    tokio::time::timeout(QUIET, requests.message())
        .await
        .map_err(|_| Status::deadline_exceeded("rows: none came for two minutes; nothing was written"))?
}

fn failure(line: u32, reason: String) -> RowFailure {
    RowFailure { line, reason }
}

/// Of two rules, as they are stored beside a row; 0 is none.
fn rule_of(number: u8) -> Option<Rule> {
    Rule::of_number(number.into())
}
