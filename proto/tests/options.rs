//! The options of the Prism APIs: all of them as a reviewed snapshot, and what must hold between them.

use std::collections::BTreeMap;
use std::time::Duration;

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::options::{self, PiiKind, Schema};
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
    for message in pool.all_messages().filter(|message| is_prisms(message.package_name())) {
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
fn keys_values_ids_and_tokens_are_masked_wherever_they_appear_and_nothing_else_is() {
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
    ];
    let mut masked = 0;
    for (message, name, field) in Schema::prism().fields() {
        // The control plane has names of namespaces, which the log shows, and no data.
        let has_data = message.starts_with("prism.") && !message.starts_with("prism.control.");
        let wanted = has_data && secret.contains(&name);
        assert_eq!(field.mask_in_logs, wanted, "{message}.{name}");
        masked += usize::from(wanted);
    }
    assert!(masked > 15, "only {masked} fields were looked at");
}

#[test]
fn what_may_be_personal_data_is_audited_and_nothing_else_is() {
    let mut audited = 0;
    for (message, name, field) in Schema::prism().fields() {
        // What an administrator does to a namespace is audited by the namespace's name.
        if message.starts_with("prism.control.") {
            assert_eq!(field.access_audit, name == "name", "{message}.{name}");
            continue;
        }
        assert_eq!(field.access_audit, field.pii != PiiKind::Unspecified, "{message}.{name}");
        audited += usize::from(field.access_audit);
    }
    assert_eq!(audited, 6, "the id of four requests and of an entry, and the value");
}
