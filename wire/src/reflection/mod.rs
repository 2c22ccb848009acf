//! Server reflection, `grpc.reflection.v1` and `v1alpha`: what a server serves, described to tools that know nothing of it.
//!
//! What is asked for and not there gets an `error_response`, and the stream goes on, as the protocol says. A file comes with
//! all it imports, except what the same stream was sent before, as the servers of C++ and Go answer. A request is read when
//! the answer before it was taken, so that a stream holds one answer, whatever its client sends.

mod schema;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use prost::{DecodeError, Message};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Ask;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answer;
use tonic_reflection::pb::v1::{self as pb, server_reflection_server as v1};
use tonic_reflection::pb::v1alpha::{self as pb_alpha, server_reflection_server as v1alpha};

pub use self::schema::Schema;

/// The service of either version, over a schema.
#[derive(Debug, Clone)]
pub struct Reflection(Arc<Schema>);

impl Reflection {
    /// Describes each service of `sets`, which are encoded `google.protobuf.FileDescriptorSet`s, with reflection itself in
    /// both versions and the messages of `google.rpc` that errors carry as details.
    ///
    /// # Errors
    /// If a set is damaged, or imports a file that is in none.
    pub fn of(sets: &[&[u8]]) -> Result<Self, Damaged> {
        let own = [pb::FILE_DESCRIPTOR_SET, pb_alpha::FILE_DESCRIPTOR_SET];
        let sets: Vec<_> = sets.iter().copied().chain(own).collect();
        Ok(Self(Arc::new(Schema::of(&sets, tonic_types::pb::FILE_DESCRIPTOR_SET)?)))
    }

    /// `grpc.reflection.v1`.
    pub fn v1(&self) -> v1::ServerReflectionServer<Self> {
        v1::ServerReflectionServer::new(self.clone())
    }

    /// `grpc.reflection.v1alpha`, which older clients ask for.
    pub fn v1alpha(&self) -> v1alpha::ServerReflectionServer<Self> {
        v1alpha::ServerReflectionServer::new(self.clone())
    }

    fn answers<S>(
        &self,
        asked: S,
    ) -> impl Stream<Item = Result<pb::ServerReflectionResponse, Status>> + use<S>
    where
        S: Stream<Item = Result<pb::ServerReflectionRequest, Status>> + Unpin,
    {
        let start = (Arc::clone(&self.0), asked, HashSet::new());
        stream::try_unfold(start, |(schema, mut asked, mut sent)| async move {
            let Some(request) = asked.next().await.transpose()? else { return Ok(None) };
            let answer = request.message_request.as_ref().map_or_else(
                || Answer::ErrorResponse(error(Code::InvalidArgument, "the request asks for nothing")),
                |ask| answer(&schema, ask, &mut sent),
            );
            let response = pb::ServerReflectionResponse {
                valid_host: request.host.clone(),
                original_request: Some(request),
                message_response: Some(answer),
            };
            Ok(Some((response, (schema, asked, sent))))
        })
    }
}

/// Why a schema cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A set is not one.
    #[error("a descriptor set cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// A file imports one that is not there.
    #[error("{file} imports {import}, which no descriptor set holds")]
    Import {
        /// The file.
        file: String,
        /// What it imports.
        import: String,
    },
}

/// The answer to one request; `sent` are the files that the stream was sent before.
fn answer(schema: &Schema, ask: &Ask, sent: &mut HashSet<String>) -> Answer {
    let (file, what) = match ask {
        Ask::FileByFilename(name) => (schema.file(name), format!("file '{name}'")),
        Ask::FileContainingSymbol(name) => (schema.file_of_symbol(name), format!("symbol '{name}'")),
        Ask::FileContainingExtension(of) => (
            schema.file_of_extension(&of.containing_type, of.extension_number),
            format!("extension {} of '{}'", of.extension_number, of.containing_type),
        ),
        Ask::AllExtensionNumbersOfType(name) => {
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
        Ask::ListServices(_) => {
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
        let asked = request.into_inner().map(|request| request.and_then(|request| same(&request)));
        let answers = self.answers(asked).map(|answer| answer.and_then(|answer| same(&answer)));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A message of one version as that of the other: on the wire they are the same.
fn same<M: Message + Default>(message: &impl Message) -> Result<M, Status> {
    M::decode(message.encode_to_vec().as_slice()).map_err(|error| Status::internal(error.to_string()))
}
