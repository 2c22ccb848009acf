//! Server reflection, `grpc.reflection.v1` and `v1alpha`: describes a server's services to generic tools.
//!
//! An unknown name gets an `error_response`, and the stream continues, as the protocol specifies. A file is sent with all
//! its imports, except those already sent on the same stream, as in the C++ and Go servers. A request is read only once the
//! previous response was consumed, so a stream buffers a single response.

mod schema;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use prost::{DecodeError, Message};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Query;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answer;
use tonic_reflection::pb::v1::{self as pb, server_reflection_server as v1};
use tonic_reflection::pb::v1alpha::{self as pb_alpha, server_reflection_server as v1alpha};

pub use self::schema::Schema;

/// The service of both versions over a schema.
#[derive(Debug, Clone)]
pub struct Reflection(Arc<Schema>);

impl Reflection {
    /// Describes all services of `sets` (encoded `google.protobuf.FileDescriptorSet`s), reflection itself in both versions,
    /// and the messages of `google.rpc` used as error details.
    ///
    /// # Errors
    /// If a set cannot be decoded, or imports a missing file.
    pub fn of(sets: &[&[u8]]) -> Result<Self, SchemaError> {
        let own = [pb::FILE_DESCRIPTOR_SET, pb_alpha::FILE_DESCRIPTOR_SET];
        let sets: Vec<_> = sets.iter().copied().chain(own).collect();
        Ok(Self(Arc::new(Schema::of(&sets, tonic_types::pb::FILE_DESCRIPTOR_SET)?)))
    }

    /// `grpc.reflection.v1`.
    pub fn v1(&self) -> v1::ServerReflectionServer<Self> {
        v1::ServerReflectionServer::new(self.clone())
    }

    /// `grpc.reflection.v1alpha`, for older clients.
    pub fn v1alpha(&self) -> v1alpha::ServerReflectionServer<Self> {
        v1alpha::ServerReflectionServer::new(self.clone())
    }

    fn answers<S>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Result<pb::ServerReflectionResponse, Status>> + use<S>
    where
        S: Stream<Item = Result<pb::ServerReflectionRequest, Status>> + Unpin,
    {
        let start = (Arc::clone(&self.0), requests, HashSet::new());
        stream::try_unfold(start, |(schema, mut requests, mut sent)| async move {
            let Some(request) = requests.next().await.transpose()? else { return Ok(None) };
            let answer = request.message_request.as_ref().map_or_else(
                || Answer::ErrorResponse(error(Code::InvalidArgument, "message_request is not set")),
                |query| answer(&schema, query, &mut sent),
            );
            let response = pb::ServerReflectionResponse {
                valid_host: request.host.clone(),
                original_request: Some(request),
                message_response: Some(answer),
            };
            Ok(Some((response, (schema, requests, sent))))
        })
    }
}

/// Why a schema is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A set cannot be decoded.
    #[error("a descriptor set cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// A file imports a missing one.
    #[error("{file} imports {import}, which no descriptor set holds")]
    Import {
        /// The file.
        file: String,
        /// The missing import.
        import: String,
    },
}

/// The response to one request; `sent` are the files already sent on the stream.
fn answer(schema: &Schema, query: &Query, sent: &mut HashSet<String>) -> Answer {
    let (file, what) = match query {
        Query::FileByFilename(name) => (schema.file(name), format!("file '{name}'")),
        Query::FileContainingSymbol(name) => (schema.file_of_symbol(name), format!("symbol '{name}'")),
        Query::FileContainingExtension(of) => (
            schema.file_of_extension(&of.containing_type, of.extension_number),
            format!("extension {} of '{}'", of.extension_number, of.containing_type),
        ),
        Query::AllExtensionNumbersOfType(name) => {
            return schema.extension_numbers(name).map_or_else(
                || missing(&format!("type '{name}'")),
                |extension_number| {
                    let base_type_name = name.clone();
                    Answer::AllExtensionNumbersResponse(pb::ExtensionNumberResponse {
                        base_type_name,
                        extension_number,
                    })
                },
            );
        }
        Query::ListServices(_) => {
            let service = schema.services().map(|name| pb::ServiceResponse { name: name.to_owned() });
            return Answer::ListServicesResponse(pb::ListServiceResponse { service: service.collect() });
        }
    };
    file.map_or_else(
        || missing(&what),
        |file| {
            let file_descriptor_proto = schema.with_imports(file, sent);
            Answer::FileDescriptorResponse(pb::FileDescriptorResponse { file_descriptor_proto })
        },
    )
}

fn missing(what: &str) -> Answer {
    Answer::ErrorResponse(error(Code::NotFound, &format!("this server's schema has no {what}")))
}

fn error(code: Code, message: &str) -> pb::ErrorResponse {
    pb::ErrorResponse { error_code: code.into(), error_message: message.to_owned() }
}

#[tonic::async_trait]
impl v1::ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<pb::ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<pb::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        Ok(Response::new(Box::pin(self.answers(request.into_inner()))))
    }
}

#[tonic::async_trait]
impl v1alpha::ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<pb_alpha::ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<pb_alpha::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let requests = request.into_inner().map(|request| request.and_then(|request| convert(&request)));
        let answers = self.answers(requests).map(|answer| answer.and_then(|answer| convert(&answer)));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Converts a message between the versions, which are identical on the wire.
fn convert<M: Message + Default>(message: &impl Message) -> Result<M, Status> {
    M::decode(message.encode_to_vec().as_slice()).map_err(|error| Status::internal(error.to_string()))
}
