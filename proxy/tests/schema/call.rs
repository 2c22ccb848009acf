//! Calls of any method with an encoded request.

use bytes::{Buf, BufMut, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A codec that sends raw bytes, and discards responses.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, bytes: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        bytes.advance(bytes.remaining());
        Ok(Some(()))
    }
}

/// Methods whose answer ends only with the server.
const ENDLESS: [&str; 2] =
    ["prism.control.v1.NamespaceService/WatchNamespaces", "prism.timeseries.v1.TimeSeriesService/Tail"];

/// Calls a method with these headers, and reads all of its answer: the metadata before and after the data. Of an answer without
/// an end it reads one message.
pub(crate) async fn call(
    channel: &Channel,
    method: &str,
    message: Bytes,
    headers: &[(&str, &str)],
) -> Result<Vec<MetadataMap>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(message);
    for (name, value) in headers {
        let name: AsciiMetadataKey = name.parse().expect("a header's name");
        request.metadata_mut().insert(name, value.parse().expect("a header's value"));
    }
    let path = format!("/{method}").parse().expect("a path");
    // A unary answer is a stream of one message.
    let (headers, mut answer, _) = client.server_streaming(request, path, Raw).await?.into_parts();
    while answer.message().await?.is_some() {
        if ENDLESS.contains(&method) {
            return Ok(vec![headers]);
        }
    }
    Ok([Some(headers), answer.trailers().await?].into_iter().flatten().collect())
}
