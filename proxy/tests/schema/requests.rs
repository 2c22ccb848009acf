//! A valid request for each method of the served schema.

use prism_proto::control::v1 as control;
use prism_proto::keyvalue::v1 as pb;
use prost::Message;

/// A valid request for the namespace `n`, encoded.
///
/// # Panics
/// If there is none, with the method's name: a new method needs a request here, and is then covered by the tests of callers,
/// of limits and of masking.
pub(crate) fn valid(method: &str) -> Vec<u8> {
    let (namespace, id) = ("n".to_owned(), "i".to_owned());
    match method {
        "prism.keyvalue.v1.KeyValueService/Put" => {
            let items = vec![pb::Item { key: "k".into(), value: "v".into(), ..pb::Item::default() }];
            pb::PutRequest { namespace, id, items, ..pb::PutRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Get" => {
            pb::GetRequest { namespace, id, ..pb::GetRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Delete" => {
            let all = pb::key_predicate::Predicate::MatchAll(pb::MatchAll {});
            let predicate = Some(pb::KeyPredicate { predicate: Some(all) });
            pb::DeleteRequest { namespace, id, predicate, ..pb::DeleteRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Scan" => {
            pb::ScanRequest { namespace, ..pb::ScanRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Describe" => pb::DescribeRequest { namespace }.encode_to_vec(),
        "prism.control.v1.NamespaceService/CreateNamespace" => {
            control::CreateNamespaceRequest { namespace: Some(named(namespace)) }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/GetNamespace" => {
            control::GetNamespaceRequest { name: namespace }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/ListNamespaces" => {
            control::ListNamespacesRequest::default().encode_to_vec()
        }
        "prism.control.v1.NamespaceService/UpdateNamespace" => {
            let namespace = Some(control::Namespace { version: 1, ..named(namespace) });
            control::UpdateNamespaceRequest { namespace, update_mask: None }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/DeleteNamespace" => {
            // A version that it never has: the other methods need the namespace.
            control::DeleteNamespaceRequest { name: namespace, version: i64::MAX, force: false }
                .encode_to_vec()
        }
        "prism.control.v1.NamespaceService/WatchNamespaces" => {
            control::WatchNamespacesRequest::default().encode_to_vec()
        }
        new => panic!("{new} has no valid request; write one in proxy/tests/schema/requests.rs"),
    }
}

fn named(name: String) -> control::Namespace {
    control::Namespace { name, ..control::Namespace::default() }
}
