//! `rollcall.v1.Configuration`.

use contracts::v1;
use contracts::v1::configuration_server::Configuration;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::configuration;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Configuration for Service {
    async fn apply_configuration(
        &self,
        request: Request<v1::ApplyConfigurationRequest>,
    ) -> Result<Response<v1::ApplyConfigurationResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            configuration::apply::apply(&self.0, &caller, &request.into_inner()).await?,
        ))
    }

    async fn export_configuration(
        &self,
        request: Request<v1::ExportConfigurationRequest>,
    ) -> Result<Response<v1::ExportConfigurationResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            configuration::export::export(&self.0, &caller).await?,
        ))
    }
}
