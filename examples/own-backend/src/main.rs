//! Serves the example backend over gRPC, behind the gateway.

use std::error::Error;
use std::sync::Arc;

use own_backend::OwnStore;
use prism_proxy::server::{Options, Shutdown, run};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::var("PRISM_SERVER_LISTEN").unwrap_or_else(|_| "127.0.0.1:8980".to_owned());
    let listener = TcpListener::bind(listen).await?;
    run(Arc::new(OwnStore::default()), listener, Shutdown::new(), Options::default()).await?;
    Ok(())
}
