//! A slow call probes whether the connection that it was dispatched to is still alive.

use std::pin::pin;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::Connection;

/// Time without a response after which the connection is probed, and between probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

impl Connection {
    /// Waits for the response to `call`, and probes the connection at intervals.
    ///
    /// A call can be dispatched to a connection at the moment it breaks. It then stays in a queue that is no longer
    /// processed, and the channel, which still owns that queue, does not notice before the next call: without one, the call
    /// would wait for ever, and no keep-alive would detect it. The probe is such a next call, and cheap for servers: it
    /// makes the channel drop a dead connection with its queue. Its result does not matter.
    pub(crate) async fn probed<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let mut call = pin!(call);
        loop {
            let probe = async {
                tokio::time::sleep(PROBE_INTERVAL).await;
                self.probe().await;
            };
            tokio::select! {
                biased;
                answer = &mut call => return self.observe(answer),
                () = probe => {}
            }
        }
    }

    async fn probe(&self) {
        let mut grpc = Grpc::new(self.channel.clone());
        if grpc.ready().await.is_ok() {
            let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
            let _ = grpc.unary::<(), (), _>(Request::new(()), path, ProstCodec::default()).await;
        }
    }
}
