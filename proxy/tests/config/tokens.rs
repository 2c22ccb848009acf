//! Tokens, with their secrets in the configuration, in files and in variables.

use prism_proxy::config::{Digest, NamespaceRule, Permission, load};

use crate::{of_environment, sources};

#[test]
fn a_token_variable_may_have_the_prism_prefix() {
    let environment = [
        ("PRISM_MY_TOKEN", "secret"),
        ("PRISM_AUTH_TOKENS", "[{name: a, env: PRISM_MY_TOKEN, permissions: [read]}]"),
    ];
    let tokens = of_environment(&environment).unwrap().auth.tokens;
    assert_eq!(tokens[0].digest, Digest::of(b"secret"));
}

#[test]
fn tokens_are_read_from_a_digest_a_file_and_a_variable() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file\n").unwrap();
    let yaml = format!(
        "auth:\n  tokens:\n  - name: a\n    sha256: 2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B\n    permissions: [read, write]\n  - name: b\n    file: {}\n    permissions: [read]\n    namespaces: [orders, stock-*]\n  - name: c\n    env: C_TOKEN\n    permissions: [write]\n",
        file.path().display()
    );
    let tokens = load(&sources(&yaml, &[("C_TOKEN", "from a variable")])).unwrap().auth.tokens;
    let digests: Vec<_> = tokens.iter().map(|token| token.digest.clone()).collect();
    let secrets: [&[u8]; 3] = [b"secret", b"from a file", b"from a variable"];
    assert_eq!(digests, secrets.map(Digest::of));
    assert_eq!(tokens[0].permissions, [Permission::Read, Permission::Write]);
    assert_eq!(tokens[0].namespaces, None);
    let rules = [NamespaceRule::Exactly("orders".to_owned()), NamespaceRule::Prefix("stock-".to_owned())];
    assert_eq!(tokens[1].namespaces.as_deref(), Some(&rules[..]));
}

#[test]
fn two_tokens_with_the_same_name_or_secret_are_refused() {
    let token =
        |name: &str, variable: &str| format!("{{name: {name}, env: {variable}, permissions: [read]}}");
    for (second, message) in
        [(token("a", "B"), "has the name of another"), (token("b", "A"), "the secret of another")]
    {
        let tokens = format!("[{}, {second}]", token("a", "A"));
        let problems = of_environment(&[("A", "1"), ("B", "2"), ("PRISM_AUTH_TOKENS", &tokens)]).unwrap_err();
        assert!(problems[0].message.contains(message), "{problems:?}");
    }
}

#[test]
fn no_secret_is_printed() {
    let environment = [
        ("DATABASE_URL", "postgres://user:hunter2@h/d?password=hunter2"),
        ("A", "hunter2"),
        ("PRISM_AUTH_TOKENS", "[{name: a, env: A, permissions: [read]}]"),
    ];
    let config = of_environment(&environment).unwrap();
    for printed in [config.to_yaml(), format!("{config:?}")] {
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("user:***@h/d"), "{printed}");
    }
    let problems = of_environment(&[("DATABASE_URL", "mysql://user:hunter2@h/d")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"));
}

const TOKENS: &str = "auth:\n  tokens:\n  - {name: a, env: A, permissions: [read]}\n";

#[test]
fn an_empty_list_drops_the_tokens_of_another_source_only_in_insecure_mode() {
    let empty = ("PRISM_AUTH_TOKENS", "[]");
    let problems = load(&sources(TOKENS, &[("A", "1"), empty])).unwrap_err().0;
    assert_eq!((problems.len(), problems[0].place.as_str()), (1, "PRISM_AUTH_TOKENS"), "{problems:?}");
    assert!(
        problems[0].message.contains("write auth.mode: insecure to serve without tokens"),
        "{problems:?}"
    );
    let insecure = ("PRISM_AUTH_MODE", "insecure");
    assert_eq!(load(&sources(TOKENS, &[("A", "1"), empty, insecure])).unwrap().auth.tokens, []);
    // An empty list that drops nothing is allowed: the example file has one.
    let token = ("PRISM_AUTH_TOKENS", "[{name: a, env: A, permissions: [read]}]");
    assert_eq!(load(&sources("auth: {tokens: []}", &[("A", "1"), token])).unwrap().auth.tokens.len(), 1);
    assert_eq!(load(&sources("auth: {tokens: []}", &[empty])).unwrap().auth.tokens, []);
}

#[test]
fn a_server_without_tokens_listens_beyond_loopback_only_in_insecure_mode() {
    let listen = |address: &str, mode: &str| {
        of_environment(&[("PRISM_SERVER_LISTEN", address), ("PRISM_AUTH_MODE", mode)])
    };
    for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1"] {
        assert!(listen(address, "").is_ok(), "{address}");
    }
    for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
        let problems = listen(address, "").unwrap_err();
        assert!(problems[0].message.contains("write auth.mode: insecure"), "{address}: {problems:?}");
        assert!(listen(address, "insecure").is_ok(), "{address}");
        let tokens = sources(TOKENS, &[("A", "1"), ("PRISM_SERVER_LISTEN", address)]);
        assert!(load(&tokens).is_ok(), "{address}");
    }
}

#[test]
fn unreadable_tokens_are_reported_and_not_their_absence() {
    let open = ("PRISM_SERVER_LISTEN", "0.0.0.0:1");
    let problems_of =
        |variable: &str| load(&sources("", &[("PRISM_AUTH_TOKENS", variable), open])).unwrap_err().0;
    for (tokens, place) in [("[", "PRISM_AUTH_TOKENS:1:1"), ("[{name: a}]", "PRISM_AUTH_TOKENS:1:2")] {
        let problems = problems_of(tokens);
        assert!(
            problems.iter().all(|problem| problem.place.starts_with("PRISM_AUTH_TOKENS")),
            "{problems:?}"
        );
        assert!(problems.iter().any(|problem| problem.place == place), "{problems:?}");
    }
}
