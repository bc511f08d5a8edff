//! The services of `rollcall.v1`.

mod accounts;
mod assets;
mod audit;
mod configuration;
mod connections;
mod credentials;
mod explain;
mod failed;
mod groups;
mod keys;
mod links;
mod mappings;
mod never_touch;
mod notices;
mod people;
mod purge;
mod reviews;
mod runs;
mod schedules;
mod system_log;
mod tokens;
mod word;

#[cfg(test)]
mod tests;

use contracts::v1;
use futures::Stream;
use futures::StreamExt;
use service::grpc::{MAX_MESSAGE_BYTES, Surface};
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::app::App;
use crate::auth::Authenticated;
use crate::fault::Fault;

pub use notices::mark_read;
pub use reviews::{cause as review_cause, resolve as resolve_reviews};
pub use system_log::find as log_entry;

/// Messages of a stream that wait for a slow listener.
const WAITING: usize = 16;

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Everything that api offers on its gRPC port.
pub fn surface(app: &App) -> Surface {
    use v1::{
        accounts_server as accounts, assets_server as assets, audit_server as audit,
        configuration_server as configuration, connections_server as connections,
        credentials_server as credentials, failed_records_server as failed_records, groups_server as groups,
        keys_server as keys, links_server as links, mappings_server as mappings,
        never_touch_server as never_touch, notices_server as notices, people_server as people,
        reviews_server as reviews, runs_server as runs, schedules_server as schedules,
        system_log_server as system_log, tokens_server as tokens,
    };
    let configuration = configuration::ConfigurationServer::new(self::configuration::Service(app.clone()));
    let accounts = accounts::AccountsServer::new(self::accounts::Service(app.clone()));
    Surface::new()
        .describe(contracts::FILE_DESCRIPTOR_SET)
        .with(known(
            app,
            configuration.max_decoding_message_size(MAX_MESSAGE_BYTES),
        ))
        .with(known(
            app,
            credentials::CredentialsServer::new(self::credentials::Service(app.clone())),
        ))
        .with(known(
            app,
            connections::ConnectionsServer::new(self::connections::Service(app.clone())),
        ))
        .with(known(
            app,
            mappings::MappingsServer::new(self::mappings::Service(app.clone())),
        ))
        .with(known(
            app,
            runs::RunsServer::new(self::runs::Service(app.clone())),
        ))
        .with(known(
            app,
            schedules::SchedulesServer::new(self::schedules::Service(app.clone())),
        ))
        .with(known(app, accounts.max_decoding_message_size(MAX_MESSAGE_BYTES)))
        .with(known(
            app,
            people::PeopleServer::new(self::people::Service(app.clone())),
        ))
        .with(known(
            app,
            assets::AssetsServer::new(self::assets::Service(app.clone())),
        ))
        .with(known(
            app,
            system_log::SystemLogServer::new(self::system_log::Service(app.clone())),
        ))
        .with(known(
            app,
            audit::AuditServer::new(self::audit::Service(app.clone())),
        ))
        .with(known(
            app,
            groups::GroupsServer::new(self::groups::Service(app.clone())),
        ))
        .with(known(
            app,
            keys::KeysServer::new(self::keys::Service(app.clone())),
        ))
        .with(known(
            app,
            links::LinksServer::new(self::links::Service(app.clone())),
        ))
        .with(known(
            app,
            failed_records::FailedRecordsServer::new(self::failed::Service(app.clone())),
        ))
        .with(known(
            app,
            reviews::ReviewsServer::new(self::reviews::Service(app.clone())),
        ))
        .with(known(
            app,
            never_touch::NeverTouchServer::new(self::never_touch::Service(app.clone())),
        ))
        .with(known(
            app,
            notices::NoticesServer::new(self::notices::Service(app.clone())),
        ))
        .with(known(
            app,
            tokens::TokensServer::new(self::tokens::Service(app.clone())),
        ))
}

fn known<S>(app: &App, service: S) -> Authenticated<S> {
    Authenticated::new(service, app.clone())
}

/// A channel for the answers of a stream, and the stream.
fn answers<T: Send + 'static, M: 'static>(
    message: impl Fn(T) -> M + Send + 'static,
) -> (mpsc::Sender<Result<T, Fault>>, Answers<M>) {
    let (to, from) = mpsc::channel(WAITING);
    let stream = ReceiverStream::new(from)
        .map(move |answer: Result<T, Fault>| answer.map(&message).map_err(Status::from));
    (to, Box::pin(stream))
}
