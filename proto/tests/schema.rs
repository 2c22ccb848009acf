//! The schema is the contract's: third parties write their own .proto files from it and talk to us.

use prism_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};

/// The messages of the wire API: `name type = number`, where the type of a message or enum is its short name.
const MESSAGES: &str = "
prism.common.ItemMetadata: content_type string=1, compression Compression=2, version int64=3, \
    priority_token int64=4, created_at Timestamp=5, updated_at Timestamp=6, expires_at Timestamp=7
prism.keyvalue.v1.DeleteRequest: namespace string=1, id string=2, predicate KeyPredicate=3, \
    item_priority_token int64=4, preconditions repeated Precondition=5
prism.keyvalue.v1.DeleteResponse: deleted_count uint64=1
prism.keyvalue.v1.DescribeRequest: namespace string=1
prism.keyvalue.v1.DescribeResponse: server_version string=1, contract_version string=2, \
    capabilities repeated Capability=3, limits Limits=4
prism.keyvalue.v1.Entry: id string=1, item Item=2
prism.keyvalue.v1.GetRequest: namespace string=1, id string=2, predicate KeyPredicate=3, \
    selection Selection=4, page_token bytes=5
prism.keyvalue.v1.GetResponse: items repeated Item=1, next_page_token bytes=2
prism.keyvalue.v1.Item: key bytes=1, value bytes=2, metadata ItemMetadata=3
prism.keyvalue.v1.KeyPredicate: match_all oneof MatchAll=1, match_keys oneof MatchKeys=2, \
    match_range oneof MatchRange=3, match_prefix oneof MatchPrefix=4
prism.keyvalue.v1.Limits: max_id_bytes uint32=1, max_key_bytes uint32=2, max_value_bytes uint32=3, \
    max_put_items uint32=4, max_put_bytes uint32=5, max_page_items uint32=6, max_page_bytes uint32=7
prism.keyvalue.v1.MatchAll: \n\
prism.keyvalue.v1.MatchKeys: keys repeated bytes=1
prism.keyvalue.v1.MatchPrefix: prefix bytes=1
prism.keyvalue.v1.MatchRange: start bytes=1, end bytes=2
prism.keyvalue.v1.Precondition: key bytes=1, version int64=2
prism.keyvalue.v1.PutRequest: namespace string=1, id string=2, items repeated Item=3, \
    item_priority_token int64=4, ttl Duration=5, preconditions repeated Precondition=6
prism.keyvalue.v1.PutResponse: results repeated PutResult=1
prism.keyvalue.v1.PutResult: applied bool=1, version int64=2
prism.keyvalue.v1.ScanRequest: namespace string=1, id string=2, predicate KeyPredicate=3, \
    selection Selection=4, resume_token bytes=5, limit uint64=6
prism.keyvalue.v1.ScanResponse: entries repeated Entry=1, resume_token bytes=2
prism.keyvalue.v1.Selection: item_limit uint32=1, page_size_bytes uint32=2, keys_only bool=3, reverse bool=4
prism.timeseries.v1.AppendRequest: namespace string=1, events repeated SeriesEvent=2
prism.timeseries.v1.AppendResponse: results repeated AppendResult=1
prism.timeseries.v1.AppendResult: time Timestamp=1, id bytes=2, duplicate bool=3
prism.timeseries.v1.Beginning: \n\
prism.timeseries.v1.Bucket: start Timestamp=1, count uint64=2, payload_bytes uint64=3
prism.timeseries.v1.DeleteEventsRequest: namespace string=1, series string=2, start Timestamp=3, end Timestamp=4, \
    all bool=5
prism.timeseries.v1.DeleteEventsResponse: deleted_count uint64=1
prism.timeseries.v1.DescribeRequest: namespace string=1
prism.timeseries.v1.DescribeResponse: server_version string=1, contract_version string=2, \
    capabilities repeated Capability=3, limits Limits=4, policy Policy=5, heartbeat Duration=6
prism.timeseries.v1.Event: time Timestamp=1, id bytes=2, payload bytes=3, content_type string=4, \
    tags repeated TagsEntry=5
prism.timeseries.v1.HistogramRequest: namespace string=1, series string=2, start Timestamp=3, end Timestamp=4, \
    bucket Duration=5, tags repeated TagsEntry=6
prism.timeseries.v1.HistogramResponse: buckets repeated Bucket=1
prism.timeseries.v1.Limits: max_series_bytes uint32=1, max_id_bytes uint32=2, max_payload_bytes uint32=3, \
    max_tags uint32=4, max_append_events uint32=5, max_append_bytes uint32=6, max_message_events uint32=7, \
    max_message_bytes uint32=8, max_buckets uint32=9
prism.timeseries.v1.ListSeriesRequest: namespace string=1, prefix string=2, limit uint64=3, resume_token bytes=4
prism.timeseries.v1.ListSeriesResponse: series repeated string=1, resume_token bytes=2
prism.timeseries.v1.Now: \n\
prism.timeseries.v1.Policy: retention Duration=1, accept_past Duration=2, accept_future Duration=3, \
    partitions uint32=4
prism.timeseries.v1.QueryRequest: namespace string=1, series string=2, start Timestamp=3, end Timestamp=4, \
    tags repeated TagsEntry=5, reverse bool=6, limit uint64=7, page_size_bytes uint32=8, without_payload bool=9, \
    resume_token bytes=10
prism.timeseries.v1.QueryResponse: events repeated Event=1, resume_token bytes=2, tail_token bytes=3
prism.timeseries.v1.SeriesEvent: series string=1, event Event=2
prism.timeseries.v1.TailRequest: namespace string=1, series string=2, tags repeated TagsEntry=3, \
    beginning oneof Beginning=4, now oneof Now=5, token oneof bytes=6, without_payload bool=7
prism.timeseries.v1.TailResponse: events repeated SeriesEvent=1, token bytes=2
";

const CAPABILITIES: [(&str, &str); 2] = [
    (
        "prism.keyvalue.v1",
        "CAPABILITY_UNSPECIFIED=0, CAPABILITY_CONDITIONAL_WRITES=1, CAPABILITY_PRIORITY_TOKENS=2, \
         CAPABILITY_EXPIRY=3, CAPABILITY_REVERSE=4, CAPABILITY_NAMESPACE_SCAN=5",
    ),
    (
        "prism.timeseries.v1",
        "CAPABILITY_UNSPECIFIED=0, CAPABILITY_LIST_SERIES=1, CAPABILITY_HISTOGRAM=2, CAPABILITY_DELETE=3, \
         CAPABILITY_NAMESPACE_TAIL=4, CAPABILITY_ATOMIC_APPEND=5, CAPABILITY_DETECTS_DUPLICATES=6, \
         CAPABILITY_EXACT_TAIL=7, CAPABILITY_REVERSE=8",
    ),
];

const METHODS: [(&str, &[&str]); 2] = [
    (
        "KeyValueService",
        &[
            "Put(PutRequest) PutResponse",
            "Get(GetRequest) GetResponse",
            "Delete(DeleteRequest) DeleteResponse",
            "Scan(ScanRequest) stream ScanResponse",
            "Describe(DescribeRequest) DescribeResponse",
        ],
    ),
    (
        "TimeSeriesService",
        &[
            "Append(AppendRequest) AppendResponse",
            "Query(QueryRequest) stream QueryResponse",
            "Tail(TailRequest) stream TailResponse",
            "ListSeries(ListSeriesRequest) stream ListSeriesResponse",
            "Histogram(HistogramRequest) stream HistogramResponse",
            "DeleteEvents(DeleteEventsRequest) DeleteEventsResponse",
            "Describe(DescribeRequest) DescribeResponse",
        ],
    ),
];

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the committed descriptor set decodes")
}

#[test]
fn every_message_has_the_fields_types_and_numbers_of_the_contract() {
    let mut messages: Vec<String> = descriptors()
        .file
        .iter()
        .flat_map(|file| {
            let package = file.package().to_owned();
            file.message_type.iter().map(move |message| format!("{package}.{}", line(message)))
        })
        .filter(|line| {
            ["prism.keyvalue.v1.", "prism.timeseries.v1.", "prism.common.Item"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect();
    messages.sort();
    let wanted: Vec<&str> = MESSAGES.trim().lines().collect();
    assert_eq!(messages, wanted);
}

#[test]
fn every_capability_has_the_number_of_the_contract() {
    let set = descriptors();
    for (package, wanted) in CAPABILITIES {
        let capability = set
            .file
            .iter()
            .filter(|file| file.package() == package)
            .flat_map(|file| &file.enum_type)
            .find(|kind| kind.name() == "Capability")
            .expect("the package has the enum");
        assert_eq!(values(capability), wanted, "{package}");
    }
}

#[test]
fn each_service_has_the_methods_of_its_contract_with_the_streams_of_it() {
    let set = descriptors();
    for (name, wanted) in METHODS {
        let service = set
            .file
            .iter()
            .flat_map(|file| &file.service)
            .find(|service| service.name() == name)
            .expect("the schema has the service");
        let methods: Vec<String> = service
            .method
            .iter()
            .map(|method| {
                assert!(!method.client_streaming());
                let stream = if method.server_streaming() { "stream " } else { "" };
                let (input, output) = (short(method.input_type()), short(method.output_type()));
                format!("{}({input}) {stream}{output}", method.name())
            })
            .collect();
        assert_eq!(methods, wanted, "{name}");
    }
}

#[test]
fn the_descriptor_set_holds_every_import_and_no_comments() {
    let set = descriptors();
    let names: Vec<&str> = set.file.iter().map(FileDescriptorProto::name).collect();
    for file in &set.file {
        for import in &file.dependency {
            assert!(names.contains(&import.as_str()), "{import} is missing");
        }
        assert_eq!(file.source_code_info, None, "{}", file.name());
    }
}

fn line(message: &DescriptorProto) -> String {
    let fields: Vec<String> = message.field.iter().map(field).collect();
    format!("{}: {}", message.name(), fields.join(", "))
}

fn field(field: &FieldDescriptorProto) -> String {
    let label = match (field.label(), field.oneof_index) {
        (Label::Repeated, _) => "repeated ",
        (_, Some(_)) => "oneof ",
        (_, None) => "",
    };
    let kind = match field.r#type() {
        Type::Message | Type::Enum => short(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    format!("{} {label}{kind}={}", field.name(), field.number())
}

fn values(kind: &EnumDescriptorProto) -> String {
    let values: Vec<String> =
        kind.value.iter().map(|value| format!("{}={}", value.name(), value.number())).collect();
    values.join(", ")
}

fn short(type_name: &str) -> &str {
    type_name.rsplit('.').next().unwrap_or(type_name)
}
