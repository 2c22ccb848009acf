//! Namespaces of grants, over the wire.

use prism_contract::keyvalue::request::GetRequest;
use prism_proxy::config::Auth;
use prism_proxy::server::AuthState;
use prism_wire::keyvalue::Client;
use prism_wire::status::Decoded;
use tonic::Code;

use super::keys::{Key, jwks, write_jwks};
use super::{BOTH, auth, claims, grant, set_now};
use crate::support::{Mode, Server, Steered, get, item, put, refusal};

async fn server(key: &Key) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let source = write_jwks(&folder.path().join("jwks.json"), &jwks(&[key]));
    let grants = vec![
        grant("prefix", Some(&["orders-*"]), BOTH),
        grant("exact", Some(&["orders"]), BOTH),
        grant("everything", None, BOTH),
    ];
    let state = AuthState::new(&Auth { grants, ..auth(source) }).unwrap();
    let server = Server::start_with(Steered::new(Mode::Works), |options| options.auth = state).await;
    set_now(&server);
    server
}

async fn get_in(client: &Client, namespace: &str) -> Result<(), Decoded> {
    match client.get(GetRequest { namespace: namespace.to_owned(), ..get() }).await {
        Ok(_) => Ok(()),
        answer => Err(refusal(answer)),
    }
}

#[tokio::test]
async fn a_prefix_matches_neither_its_stem_nor_its_siblings_and_a_name_only_itself() {
    let key = Key::ed("k");
    let server = server(&key).await;
    let prefix = server.client_with_token(&key.token(&claims("prefix"))).await;
    let exact = server.client_with_token(&key.token(&claims("exact"))).await;
    for (namespace, by_prefix, by_name) in [
        ("orders", false, true),
        ("orders-", true, false),
        ("orders-1", true, false),
        ("orders2", false, false),
        ("orders.1", false, false),
        ("order", false, false),
        ("my-orders-1", false, false),
    ] {
        let answers = (get_in(&prefix, namespace).await, get_in(&exact, namespace).await);
        assert_eq!((answers.0.is_ok(), answers.1.is_ok()), (by_prefix, by_name), "{namespace}");
        for refused in [answers.0, answers.1].into_iter().filter_map(Result::err) {
            assert_eq!(refused.code, Code::PermissionDenied, "{namespace}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_the_same_for_a_namespace_that_exists_and_one_that_does_not() {
    let key = Key::ed("k");
    let server = server(&key).await;
    let everything = server.client_with_token(&key.token(&claims("everything"))).await;
    let stored = prism_contract::keyvalue::request::PutRequest {
        namespace: "customers".to_owned(),
        ..put(vec![item("k", "v")])
    };
    everything.put(stored).await.unwrap();
    let limited = server.client_with_token(&key.token(&claims("prefix"))).await;
    let exists = get_in(&limited, "customers").await.unwrap_err();
    assert_eq!(exists.code, Code::PermissionDenied);
    // Nor is an invalid name told apart.
    for namespace in ["absent", "x", "", "No namespace!"] {
        assert_eq!(get_in(&limited, namespace).await.unwrap_err(), exists, "{namespace:?}");
    }
}
