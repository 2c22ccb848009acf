//! Error messages: the location of each mistake, and what is allowed.

use prism_proxy::config::{Config, load};
use rstest::rstest;

use crate::{of_environment, of_file, sources};

#[rstest]
#[case::an_unknown_key(
    "server:\n  lisen: 127.0.0.1:1\n",
    "c.yaml:2:3",
    "'server.lisen' is not a key; did you mean 'server.listen'?; 'server' holds listen, drain_timeout, max_in_flight, max_connections, max_connections_per_peer, handshake_timeout, max_connection_age, max_connection_age_grace, max_buffered_bytes, tls"
)]
#[case::an_unknown_section("srever:\n  listen: a:1\n", "c.yaml:1:1", "did you mean 'server'?")]
#[case::a_bad_address(
    "server:\n  listen: here\n",
    "c.yaml:2:11",
    "server.listen: the value is not an address to listen on; write host:port"
)]
#[case::a_bad_duration(
    "server: {drain_timeout: soon}",
    "c.yaml:1:25",
    "the value is not a duration; write a whole number and a unit"
)]
#[case::a_number_without_a_unit(
    "health:\n  interval: 10\n",
    "c.yaml:2:13",
    "the value is not a duration longer than 0"
)]
#[case::a_zero_interval(
    "health:\n  interval: 0s\n",
    "c.yaml:2:13",
    "the value is not a duration longer than 0"
)]
#[case::a_retention_below_a_minute(
    "database:\n  tombstone_retention: 59s\n",
    "c.yaml:2:24",
    "database.tombstone_retention: the value is not a duration of 1m or more, such as 1h, 24h or 7d"
)]
#[case::zero_calls_in_flight(
    "server:\n  max_in_flight: 0\n",
    "c.yaml:2:18",
    "the value is not a whole number from 1"
)]
#[case::a_bad_type(
    "database:\n  type: mysql\n",
    "c.yaml:2:9",
    "the value is not a kind of database; write sqlite, memory, postgres or kafka"
)]
#[case::a_bad_level(
    "logging:\n  level: loud\n",
    "c.yaml:2:10",
    "write off, error, warn, info, debug or trace"
)]
#[case::a_bad_format("logging:\n  format: xml\n", "c.yaml:2:11", "write text or json")]
#[case::a_list_for_a_value(
    "server:\n  listen: [a]\n",
    "c.yaml:2:11",
    "server.listen is a list; a single value is allowed"
)]
#[case::a_value_for_a_section("server: 1\n", "c.yaml:1:9", "server is a single value; a mapping is allowed")]
#[case::a_list_for_the_file("- a\n", "c.yaml:1:1", "the file is a list; a mapping is allowed")]
#[case::postgres_without_an_address("database:\n  type: postgres\n", "c.yaml:2:9", "database.url is not set")]
#[case::two_databases("database:\n  url: postgres://h/d\n  type: sqlite\n", "c.yaml:3:9", "set one of them")]
#[case::a_certificate_without_a_key(
    "server:\n  tls:\n    cert: a\n",
    "c.yaml:3:11",
    "server.tls.key is not; TLS needs both"
)]
#[case::a_client_ca_alone("server:\n  tls:\n    client_ca: a\n", "c.yaml:3:16", "TLS needs both")]
#[case::tokens_that_are_not_a_list(
    "auth:\n  tokens: a\n",
    "c.yaml:2:11",
    "auth.tokens: is a single value; a list of tokens is allowed"
)]
#[case::a_token_without_a_secret(
    "auth:\n  tokens:\n    - {name: a, permissions: [read]}\n",
    "c.yaml:3:7",
    "needs exactly one of sha256, file and env"
)]
#[case::a_short_digest(
    "auth:\n  tokens:\n    - {name: a, sha256: abc, permissions: [read]}\n",
    "c.yaml:3:25",
    "not 64 hexadecimal digits"
)]
#[case::an_unknown_permission(
    "auth:\n  tokens:\n    - name: a\n      env: A\n      permissions: [root]\n",
    "c.yaml:5:21",
    "the value is not allowed here; write read, write or admin"
)]
#[case::a_variable_that_is_not_set(
    "auth:\n  tokens:\n    - {name: a, env: NOT_SET, permissions: [read]}\n",
    "c.yaml:3:22",
    "the variable is not set; write the name of a variable that holds the token"
)]
#[case::a_missing_file(
    "auth:\n  tokens:\n    - {name: a, file: /no/such, permissions: [read]}\n",
    "c.yaml:3:23",
    "the file cannot be read"
)]
#[case::an_unknown_key_of_a_token(
    "auth:\n  tokens:\n    - {name: a, env: A, permission: [read]}\n",
    "c.yaml:3:37",
    "'permission' is not a key of a token"
)]
#[case::a_bad_namespace(
    "auth:\n  tokens:\n    - {name: a, env: A, permissions: [read], namespaces: ['*']}\n",
    "c.yaml:3:59",
    "write a namespace"
)]
#[case::a_token_named_like_another_kind_of_caller(
    "auth:\n  tokens:\n    - {name: 'uri:x', env: A, permissions: [read]}\n",
    "c.yaml:3:7",
    "has a name that begins with jwt:, uri: or dns:"
)]
#[case::issuers_that_are_not_a_list("auth:\n  jwt: a\n", "c.yaml:2:8", "a list of issuers is allowed")]
#[case::an_issuer_without_keys(
    "auth:\n  jwt:\n    - {issuer: i, audience: a}\n",
    "c.yaml:3:7",
    "needs jwks; issuer, audience and jwks are required"
)]
#[case::an_issuer_that_cannot_be_in_the_name_of_a_caller(
    "auth:\n  jwt:\n    - {issuer: 'i#', audience: a, jwks: f}\n",
    "c.yaml:3:16",
    "without # and white space"
)]
#[case::keys_in_plain_text(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: 'http://example.org/k'}\n",
    "c.yaml:3:38",
    "write the path of a file or an https URL"
)]
#[case::keys_behind_a_password(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: 'https://u:p@example.org/k'}\n",
    "c.yaml:3:38",
    "an https URL without a password"
)]
#[case::a_leeway_of_an_hour(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: f, leeway: 1h}\n",
    "c.yaml:3:49",
    "write a duration of at most 10m"
)]
#[case::an_issuer_twice(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: f}\n    - {issuer: i, audience: b, jwks: g}\n",
    "c.yaml:4:7",
    "has the issuer of another entry"
)]
#[case::an_unknown_key_of_an_issuer(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: f, algorithm: HS256}\n",
    "c.yaml:3:52",
    "'algorithm' is not a key of an issuer; issuer, audience, jwks and leeway are allowed"
)]
#[case::a_grant_without_a_caller(
    "auth:\n  grants:\n    - {permissions: [read]}\n",
    "c.yaml:3:7",
    "needs who"
)]
#[case::a_grant_of_nothing("auth:\n  grants:\n    - {who: a}\n", "c.yaml:3:7", "needs permissions")]
#[case::a_wildcard_within_a_pattern(
    "auth:\n  grants:\n    - {who: 'a*b', permissions: [read]}\n",
    "c.yaml:3:13",
    "the beginning of some and *"
)]
#[case::a_kind_of_name_without_a_name(
    "auth:\n  grants:\n    - {who: 'dns:', permissions: [read]}\n",
    "c.yaml:3:13",
    "uri: or dns: and a name of a certificate"
)]
#[case::an_issuer_of_a_certificate(
    "auth:\n  grants:\n    - {who: 'dns:a', issuer: i, permissions: [read]}\n",
    "c.yaml:3:7",
    "issuer is of JWTs, and who is a name of a certificate"
)]
#[case::all_namespaces_as_a_pattern(
    "auth:\n  grants:\n    - {who: a, namespaces: ['*'], permissions: [read]}\n",
    "c.yaml:3:29",
    "without the key it is all namespaces"
)]
#[case::grants_without_a_source_of_callers(
    "auth:\n  grants:\n    - {who: a, permissions: [read]}\n",
    "c.yaml:3:5",
    "grant 1: who is the subject of a JWT, and there is no auth.jwt"
)]
#[case::grants_to_certificates_without_a_client_ca(
    "auth:\n  grants:\n    - {who: 'uri:a', permissions: [read]}\n",
    "c.yaml:3:5",
    "grant 1: who is a name of a client certificate, and server.tls.client_ca is not set"
)]
#[case::an_issuer_without_grants(
    "auth:\n  jwt:\n    - {issuer: i, audience: a, jwks: f}\n",
    "c.yaml:3:5",
    "auth.jwt is set and no entry of auth.grants has the subject of a JWT as who"
)]
#[case::a_grant_of_an_unknown_issuer(
    "auth:\n  jwt: [{issuer: i, audience: a, jwks: f}]\n  grants: [{who: a, issuer: j, permissions: [read]}]\n",
    "c.yaml:3:11",
    "grant 1: issuer is not the issuer of an entry of auth.jwt"
)]
#[case::a_subject_of_any_of_two_issuers(
    "auth:\n  jwt: [{issuer: i, audience: a, jwks: f}, {issuer: j, audience: a, jwks: g}]\n  grants: [{who: a, issuer: i, permissions: [read]}, {who: a, permissions: [read]}]\n",
    "c.yaml:3:11",
    "grant 2: auth.jwt has more than one issuer"
)]
#[case::invalid_yaml("server: [\n", "c.yaml:", "is not valid YAML")]
#[case::a_duplicate_key("logging:\n  level: info\n  level: warn\n", "c.yaml:3:3", "is not valid YAML")]
#[case::an_empty_value(
    "server:\n  listen: ''\n",
    "c.yaml:2:11",
    "server.listen: an empty value is not an address"
)]
#[case::a_url_for_a_path(
    "database:\n  path: postgres://u:p@h/d\n",
    "c.yaml:2:9",
    "database.path: the value is not the path of a file; the address of a database goes into database.url"
)]
#[case::a_private_key_for_its_path(
    "server:\n  tls:\n    key: |\n      -----BEGIN\n",
    "c.yaml:4:7",
    "server.tls.key: the value is not the path of a file"
)]
#[case::a_password_that_is_not_encoded(
    "database:\n  url: postgres://u:12/3@h/d\n",
    "c.yaml:2:8",
    "as %2F %3F %23 and %40"
)]
#[case::an_unknown_mode("auth:\n  mode: off\n", "c.yaml:2:9", "write required or insecure")]
#[case::required_without_tokens(
    "auth:\n  mode: required\n",
    "c.yaml:2:9",
    "there are no auth.tokens and no auth.grants"
)]
#[case::open_to_other_machines(
    "server:\n  listen: 0.0.0.0:1\n",
    "c.yaml:2:11",
    "there are no auth.tokens and no auth.grants, so any client could read and write everything"
)]
fn a_mistake_in_the_file_is_reported_with_its_location_and_what_is_allowed(
    #[case] file: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    let problems = of_file(file).unwrap_err();
    let reported =
        problems.iter().any(|problem| problem.place.starts_with(place) && problem.message.contains(message));
    assert!(reported, "expected {place}: {message}\ngot {problems:#?}");
}

#[test]
fn yaml_1_1_boolean_words_are_strings() {
    assert_eq!(of_file("logging: {level: off}").unwrap().logging.level.name(), "off");
    let problems = of_file("logging: {level: yes}").unwrap_err();
    assert!(problems[0].message.contains("logging.level: the value is not a level"), "{problems:?}");
}

#[test]
fn all_mistakes_are_reported_together() {
    let file = "server: {listen: x, drain_timeout: y}\nloging: {level: info}\ndatabase: {type: z}\n";
    let mut sources = sources(file, &[("PRISM_LOGGING_LEVEL", "loud"), ("PRISM_SERVER_LISTN", "a:1")]);
    sources.flags.listen = Some("nowhere".to_owned());
    let problems = load(&sources).unwrap_err();
    let places: Vec<_> = problems.0.iter().map(|problem| problem.place.as_str()).collect();
    let expected = [
        "c.yaml:1:18",
        "c.yaml:1:36",
        "c.yaml:2:1",
        "c.yaml:3:18",
        "PRISM_LOGGING_LEVEL",
        "PRISM_SERVER_LISTN",
        "--listen",
    ];
    assert_eq!(places, expected, "{problems}");
}

#[test]
fn an_unknown_prism_variable_is_refused_and_others_are_not() {
    let environment = [
        ("PRISM_SERVER_LISTN", "a:1"),
        ("PATH", "/bin"),
        ("PRISM_TEST_POSTGRES_URL", "x"),
        ("PRISM_TOKEN", "t"),
    ];
    let problems = of_environment(&environment).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].place, "PRISM_SERVER_LISTN");
    assert!(problems[0].message.contains("did you mean 'PRISM_SERVER_LISTEN'?"));
}

#[rstest]
#[case(&[("PRISM_SERVICE_HOST", "10.0.0.1"), ("PRISM_SERVICE_PORT", "8980"), ("PRISM_SERVICE_PORT_GRPC", "8980")])]
#[case(&[("PRISM_PORT", "tcp://10.0.0.1:8980"), ("PRISM_PORT_8980_TCP", "tcp://10.0.0.1:8980")])]
#[case(&[("PRISM_PORT_8980_TCP_PROTO", "tcp"), ("PRISM_PORT_8980_TCP_PORT", "8980"), ("PRISM_PORT_8980_TCP_ADDR", "10.0.0.1")])]
#[case(&[("PRISM_SERVER_SERVICE_PORT_8980_TCP", "8980"), ("PRISM_DATABASE_PORT", "tcp://[fd00::1]:5432")])]
fn kubernetes_service_link_variables_are_ignored(#[case] links: &[(&str, &str)]) {
    assert_eq!(of_environment(links), Ok(Config::default()));
}

#[test]
fn a_variable_with_the_name_but_not_the_value_of_a_service_link_is_refused() {
    for (name, value) in
        [("PRISM_PORT", "8980"), ("PRISM_SERVER_PORT", "8980"), ("PRISM_SERVICE_HOST", "prism.example")]
    {
        let problems = of_environment(&[(name, value)]).unwrap_err();
        assert_eq!((problems.len(), problems[0].place.as_str()), (1, name), "{problems:?}");
    }
}
