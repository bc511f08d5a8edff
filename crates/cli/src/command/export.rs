//! `export`: everything as YAML that applies again.

use contracts::v1::ExportConfigurationRequest;

use crate::command::Session;
use crate::failure::Failure;
use crate::output::{Output, print};
use crate::yaml::export::to_yaml;

/// Prints the documents. As a table or as YAML that is the same: documents for `apply`.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let api = session.api().await?;
    let answer = api
        .call(ExportConfigurationRequest {}, async |request| {
            api.configuration().export_configuration(request).await
        })
        .await?;
    match session.output {
        Output::Table | Output::Yaml => print(&to_yaml(&answer.documents)?),
        Output::Json => session.output.answer(&answer, |_| String::new()),
    }
}
