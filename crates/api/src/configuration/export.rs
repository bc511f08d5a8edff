//! Everything as documents; secrets stay where they are.

use contracts::v1;
use contracts::v1::document::Kind;
use store::{connection, credential, custom_field, mapping, password_settings, schedule, settings};

use super::passwords;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::view;

/// Documents of each kind at most.
const MOST: i64 = 10_000;

/// The organization's configuration, first what others refer to. Ids and times are left out: they are not configured.
pub async fn export(app: &App, caller: &Caller) -> Result<v1::ExportConfigurationResponse, Fault> {
    let organization = caller.organization();
    let mut tx = app.store.begin("configuration.export").await?;
    let credentials = credential::list(tx.connection(), organization, None, MOST).await?;
    let connections = connection::list(tx.connection(), organization, None, MOST).await?;
    let mappings = mapping::list(tx.connection(), organization, None, None, MOST).await?;
    let settings = settings::find(tx.connection(), organization).await?;
    let custom = custom_field::list(tx.connection(), organization).await?;
    let mut documents = Vec::new();
    for credential in credentials
        .iter()
        .filter(|credential| credential.organization.is_some())
    {
        let document = view::connection::credential_document(credential);
        documents.push(Kind::Credential(v1::Credential {
            id: String::new(),
            update_time: None,
            ..document
        }));
    }
    for connection in &connections {
        let name = match connection.credential {
            Some(id) => credential::find(tx.connection(), id)
                .await?
                .map(|credential| credential.name),
            None => None,
        };
        let document = view::connection::document(connection, name.as_deref());
        documents.push(Kind::Connection(v1::Connection {
            id: String::new(),
            ..document
        }));
    }
    let customs = custom.0.iter().map(view::field::custom);
    documents.extend(customs.map(Kind::CustomField));
    for mapping in &mappings {
        let of = connections
            .iter()
            .find(|connection| connection.id == mapping.connection);
        let document = view::mapping::mapping(mapping, of.map_or("", |of| &of.name), &custom);
        documents.push(Kind::Mapping(v1::Mapping {
            id: String::new(),
            update_time: None,
            ..document
        }));
    }
    for schedule in schedule::list(tx.connection(), organization, None, None, MOST).await? {
        let of = connections
            .iter()
            .find(|connection| connection.id == schedule.connection);
        let document = view::schedule::document(&schedule, of.map_or("", |of| &of.name));
        documents.push(Kind::Schedule(document));
    }
    documents.push(Kind::Settings(v1::Settings {
        name: "settings".to_owned(),
        mail_to: settings.mail_to,
        mail_on_completion: Some(settings.mail_on_completion),
        passwords: passwords::document(&password_settings::find(tx.connection(), organization).await?),
    }));
    tx.commit().await?;
    let documents = documents
        .into_iter()
        .map(|kind| v1::Document { kind: Some(kind) })
        .collect();
    Ok(v1::ExportConfigurationResponse { documents })
}
