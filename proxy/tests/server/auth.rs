//! Authorization: permissions and namespaces of tokens.

use futures::StreamExt;
use prism_contract::keyvalue::request::{KeyPredicate, PutRequest};
use prism_proxy::config::{Digest, NamespaceRule, Permission, Token};
use prism_wire::channel::CallError;
use prism_wire::keyvalue::{Client, Resume};
use rstest::rstest;
use tonic::Code;

use crate::support::{Mode, Server, Steered, delete, describe, get, item, put, refusal, scan};

fn token(name: &str, permissions: &[Permission], namespaces: Option<&[&str]>) -> Token {
    let rule = |rule: &&str| match rule.strip_suffix('*') {
        Some(prefix) => NamespaceRule::Prefix(prefix.to_owned()),
        None => NamespaceRule::Exactly((*rule).to_owned()),
    };
    Token {
        name: name.to_owned(),
        digest: Digest::of(format!("{name}-secret").as_bytes()),
        permissions: permissions.to_vec(),
        namespaces: namespaces.map(|rules| rules.iter().map(rule).collect()),
    }
}

async fn guarded() -> Server {
    Server::start_with(Steered::new(Mode::Works), |options| {
        options.auth = vec![
            token("reader", &[Permission::Read], None),
            token("writer", &[Permission::Write], None),
            token("both", &[Permission::Read, Permission::Write], None),
            token("limited", &[Permission::Read, Permission::Write], Some(&["m", "n*"])),
            token("elsewhere", &[Permission::Read, Permission::Write], Some(&["nn", "m*"])),
        ]
        .into();
    })
    .await
}

/// The result of each of the five calls: OK, or a code and its reason.
async fn calls(client: &Client) -> [(Code, String); 5] {
    let all = prism_contract::keyvalue::request::DeleteRequest {
        predicate: Some(KeyPredicate::MatchAll),
        ..delete()
    };
    let mut messages = client.scan(scan(), Resume::Never);
    [
        code(client.put(put(vec![item("k", "v")])).await),
        code(client.get(get()).await),
        code(client.delete(all).await),
        code(messages.next().await.expect("a scan always has a last message")),
        code(client.describe(describe()).await),
    ]
}

fn code<T>(answer: Result<T, CallError>) -> (Code, String) {
    match answer {
        Ok(_) => (Code::Ok, String::new()),
        Err(error) => {
            let status = error.status().expect("a status");
            (status.code, status.reason.clone())
        }
    }
}

const OK: (Code, &str) = (Code::Ok, "");
const DENIED: (Code, &str) = (Code::PermissionDenied, "PERMISSION_DENIED");
const UNAUTHENTICATED: (Code, &str) = (Code::Unauthenticated, "UNAUTHENTICATED");

#[rstest]
#[case::without_a_token(None, [UNAUTHENTICATED; 5])]
#[case::with_an_unknown_token(Some("reader-secret2"), [UNAUTHENTICATED; 5])]
#[case::with_an_empty_token(Some(""), [UNAUTHENTICATED; 5])]
#[case::a_reader(Some("reader-secret"), [DENIED, OK, DENIED, OK, OK])]
#[case::a_writer(Some("writer-secret"), [OK, DENIED, OK, DENIED, DENIED])]
#[case::with_both_permissions(Some("both-secret"), [OK; 5])]
#[case::within_its_namespaces(Some("limited-secret"), [OK; 5])]
#[case::outside_its_namespaces(Some("elsewhere-secret"), [DENIED; 5])]
#[tokio::test]
async fn each_call_needs_its_permission_in_its_namespace(
    #[case] token: Option<&str>,
    #[case] wanted: [(Code, &str); 5],
) {
    let server = guarded().await;
    let client = match token {
        Some(token) => server.client_with_token(token).await,
        None => server.client().await,
    };
    assert_eq!(calls(&client).await, wanted.map(|(code, reason)| (code, reason.to_owned())));
}

#[tokio::test]
async fn without_tokens_every_client_may_do_everything() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    assert_eq!(calls(&server.client().await).await, [OK; 5].map(|(code, reason)| (code, reason.to_owned())));
}

#[tokio::test]
async fn an_unauthorized_client_learns_nothing_about_an_invalid_request() {
    let server = guarded().await;
    let wrong = PutRequest { namespace: String::new(), ..PutRequest::default() };
    assert_eq!(refusal(server.client().await.put(wrong.clone()).await).code, Code::Unauthenticated);
    let reader = server.client_with_token("reader-secret").await;
    assert_eq!(refusal(reader.put(wrong.clone()).await).code, Code::PermissionDenied);
    let limited = server.client_with_token("limited-secret").await;
    assert_eq!(refusal(limited.put(wrong.clone()).await).code, Code::PermissionDenied);
    let both = server.client_with_token("both-secret").await;
    assert_eq!(refusal(both.put(wrong).await).code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let server = guarded().await;
    let refused =
        refusal(server.client_with_token("reader-secret").await.put(put(vec![item("k", "v")])).await);
    assert_eq!(refused.message, "the caller lacks the permission 'write'");
}
