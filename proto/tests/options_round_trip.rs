//! Every custom option can be written in a schema and read back, and a schema that says nothing gets the defaults.

use std::fs;
use std::time::Duration;

use prism_proto::options::{
    AccessPattern, Consistency, FieldOptions, IndexKind, MessageOptions, MethodOptions, PiiKind, Rule,
    Schema, SchemaError,
};

const USERS: &str = r#"
syntax = "proto3";
package users;
import "prism/options.proto";

message Outer {
  message User {
    option (prism.namespace) = "users";
    option (prism.backend) = "postgres";
    option (prism.access_pattern) = ACCESS_PATTERN_READ_HEAVY;
    option (prism.consistency) = CONSISTENCY_CAUSAL;
    option (prism.retention_days) = 30;
    option (prism.estimated_read_rps) = 5000000000;
    option (prism.estimated_write_rps) = 7;
    option (prism.estimated_data_size_gb) = 11;
    string email = 1 [
      (prism.index) = INDEX_KIND_SECONDARY,
      (prism.pii) = PII_KIND_EMAIL,
      (prism.encrypt_at_rest) = true,
      (prism.mask_in_logs) = true,
      (prism.access_audit) = true,
      (prism.required) = true,
      (prism.max_length) = 320,
      (prism.validation) = "regex:a:b",
      (prism.validation) = "min_items:2",
      (prism.validation) = "max_items:3",
      (prism.validation) = "min:-4",
      (prism.validation) = "no_nul:true"
    ];
    string nickname = 2;
  }
}

service Users {
  option (prism.require_auth) = true;
  rpc Find(Outer) returns (Outer) {
    option (prism.required_permissions) = "read";
    option (prism.required_permissions) = "audit";
    option (prism.timeout_ms) = 1500;
    option (prism.idempotent) = true;
  }
  rpc Ping(Outer) returns (Outer) {
    option (prism.method_require_auth) = false;
  }
}

service Open {
  rpc Ping(Outer) returns (Outer) {}
  rpc Closed(Outer) returns (Outer) {
    option (prism.method_require_auth) = true;
  }
}
"#;

/// The options of `source`, compiled with this crate's `prism/options.proto` on the import path.
fn schema(source: &str) -> Result<Schema, SchemaError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("users.proto"), source).expect("the folder is writable");
    let includes = [folder.path(), env!("CARGO_MANIFEST_DIR").as_ref()];
    let descriptors = protox::Compiler::new(includes)
        .expect("both folders exist")
        .include_imports(true)
        .open_file("users.proto")
        .expect("the schema compiles")
        .encode_file_descriptor_set();
    Schema::decode(&descriptors)
}

#[test]
fn every_message_option_is_read_back() {
    let schema = schema(USERS).unwrap();
    let wanted = MessageOptions {
        namespace: "users".to_owned(),
        backend: "postgres".to_owned(),
        access_pattern: AccessPattern::ReadHeavy,
        consistency: Consistency::Causal,
        retention_days: 30,
        estimated_read_rps: 5_000_000_000,
        estimated_write_rps: 7,
        estimated_data_size_gb: 11,
    };
    assert_eq!(schema.message("users.Outer.User"), Some(&wanted));
}

#[test]
fn every_field_option_is_read_back() {
    let schema = schema(USERS).unwrap();
    let wanted = FieldOptions {
        index: IndexKind::Secondary,
        pii: PiiKind::Email,
        encrypt_at_rest: true,
        mask_in_logs: true,
        access_audit: true,
        required: true,
        max_length: Some(320),
        validation: vec![
            Rule::Regex("a:b".to_owned()),
            Rule::MinItems(2),
            Rule::MaxItems(3),
            Rule::Min(-4),
            Rule::NoNul,
        ],
    };
    assert_eq!(schema.field("users.Outer.User", "email"), Some(&wanted));
}

#[test]
fn a_field_without_options_is_plain() {
    let schema = schema(USERS).unwrap();
    let plain = FieldOptions {
        index: IndexKind::Unspecified,
        pii: PiiKind::Unspecified,
        encrypt_at_rest: false,
        mask_in_logs: false,
        access_audit: false,
        required: false,
        max_length: None,
        validation: vec![],
    };
    assert_eq!(schema.field("users.Outer.User", "nickname"), Some(&plain));
}

#[test]
fn every_method_option_is_read_back() {
    let schema = schema(USERS).unwrap();
    let wanted = MethodOptions {
        require_auth: Some(true),
        required_permissions: vec!["read".to_owned(), "audit".to_owned()],
        timeout: Some(Duration::from_millis(1500)),
        idempotent: true,
    };
    assert_eq!(schema.method("users.Users/Find"), Some(&wanted));
}

#[test]
fn a_method_overrides_its_service_on_authentication_both_ways() {
    let schema = schema(USERS).unwrap();
    let require_auth = |method| schema.method(method).unwrap().require_auth;
    assert_eq!(require_auth("users.Users/Find"), Some(true));
    assert_eq!(require_auth("users.Users/Ping"), Some(false));
    assert_eq!(require_auth("users.Open/Ping"), None, "neither says");
    assert_eq!(require_auth("users.Open/Closed"), Some(true));
}

#[test]
fn each_flag_is_read_from_its_own_number() {
    let flags = ["encrypt_at_rest", "mask_in_logs", "access_audit", "required"];
    for (position, flag) in flags.iter().enumerate() {
        let source = format!(
            "syntax = \"proto3\"; import \"prism/options.proto\"; message M {{ bool f = 1 [(prism.{flag}) = true]; }}"
        );
        let schema = schema(&source).unwrap();
        let field = schema.field("M", "f").unwrap();
        let read = [field.encrypt_at_rest, field.mask_in_logs, field.access_audit, field.required];
        let mut wanted = [false; 4];
        wanted[position] = true;
        assert_eq!(read, wanted, "{flag}");
    }
}

#[test]
fn a_rule_that_options_proto_does_not_list_is_refused_by_name() {
    for rule in ["luhn:true", "min_items:many", "no_nul:false", "min"] {
        let source = USERS.replace("min_items:2", rule);
        let wanted =
            SchemaError::UnknownRule { place: "users.Outer.User.email".to_owned(), rule: rule.to_owned() };
        assert_eq!(schema(&source), Err(wanted));
    }
}

#[test]
fn an_enum_number_unknown_to_this_version_is_refused_rather_than_ignored() {
    // A compiler refuses the number, so the descriptor set is spelt out: file 1, message 4, field 2, options 8, pii.
    let mut options = Vec::new();
    prost::encoding::int32::encode(50102, &99, &mut options);
    let set = [8, 2, 4, 1].into_iter().fold(options, |inner, tag| {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(tag, &inner, &mut outer);
        outer
    });
    let error = Schema::decode(&set).unwrap_err();
    assert!(matches!(error, SchemaError::UnknownValue { .. }), "{error}");
}

#[test]
fn bytes_that_are_no_descriptor_set_are_refused() {
    assert!(matches!(Schema::decode(b"\xff\xff"), Err(SchemaError::Malformed(_))));
}
