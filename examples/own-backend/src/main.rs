//! Serves the backend over gRPC, with everything that the gateway does before a backend.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use prism_proxy::server::{Options, Shutdown, run};
use tokio::net::TcpListener;

use own_backend::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = env::var("PRISM_SERVER_LISTEN").unwrap_or("127.0.0.1:8980".to_owned());
    let path = env::var("PRISM_DATABASE_PATH").unwrap_or("own-backend.log".to_owned());
    let store = Arc::new(Store::open(Path::new(&path))?);
    let listener = TcpListener::bind(listen).await?;
    run(store, listener, Shutdown::new(), Options::default()).await?;
    Ok(())
}
