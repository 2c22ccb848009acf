//! The schema's options of each method, looked up by request path.

use std::collections::HashMap;
use std::sync::LazyLock;

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::options::{self, MethodOptions};
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::config::Permission;

/// A method of a Prism service.
#[derive(Debug)]
pub(super) struct Method {
    /// Such as `prism.keyvalue.v1.KeyValueService/Put`.
    pub(super) name: &'static str,
    /// Its options in the schema.
    pub(super) options: &'static MethodOptions,
    /// Whether its response is a stream.
    pub(super) streams: bool,
}

impl Method {
    /// Whether it returns data: a page, or a stream of pages.
    pub(super) fn reads(&self) -> bool {
        self.options.required_permissions.iter().any(|permission| permission == Permission::Read.name())
    }
}

/// The method at a path such as `/prism.keyvalue.v1.KeyValueService/Put`; `None` for health, reflection and unknown methods.
pub(super) fn find(path: &str) -> Option<&'static Method> {
    static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
        let streams = streams();
        let method = |(name, options): (&'static str, &'static MethodOptions)| {
            (format!("/{name}"), Method { name, options, streams: streams.contains(&name.to_owned()) })
        };
        options::all_methods().map(method).collect()
    });
    METHODS.get(path)
}

/// The methods with a response stream, named as in a path without its leading slash.
fn streams() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the committed descriptor set decodes");
    let mut names = Vec::new();
    for file in set.file {
        for service in &file.service {
            let streaming = service.method.iter().filter(|method| method.server_streaming());
            names.extend(
                streaming.map(|method| format!("{}.{}/{}", file.package(), service.name(), method.name())),
            );
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scan_streams_and_every_method_has_a_timeout_and_a_permission() {
        for (name, streams) in
            [("Put", false), ("Get", false), ("Delete", false), ("Scan", true), ("Describe", false)]
        {
            let method = find(&format!("/prism.keyvalue.v1.KeyValueService/{name}")).unwrap();
            assert_eq!(method.streams, streams, "{name}");
            assert!(method.options.timeout.is_some() && method.options.require_auth, "{name}");
            assert_eq!(method.options.required_permissions.len(), 1, "{name}");
        }
        assert!(find("/grpc.health.v1.Health/Check").is_none());
    }
}
