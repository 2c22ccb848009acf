//! Commands to a server that requires a token, TLS, or a client certificate.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Backend, Prism, Ran};

/// A certificate for `name` and its private key, as PEM.
fn certificate(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_token_file_takes_precedence_over_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "config.yaml",
        "auth:\n  tokens:\n    - name: reader\n      file: right\n      permissions: [read]\n",
    );
    write("right", "the-right-token-of-32-characters\n");
    write("wrong", "another-wrong-token-of-32-characters\n");
    let prism = Prism::serve_in(folder, Backend::Memory);
    let get = |env: Option<&str>, args: &[&str]| {
        let mut command = prism.command(&[&["ls", "n"], args].concat());
        let output = command.envs(env.map(|token| ("PRISM_TOKEN", token))).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let right = "the-right-token-of-32-characters";
    assert_eq!(get(None, &["--token-file", "right"]).0, Some(0));
    assert_eq!(get(Some(right), &[]).0, Some(0));
    assert_eq!(get(Some("wrong"), &["--token-file", "right"]).0, Some(0));
    for refused in [get(None, &[]), get(Some(right), &["--token-file", "wrong"])] {
        assert_eq!(refused.0, Some(7));
        assert!(refused.1.starts_with("prism: UNAUTHENTICATED: "), "{}", refused.1);
        assert!(
            refused.1.ends_with("\n  give a token with --token-file or in PRISM_TOKEN\n"),
            "{}",
            refused.1
        );
    }
    let put = prism.run(&["put", "n", "r", "k=v", "--token-file", "right"]);
    assert_eq!(put.code, 7);
    assert!(put.stderr.starts_with("prism: PERMISSION_DENIED: "), "{}", put.stderr);
}

#[test]
fn tls_needs_the_authority_the_name_and_the_required_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (server, server_key) = certificate(&authority, "gateway.test");
    let (client, client_key) = certificate(&authority, "client.test");
    write("ca", &authority.pem());
    write("server", &server);
    write("server-key", &server_key);
    write("client", &client);
    write("client-key", &client_key);
    write("config.yaml", "server:\n  tls:\n    cert: server\n    key: server-key\n    client_ca: ca\n");
    let prism = Prism::serve_in(folder, Backend::Memory);
    let endpoint = prism.endpoint().replace("http://", "https://");

    let ca = ["--tls-ca", "ca"].as_slice();
    let domain = ["--tls-domain", "gateway.test"].as_slice();
    let identity = ["--tls-cert", "client", "--tls-key", "client-key"].as_slice();
    // Whether the alert arrives that names the reason depends on timing: without it, the connection may as well have broken.
    let code = |refused: &Ran| if refused.stderr.contains("before it answered") { 3 } else { 1 };
    let describe = |parts: &[&[&str]]| {
        prism.run(&[&["describe", "--endpoint", &endpoint], parts.concat().as_slice()].concat())
    };
    let accepted = describe(&[ca, domain, identity]);
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    assert!(accepted.stdout.contains("contract version"), "{}", accepted.stdout);
    for (missing, option, parts) in [
        ("ca", "--tls-ca FILE", [domain, identity]),
        ("name", "--tls-domain NAME", [ca, identity]),
        ("certificate", "--tls-cert FILE and --tls-key FILE", [ca, domain]),
    ] {
        let refused = describe(&parts);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (code(&refused), ""),
            "without the {missing}: {}",
            refused.stderr
        );
        assert!(refused.stderr.contains(option), "without the {missing}: {}", refused.stderr);
    }
    // Repeated, since the alert races with the request.
    for command in [&["describe"][..], &["health"], &["get", "n", "r"], &["scan", "n"]].repeat(5) {
        let args = [command, &["--endpoint", &endpoint], ca, domain].concat();
        let refused = prism.run(&args);
        let expected = if command == ["health"] { 1 } else { code(&refused) };
        assert_eq!(refused.code, expected, "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("certificate"), "{command:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("--tls-cert FILE and --tls-key FILE"),
            "{command:?}: {}",
            refused.stderr
        );
    }
    let name = describe(&[ca, identity]);
    assert!(name.stderr.contains("certificate not valid for name"), "the reason is missing: {}", name.stderr);
    assert!(!name.stderr.contains("prism serve"), "a server is running: {}", name.stderr);
    for command in [&["describe"][..], &["health"]] {
        let plaintext = prism.run(&[command, &["--endpoint", prism.endpoint()]].concat());
        assert_eq!(plaintext.code, 1);
        assert!(
            plaintext.stderr.contains("the server speaks TLS, and the endpoint is http://"),
            "{}",
            plaintext.stderr
        );
        assert!(plaintext.stderr.contains("write the endpoint as https://host:port"), "{}", plaintext.stderr);
    }
}

#[test]
fn tls_to_a_server_without_tls_is_reported() {
    let prism = Prism::serve(Backend::Memory);
    let endpoint = prism.endpoint().replace("http://", "https://");
    fs::write(
        prism.path("ca"),
        KeyPair::generate()
            .map(|key| CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem())
            .unwrap(),
    )
    .unwrap();
    for command in ["describe", "health"] {
        let ran = prism.run(&[command, "--endpoint", &endpoint, "--tls-ca", "ca"]);
        assert_eq!(ran.code, 1);
        assert!(
            ran.stderr.contains("the server does not speak TLS, and the endpoint is https://"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("write the endpoint as http://host:port"), "{}", ran.stderr);
    }
}

#[test]
fn a_silent_server_times_out_with_and_without_tls() {
    let prism = Prism::serve(Backend::Memory);
    fs::write(
        prism.path("ca"),
        KeyPair::generate()
            .map(|key| CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem())
            .unwrap(),
    )
    .unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (http, https) = (format!("http://{address}"), format!("https://{address}"));
    for (args, code) in [
        (&["health", "--timeout", "1", "--endpoint", &http][..], 1),
        (&["health", "--timeout", "1", "--tls-ca", "ca", "--endpoint", &https], 1),
        (&["get", "n", "r", "--timeout", "1s", "--tls-ca", "ca", "--endpoint", &https], 3),
        (&["scan", "n", "--timeout", "1s", "--tls-ca", "ca", "--endpoint", &https], 3),
    ] {
        let began = std::time::Instant::now();
        let ran = prism.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{args:?} took {:?}", began.elapsed());
    }
}
