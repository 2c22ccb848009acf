//! The options of the Prism APIs: all of them as a reviewed snapshot, and what must hold between them.

use std::collections::BTreeMap;
use std::time::Duration;

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::options::{self, PiiKind, Rule, Schema};
use protox::prost_reflect::{DescriptorPool, DynamicMessage, Kind, Value};

/// The options of an element as written in its .proto file, so that one set to its default is there too.
fn written(options: &DynamicMessage) -> Vec<String> {
    let set: BTreeMap<u32, String> = options
        .extensions()
        .map(|(option, value)| {
            let text = match (option.kind(), value) {
                (Kind::Enum(kind), Value::EnumNumber(number)) => {
                    kind.get_value(*number).expect("a value of the enum").name().to_owned()
                }
                (_, value) => value.to_string(),
            };
            (option.number(), format!("{} = {text}", option.name()))
        })
        .collect();
    set.into_values().collect()
}

/// All services, methods, messages and fields of Prism's packages, each with its options.
fn every_element() -> String {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the committed descriptor set decodes");
    let is_prisms = |package: &str| package == "prism" || package.starts_with("prism.");
    let mut elements = BTreeMap::new();
    for service in pool.services().filter(|service| is_prisms(service.package_name())) {
        elements.insert(service.full_name().to_owned(), service.options());
        for method in service.methods() {
            elements.insert(method.full_name().to_owned(), method.options());
        }
    }
    let messages = pool.all_messages().filter(|message| is_prisms(message.package_name()));
    for message in messages.filter(|message| !message.is_map_entry()) {
        elements.insert(message.full_name().to_owned(), message.options());
        for field in message.fields() {
            elements.insert(field.full_name().to_owned(), field.options());
        }
    }
    let block = |(name, options): (String, DynamicMessage)| {
        std::iter::once(name)
            .chain(written(&options).into_iter().map(|option| format!("    {option}")))
            .collect()
    };
    elements.into_iter().map(block).map(|lines: Vec<_>| lines.join("\n")).collect::<Vec<_>>().join("\n")
}

/// The gateway enforces what is written here, so a change of an option is a change of the contract.
#[test]
fn every_option_of_every_service_method_message_and_field_is_the_reviewed_one() {
    insta::assert_snapshot!("options", every_element());
}

#[test]
fn a_method_is_found_by_its_grpc_path_and_an_unknown_one_is_not() {
    let name = "prism.keyvalue.v1.KeyValueService/Put";
    let by_path = options::method_options(&format!("/{name}"));
    let timeout = Duration::from_secs(5);
    assert_eq!(by_path.and_then(|options| options.timeout), Some(timeout));
    assert_eq!(by_path, options::method_options(name));
    assert_eq!(options::method_options("prism.keyvalue.v1.KeyValueService/Drop"), None);
    assert_eq!(options::field_options("prism.keyvalue.v1.Item", "colour"), None);
    assert_eq!(options::message_options("prism.keyvalue.v1.Drop"), None);
}

#[test]
fn data_ids_and_tokens_are_masked_wherever_they_appear_and_nothing_else_is() {
    let secret = [
        "key",
        "keys",
        "value",
        "id",
        "start",
        "end",
        "prefix",
        "page_token",
        "next_page_token",
        "resume_token",
        "series",
        "payload",
        "tags",
        "token",
        "tail_token",
    ];
    let mut masked = 0;
    for (message, name, field) in Schema::prism().fields() {
        // The control plane has names of namespaces, which the log shows, and no data.
        let has_data = message.starts_with("prism.") && !message.starts_with("prism.control.");
        // Of keys in KeyValue, of times in TimeSeries.
        let is_time = message.starts_with("prism.timeseries.") && ["start", "end"].contains(&name);
        let wanted = has_data && secret.contains(&name) && !is_time;
        assert_eq!(field.mask_in_logs, wanted, "{message}.{name}");
        masked += usize::from(wanted);
    }
    assert!(masked > 35, "only {masked} fields were looked at");
}

#[test]
fn what_may_be_personal_data_is_audited_and_nothing_else_is() {
    let mut audited = BTreeMap::new();
    for (message, name, field) in Schema::prism().fields() {
        // What an administrator does to a namespace is audited by the namespace's name.
        if message.starts_with("prism.control.") {
            assert_eq!(field.access_audit, name == "name", "{message}.{name}");
            continue;
        }
        assert_eq!(field.access_audit, field.pii != PiiKind::Unspecified, "{message}.{name}");
        if field.access_audit {
            let (package, _) = message.rsplit_once('.').expect("a package");
            *audited.entry((package, name)).or_insert(0) += 1;
        }
    }
    let wanted = [
        (("prism.keyvalue.v1", "id"), 5),
        (("prism.keyvalue.v1", "value"), 1),
        (("prism.timeseries.v1", "payload"), 1),
        (("prism.timeseries.v1", "prefix"), 1),
        (("prism.timeseries.v1", "series"), 6),
        (("prism.timeseries.v1", "tags"), 4),
    ];
    assert_eq!(audited, BTreeMap::from(wanted), "messages by field");
}

#[test]
fn the_fields_of_a_map_field_are_no_fields_of_the_schema() {
    assert_eq!(options::field_options("prism.timeseries.v1.Event.TagsEntry", "key"), None);
    let tags = options::field_options("prism.timeseries.v1.Event", "tags").unwrap();
    assert!(tags.mask_in_logs && tags.validation == [Rule::MaxItems(16)]);
}

#[test]
fn only_a_tail_has_no_timeout() {
    let endless: Vec<_> = options::all_methods().filter(|(_, options)| options.timeout.is_none()).collect();
    let [(name, options)] = endless[..] else { panic!("{endless:?}") };
    assert_eq!(name, "prism.timeseries.v1.TimeSeriesService/Tail");
    assert_eq!((options.require_auth, options.idempotent), (Some(true), true));
}
