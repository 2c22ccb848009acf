//! Reflection lists every service, in both versions of its protocol.

use futures::stream;
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ExtensionRequest, ServerReflectionRequest};
use tonic_reflection::pb::v1alpha;

use crate::support::{Mode, Server, Steered};

const SERVICES: [&str; 6] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "prism.control.v1.NamespaceService",
    "prism.keyvalue.v1.KeyValueService",
    "prism.timeseries.v1.TimeSeriesService",
];

async fn request(server: &Server, message: MessageRequest) -> MessageResponse {
    request_all(server, [message]).await.remove(0)
}

/// Sends all messages in one stream.
async fn request_all(
    server: &Server,
    messages: impl IntoIterator<Item = MessageRequest>,
) -> Vec<MessageResponse> {
    let mut client = ServerReflectionClient::new(server.channel().await);
    let request = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests: Vec<_> = messages.into_iter().map(request).collect();
    let mut stream = client.server_reflection_info(stream::iter(requests)).await.unwrap().into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        answers.push(answer.message_response.unwrap());
    }
    answers
}

/// The names of the files of an answer.
fn files(answer: &MessageResponse) -> Vec<String> {
    let MessageResponse::FileDescriptorResponse(files) = answer else { return Vec::new() };
    let name = |file: &Vec<u8>| FileDescriptorProto::decode(file.as_slice()).unwrap().name().to_owned();
    files.file_descriptor_proto.iter().map(name).collect()
}

#[tokio::test]
async fn version_1_lists_every_service_itself_included() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let MessageResponse::ListServicesResponse(list) =
        request(&server, MessageRequest::ListServices(String::new())).await
    else {
        panic!("not a list");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, SERVICES);
}

#[tokio::test]
async fn version_1_alpha_lists_the_same() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request };
    let mut answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("not a list");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, SERVICES);
}

#[tokio::test]
async fn every_listed_service_can_be_described() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    for service in SERVICES {
        let asked = MessageRequest::FileContainingSymbol(service.to_owned());
        let MessageResponse::FileDescriptorResponse(file) = request(&server, asked).await else {
            panic!("{service} is listed and not described");
        };
        assert!(!file.file_descriptor_proto.is_empty());
    }
}

#[tokio::test]
async fn unknown_names_get_an_error_response_and_the_stream_continues() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let of = |containing_type: &str, extension_number| {
        let containing_type = containing_type.to_owned();
        MessageRequest::FileContainingExtension(ExtensionRequest { containing_type, extension_number })
    };
    let missing = [
        MessageRequest::FileContainingSymbol("prism.Nothing".to_owned()),
        MessageRequest::FileByFilename("nothing.proto".to_owned()),
        of("google.protobuf.MessageOptions", 49_999),
        MessageRequest::AllExtensionNumbersOfType("prism.Nothing".to_owned()),
    ];
    let asked = missing.len();
    let last = MessageRequest::FileContainingSymbol("google.rpc.BadRequest".to_owned());
    let mut answers = request_all(&server, missing.into_iter().chain([last])).await;
    let last = answers.pop().unwrap();
    assert_eq!(answers.len(), asked);
    for answer in answers {
        let MessageResponse::ErrorResponse(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.error_code, i32::from(tonic::Code::NotFound));
        assert!(error.error_message.contains("has no "), "{}", error.error_message);
    }
    assert_eq!(files(&last), ["google/rpc/error_details.proto", "google/protobuf/duration.proto"]);
}

#[tokio::test]
async fn the_schemas_options_are_found_by_number() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let containing_type = "google.protobuf.MessageOptions".to_owned();
    let asked = [
        MessageRequest::AllExtensionNumbersOfType(containing_type.clone()),
        MessageRequest::FileContainingExtension(ExtensionRequest {
            containing_type,
            extension_number: 50_003,
        }),
    ];
    let answers = request_all(&server, asked).await;
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(numbers.extension_number, (50_001..=50_008).collect::<Vec<_>>());
    assert_eq!(files(&answers[1])[0], "prism/options.proto");
}
