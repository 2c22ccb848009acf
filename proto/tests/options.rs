//! The options on the `KeyValue` API say what the contract says.

use std::time::Duration;

use prism_proto::options::{self, FieldOptions, IndexKind, MethodOptions, PiiKind, Rule, Schema};

const PACKAGE: &str = "prism.keyvalue.v1";

fn field(message: &str, field: &str) -> &'static FieldOptions {
    options::field_options(&format!("{PACKAGE}.{message}"), field)
        .unwrap_or_else(|| panic!("{message} has no field {field}"))
}

#[test]
fn every_method_has_the_permission_timeout_and_idempotence_of_the_contract() {
    let contract = [
        ("Delete", 5000, "write", false),
        ("Describe", 5000, "read", true),
        ("Get", 5000, "read", true),
        ("Put", 5000, "write", false),
        ("Scan", 30_000, "read", true),
    ];
    let wanted: Vec<(String, MethodOptions)> = contract
        .into_iter()
        .map(|(name, milliseconds, permission, idempotent)| {
            let options = MethodOptions {
                require_auth: Some(true),
                required_permissions: vec![permission.to_owned()],
                timeout: Some(Duration::from_millis(milliseconds)),
                idempotent,
            };
            (format!("{PACKAGE}.KeyValueService/{name}"), options)
        })
        .collect();
    let methods: Vec<(String, MethodOptions)> =
        options::all_methods().map(|(name, options)| (name.to_owned(), options.clone())).collect();
    assert_eq!(methods, wanted);
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
        let wanted = message.starts_with("prism.") && secret.contains(&name);
        assert_eq!(field.mask_in_logs, wanted, "{message}.{name}");
        masked += usize::from(wanted);
    }
    assert!(masked > 15, "only {masked} fields were looked at");
}

#[test]
fn lengths_are_bounded_as_the_contract_says() {
    for (message, name, field) in Schema::prism().fields() {
        let wanted = match (message.starts_with("prism."), name) {
            (true, "namespace") => Some(128),
            (true, "id") => Some(512),
            (true, "key" | "keys" | "prefix") => Some(1024),
            // One more: the longest key and a zero byte is the key right above it.
            (true, "start" | "end") => Some(1025),
            (true, "value") => Some(1_048_576),
            (true, "content_type") => Some(127),
            (true, "page_token" | "next_page_token" | "resume_token") => Some(4096),
            _ => None,
        };
        assert_eq!(field.max_length, wanted, "{message}.{name}");
    }
}

#[test]
fn what_a_request_must_set_is_required_and_a_scan_may_leave_out_the_id() {
    let required: Vec<String> = Schema::prism()
        .fields()
        .filter(|(_, _, field)| field.required)
        .map(|(message, name, _)| format!("{}.{name}", message.trim_start_matches("prism.keyvalue.v1.")))
        .collect();
    assert_eq!(
        required,
        [
            "DeleteRequest.id",
            "DeleteRequest.namespace",
            "DeleteRequest.predicate",
            "DescribeRequest.namespace",
            "GetRequest.id",
            "GetRequest.namespace",
            "Item.key",
            "MatchKeys.keys",
            "Precondition.key",
            "PutRequest.id",
            "PutRequest.items",
            "PutRequest.namespace",
            "ScanRequest.namespace",
        ]
    );
}

#[test]
fn counts_tokens_and_names_are_validated_as_the_contract_says() {
    let namespace = [Rule::Regex("[a-z0-9][a-z0-9._-]*".to_owned())];
    let thousand = [Rule::MinItems(1), Rule::MaxItems(1000)];
    for request in ["Put", "Get", "Delete", "Scan", "Describe"] {
        let request = format!("{request}Request");
        assert_eq!(field(&request, "namespace").validation, namespace);
    }
    for request in ["PutRequest", "GetRequest", "DeleteRequest", "ScanRequest"] {
        assert_eq!(field(request, "id").validation, [Rule::NoNul]);
    }
    for request in ["PutRequest", "DeleteRequest"] {
        assert_eq!(field(request, "item_priority_token").validation, [Rule::Min(0)]);
        assert_eq!(field(request, "preconditions").validation, [Rule::MaxItems(100)]);
    }
    assert_eq!(field("PutRequest", "items").validation, thousand);
    assert_eq!(field("MatchKeys", "keys").validation, thousand);
    assert_eq!(field("PutRequest", "ttl").validation, [Rule::Min(1)]);
    assert_eq!(field("Precondition", "version").validation, [Rule::Min(0)]);
}

#[test]
fn ids_and_values_may_hold_personal_data_and_keys_order_a_record() {
    assert_eq!(field("PutRequest", "id").pii, PiiKind::Opaque);
    assert_eq!(field("Entry", "id").pii, PiiKind::Opaque);
    assert_eq!(field("Item", "value").pii, PiiKind::Opaque);
    assert_eq!(field("Item", "key").index, IndexKind::Clustering);
    assert_eq!(field("GetRequest", "id").index, IndexKind::Partition);
    assert_eq!(field("GetRequest", "namespace").index, IndexKind::Partition);
}

#[test]
fn what_may_be_personal_data_is_audited_and_nothing_else_is() {
    let mut audited = 0;
    for (message, name, field) in Schema::prism().fields() {
        assert_eq!(field.access_audit, field.pii != PiiKind::Unspecified, "{message}.{name}");
        audited += usize::from(field.access_audit);
    }
    assert_eq!(audited, 6, "the id of four requests and of an entry, and the value");
}
