//! A call whose answer is slow to come asks whether the connection it was handed to is still there.

use std::pin::pin;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::Connection;

/// How long an answer may take to begin before the connection is looked at.
const PATIENCE: Duration = Duration::from_secs(1);

impl Connection {
    /// Waits for the answer to `call`, and now and then makes the channel look at its connection.
    ///
    /// A call can be handed to a connection in the very moment in which it breaks. It then lies in the queue of a
    /// connection that nobody works off any more, and the channel, which still holds that queue, does not look at it
    /// before the next call: without one, the first would wait for ever, with no connection whose silence could be
    /// noticed. The next call is a question that servers answer cheaply; it makes the channel drop a dead connection, with
    /// what lies in its queue, and what is answered to it does not matter.
    pub(crate) async fn probed<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let mut call = pin!(call);
        loop {
            let probe = async {
                tokio::time::sleep(PATIENCE).await;
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
