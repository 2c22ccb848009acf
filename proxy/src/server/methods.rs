//! The schema's options of each method, looked up by request path.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::options::{self, MethodOptions, Schema};
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::config::Permission;

/// A method of a Prism service.
#[derive(Debug)]
pub(super) struct Method {
    /// Such as `prism.keyvalue.v1.KeyValueService/Put`.
    pub(super) name: &'static str,
    /// Its position in [`names`].
    pub(super) index: usize,
    /// Its options in the schema.
    pub(super) options: &'static MethodOptions,
    /// Whether its response is a stream.
    pub(super) streams: bool,
    /// Whether its request or its response has a field with `access_audit`, at any depth.
    pub(super) audited: bool,
}

impl Method {
    /// Whether it returns data: a page, or a stream of pages.
    pub(super) fn reads(&self) -> bool {
        self.requires(Permission::Read)
    }

    /// Whether it is for administrators.
    pub(super) fn administers(&self) -> bool {
        self.requires(Permission::Admin)
    }

    /// Whether it is a stream without a timeout, which ends with its client or with the server.
    pub(super) fn is_endless(&self) -> bool {
        self.streams && self.options.timeout.is_none()
    }

    fn requires(&self, permission: Permission) -> bool {
        self.options.required_permissions.iter().any(|required| required == permission.name())
    }
}

/// The method at a path such as `/prism.keyvalue.v1.KeyValueService/Put`; `None` for health, reflection and unknown methods.
pub(super) fn find(path: &str) -> Option<&'static Method> {
    static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
        let shapes = shapes();
        let method = |(index, (name, options)): (usize, (&'static str, &'static MethodOptions))| {
            let Shape { streams, audited } = shapes.get(name).copied().unwrap_or_default();
            (format!("/{name}"), Method { name, index, options, streams, audited })
        };
        options::all_methods().enumerate().map(method).collect()
    });
    METHODS.get(path)
}

/// The names of all methods, such as `prism.keyvalue.v1.KeyValueService/Put`.
pub(crate) fn names() -> Vec<&'static str> {
    options::all_methods().map(|(name, _)| name).collect()
}

/// A method that is not served, since the schema does not say how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method}: the schema does not state {}; it must state {}", .missing.join(", "), REQUIRED.join(", "))]
pub struct IncompleteMethod {
    /// Such as `prism.keyvalue.v1.KeyValueService/Put`.
    pub method: String,
    /// The options that it lacks, by their names in `prism/options.proto`.
    pub missing: Vec<&'static str>,
}

/// The options without which a method is not served. The first may be that of the service.
const REQUIRED: [&str; 3] = ["require_auth", "required_permissions", "timeout_ms"];
/// The methods that are meant to have no timeout.
const ENDLESS: [&str; 1] = ["prism.timeseries.v1.TimeSeriesService/Tail"];

/// Refuses a schema that leaves an option open which the gateway enforces: a forgotten option would let every caller in, for
/// any time. gRPC's own services, health and reflection, are not part of a schema of Prism.
pub(super) fn check(schema: &Schema) -> Result<(), IncompleteMethod> {
    for (method, options) in schema.methods() {
        let stated = [
            options.require_auth.is_some(),
            !options.required_permissions.is_empty(),
            options.timeout.is_some() || ENDLESS.contains(&method),
        ];
        let missing: Vec<_> =
            REQUIRED.into_iter().zip(stated).filter(|(_, stated)| !stated).map(|(name, _)| name).collect();
        if !missing.is_empty() {
            return Err(IncompleteMethod { method: method.to_owned(), missing });
        }
    }
    Ok(())
}

/// What follows from the messages of a method.
#[derive(Clone, Copy, Default)]
struct Shape {
    streams: bool,
    audited: bool,
}

/// The shapes of all methods, named as in a path without its leading slash.
fn shapes() -> HashMap<String, Shape> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the committed descriptor set decodes");
    let messages = messages(&set);
    let mut shapes = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let audited = [method.input_type(), method.output_type()]
                    .into_iter()
                    .any(|message| has_audited_field(message, &messages, &mut HashSet::new()));
                shapes.insert(name, Shape { streams: method.server_streaming(), audited });
            }
        }
    }
    shapes
}

/// The top-level messages by their name as in a field's type, such as `.prism.keyvalue.v1.Item`.
fn messages(set: &FileDescriptorSet) -> HashMap<String, &DescriptorProto> {
    let files = set.file.iter();
    let messages = files.flat_map(|file| file.message_type.iter().map(move |message| (file, message)));
    messages.map(|(file, message)| (format!(".{}.{}", file.package(), message.name()), message)).collect()
}

/// Whether a message, or one that its fields refer to, has a field with `access_audit`. `seen` ends recursive messages.
fn has_audited_field<'a>(
    name: &'a str,
    messages: &HashMap<String, &'a DescriptorProto>,
    seen: &mut HashSet<&'a str>,
) -> bool {
    let Some(message) = messages.get(name).filter(|_| seen.insert(name)) else { return false };
    message.field.iter().any(|field| {
        options::field_options(name.trim_start_matches('.'), field.name())
            .is_some_and(|options| options.access_audit)
            || has_audited_field(field.type_name(), messages, seen)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prism_contract::keyvalue::Memory;
    use prost_types::FieldDescriptorProto;
    use tokio::net::TcpListener;

    use super::*;
    use crate::server::{Options, Services, Shutdown, run_schema};

    /// A schema of one method, `p.S/M`, with options of the service and of the method.
    fn schema(of_service: &str, of_method: &str) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        let source = format!(
            "syntax = \"proto3\"; package p; import \"prism/options.proto\"; message E {{}} \
             service S {{ {of_service} rpc M(E) returns (E) {{ {of_method} }} }}"
        );
        std::fs::write(folder.path().join("p.proto"), source).unwrap();
        let proto = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
        let mut compiler = protox::Compiler::new([folder.path(), &proto]).unwrap();
        compiler.include_imports(true).open_file("p.proto").unwrap();
        Schema::decode(&compiler.encode_file_descriptor_set()).unwrap()
    }

    const SERVICE_AUTH: &str = "option (prism.require_auth) = true;";
    const METHOD_AUTH: &str = "option (prism.method_require_auth) = false;";
    const PERMISSION: &str = "option (prism.required_permissions) = \"read\";";
    const TIMEOUT: &str = "option (prism.timeout_ms) = 1;";

    #[test]
    fn a_method_that_lacks_an_option_is_refused_with_its_name_and_the_option() {
        for (of_service, of_method, missing) in [
            ("", [PERMISSION, TIMEOUT].concat(), &["require_auth"][..]),
            (SERVICE_AUTH, TIMEOUT.to_owned(), &["required_permissions"]),
            (SERVICE_AUTH, PERMISSION.to_owned(), &["timeout_ms"]),
            ("", METHOD_AUTH.to_owned(), &["required_permissions", "timeout_ms"]),
            ("", String::new(), &REQUIRED),
        ] {
            let method = "p.S/M".to_owned();
            let wanted = IncompleteMethod { method, missing: missing.to_vec() };
            assert_eq!(check(&schema(of_service, &of_method)), Err(wanted));
        }
    }

    #[test]
    fn a_method_may_leave_authentication_to_its_service() {
        let of_method = [PERMISSION, TIMEOUT].concat();
        assert_eq!(check(&schema(SERVICE_AUTH, &of_method)), Ok(()));
        assert_eq!(check(&schema("", &(of_method + METHOD_AUTH))), Ok(()));
    }

    #[tokio::test]
    async fn a_server_does_not_start_with_a_method_that_lacks_an_option() {
        let services = Services::from(Arc::new(Memory::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let schema = schema(SERVICE_AUTH, PERMISSION);
        let refused = run_schema(&schema, services, listener, Shutdown::new(), Options::default()).await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            "p.S/M: the schema does not state timeout_ms; it must state require_auth, required_permissions, timeout_ms"
        );
    }

    #[test]
    fn every_method_of_the_served_schema_states_its_options() {
        assert_eq!(check(Schema::prism()), Ok(()));
    }

    #[test]
    fn only_a_tail_is_without_end() {
        let endless: Vec<_> = options::all_methods()
            .filter(|(name, _)| find(&format!("/{name}")).is_some_and(Method::is_endless))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(endless, ENDLESS);
    }

    #[test]
    fn only_scan_streams() {
        for (name, streams) in
            [("Put", false), ("Get", false), ("Delete", false), ("Scan", true), ("Describe", false)]
        {
            let method = find(&format!("/prism.keyvalue.v1.KeyValueService/{name}")).unwrap();
            assert_eq!(method.streams, streams, "{name}");
        }
        assert!(find("/grpc.health.v1.Health/Check").is_none());
    }

    #[test]
    fn methods_with_ids_or_values_are_audited_and_describe_is_not() {
        for (name, audited) in
            [("Put", true), ("Get", true), ("Delete", true), ("Scan", true), ("Describe", false)]
        {
            let method = find(&format!("/prism.keyvalue.v1.KeyValueService/{name}")).unwrap();
            assert_eq!(method.audited, audited, "{name}");
        }
    }

    /// Deeper than any message of Prism: A has B, which has A and C, and only C has an audited field.
    #[test]
    fn an_audited_field_counts_at_any_depth_and_recursion_ends() {
        let field = |name: &str, kind: &str| FieldDescriptorProto {
            name: Some(name.to_owned()),
            type_name: Some(kind.to_owned()),
            ..FieldDescriptorProto::default()
        };
        let message = |field| DescriptorProto { field, ..DescriptorProto::default() };
        let (a, b) = (message(vec![field("b", ".B")]), message(vec![field("a", ".A"), field("c", ".C")]));
        let c = message(vec![field("item", ".prism.keyvalue.v1.Item")]);
        let item = message(vec![field("value", "")]);
        let mut messages =
            HashMap::from([(".A".to_owned(), &a), (".B".to_owned(), &b), (".C".to_owned(), &c)]);
        assert!(!has_audited_field(".A", &messages, &mut HashSet::new()));
        messages.insert(".prism.keyvalue.v1.Item".to_owned(), &item);
        assert!(has_audited_field(".A", &messages, &mut HashSet::new()));
    }
}
