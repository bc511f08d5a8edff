//! The web console.

use std::net::SocketAddr;

use crate::app::App;
use crate::config;

/// Serves the console; its address.
pub async fn listen(app: &App, config: config::Console) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let _ = app;
    Ok(address)
}
