//! The sources of the configuration, and their precedence.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prism_proxy::config::{AuthMode, Config, DatabaseKind, Digest, Flags, LogFormat, Sources, load};
use rstest::rstest;

use crate::{example, keys, of_environment, of_file, paths, sources, variable};

#[test]
fn the_example_lists_every_key_at_its_default() {
    let example = example();
    assert_eq!(of_file(&example), Ok(Config::default()));
    let listed = keys(&example);
    // The allowed keys, from the error message for an unknown key.
    for section in [
        "",
        "server",
        "server.tls",
        "database",
        "database.sqlite",
        "database.postgres",
        "logging",
        "auth",
        "health",
    ] {
        let mut yaml = String::new();
        for (depth, part) in section.split('.').filter(|part| !part.is_empty()).enumerate() {
            writeln!(yaml, "{:width$}{part}:", "", width = depth * 2).unwrap();
        }
        let depth = section.split('.').filter(|part| !part.is_empty()).count();
        writeln!(yaml, "{:width$}no_such_key: 1", "", width = depth * 2).unwrap();
        let message = of_file(&yaml).unwrap_err().remove(0).message;
        let (_, allowed) = message.rsplit_once(" holds ").unwrap();
        for key in allowed.split(", ") {
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            assert!(listed.contains(&path), "the example does not list {path}");
        }
    }
}

#[test]
fn an_empty_file_and_no_file_give_the_defaults() {
    assert_eq!(of_file(""), Ok(Config::default()));
    assert_eq!(of_file("# nothing\n"), Ok(Config::default()));
    assert_eq!(load(&Sources::default()).unwrap(), Config::default());
    assert_eq!(Config::default().server.listen, "127.0.0.1:8980");
    assert_eq!(Config::default().database.path, Path::new("./prism.db"));
}

#[test]
fn the_output_of_check_config_loads_as_the_same_configuration() {
    let config =
        of_file("server: {listen: '[::]:1'}\nauth: {mode: insecure}\ndatabase: {path: 'a b''s.db', sweep_interval: 90s}\n").unwrap();
    assert_eq!(of_file(&config.to_yaml()), Ok(config));
}

#[test]
fn flags_take_precedence_over_the_environment_and_the_environment_over_the_file() {
    let mut sources = sources(
        "server: {listen: 'file:1', drain_timeout: 1s, max_in_flight: 7}",
        &[("PRISM_SERVER_LISTEN", "env:2"), ("PRISM_SERVER_DRAIN_TIMEOUT", "2s")],
    );
    sources.flags.listen = Some("flag:3".to_owned());
    let server = load(&sources).unwrap().server;
    assert_eq!(server.listen, "flag:3");
    assert_eq!(server.limits.drain_timeout, Duration::from_secs(2));
    assert_eq!(server.limits.max_in_flight, 7);
}

#[rstest]
#[case("PRISM_SERVER_LISTEN", "localhost:1", |c: &Config| c.server.listen == "localhost:1")]
#[case("PRISM_SERVER_DRAIN_TIMEOUT", "0s", |c: &Config| c.server.limits.drain_timeout.is_zero())]
#[case("PRISM_SERVER_MAX_IN_FLIGHT", "9", |c: &Config| c.server.limits.max_in_flight == 9)]
#[case("PRISM_SERVER_MAX_CONNECTIONS", "9", |c: &Config| c.server.limits.max_connections == 9)]
#[case("PRISM_DATABASE_TYPE", "memory", |c: &Config| c.database.kind == DatabaseKind::Memory)]
#[case("PRISM_DATABASE_PATH", "/d", |c: &Config| c.database.path == Path::new("/d"))]
#[case("PRISM_DATABASE_URL", "postgres://h/d", |c: &Config| c.database.kind == DatabaseKind::Postgres)]
#[case("PRISM_DATABASE_TOMBSTONE_RETENTION", "2h", |c: &Config| c.database.tombstone_retention.as_secs() == 7_200)]
#[case("PRISM_DATABASE_SWEEP_INTERVAL", "5s", |c: &Config| c.database.sweep_interval.as_secs() == 5)]
#[case("PRISM_LOGGING_LEVEL", "debug", |c: &Config| c.logging.level.name() == "debug")]
#[case("PRISM_LOGGING_FORMAT", "json", |c: &Config| c.logging.format == LogFormat::Json)]
#[case("PRISM_HEALTH_INTERVAL", "250ms", |c: &Config| c.health.interval.as_millis() == 250)]
#[case("PRISM_AUTH_MODE", "insecure", |c: &Config| c.auth.mode == Some(AuthMode::Insecure))]
#[case(
    "PRISM_AUTH_TOKENS",
    "[{name: a, sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b, permissions: [read]}]",
    |c: &Config| c.auth.tokens[0].digest == Digest::of(b"secret")
)]
fn every_key_has_a_variable(#[case] name: &str, #[case] value: &str, #[case] holds: fn(&Config) -> bool) {
    assert!(holds(&of_environment(&[(name, value)]).unwrap()));
}

#[test]
fn tls_files_have_variables() {
    let tls =
        [("PRISM_SERVER_TLS_CERT", "c"), ("PRISM_SERVER_TLS_KEY", "k"), ("PRISM_SERVER_TLS_CLIENT_CA", "a")];
    let tls = of_environment(&tls).unwrap().server.tls;
    assert_eq!([tls.cert, tls.key, tls.client_ca], ["c", "k", "a"].map(|path| Some(PathBuf::from(path))));
}

#[rstest]
#[case("sqlite:a.db", DatabaseKind::Sqlite, "a.db")]
#[case("sqlite:///var/a.db", DatabaseKind::Sqlite, "/var/a.db")]
#[case("postgresql://u:p@h/d", DatabaseKind::Postgres, "./prism.db")]
fn database_url_sets_the_type_and_the_location(
    #[case] url: &str,
    #[case] kind: DatabaseKind,
    #[case] path: &str,
) {
    let database = of_environment(&[("DATABASE_URL", url)]).unwrap().database;
    assert_eq!((database.kind, database.path.as_path()), (kind, Path::new(path)));
    assert_eq!(database.url.is_some(), kind == DatabaseKind::Postgres);
}

#[test]
fn a_prism_variable_takes_precedence_over_database_url() {
    let environment = [("DATABASE_URL", "sqlite:a.db"), ("PRISM_DATABASE_PATH", "b.db")];
    assert_eq!(of_environment(&environment).unwrap().database.path, Path::new("b.db"));
    let environment = [("DATABASE_URL", "postgres://h/d"), ("PRISM_DATABASE_TYPE", "memory")];
    assert_eq!(of_environment(&environment).unwrap().database.kind, DatabaseKind::Memory);
}

#[test]
fn the_database_flag_takes_precedence_over_every_database_key() {
    let mut sources = sources("database: {url: postgres://h/d}", &[]);
    sources.flags.database = Some("x.db".to_owned());
    let database = load(&sources).unwrap().database;
    assert_eq!((database.kind, database.path.as_path()), (DatabaseKind::Sqlite, Path::new("x.db")));
}

/// A file that sets keys of every kind to non-default values.
const FULL: &str = "server: {listen: 'localhost:7', drain_timeout: 7s, max_in_flight: 7, tls: {cert: c, key: k}}\n\
                    database: {type: memory, path: p, sqlite: {queue_bytes: 7B}, postgres: {password_file: f}}\n\
                    logging: {level: debug, format: json}\nhealth: {interval: 7s}\n\
                    auth: {mode: required, tokens: [{name: a, sha256: \
                    2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b, permissions: [read]}]}\n";

#[test]
fn an_empty_variable_is_as_if_unset() {
    let (file, expected) = (FULL, of_file(FULL).unwrap());
    let variables: Vec<_> =
        paths().iter().map(|path| variable(path)).chain(["DATABASE_URL".to_owned()]).collect();
    for variable in &variables {
        for empty in ["", " ", "\t\n"] {
            let config = load(&sources(file, &[(variable, empty)])).map_err(|problems| problems.to_string());
            assert_eq!(config.as_ref(), Ok(&expected), "{variable}={empty:?}");
        }
    }
    let all: Vec<_> = variables.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(load(&sources(file, &all)).unwrap(), expected);
    for null in ["~", "null", "# a comment"] {
        assert_eq!(load(&sources(file, &[("PRISM_AUTH_TOKENS", null)])).unwrap(), expected, "{null}");
    }
}

#[test]
fn an_empty_flag_is_refused() {
    for flags in [
        Flags { listen: Some(String::new()), database: None },
        Flags { listen: None, database: Some(" ".to_owned()) },
    ] {
        let problems = load(&Sources { flags, ..Sources::default() }).unwrap_err();
        assert!(problems.0[0].message.contains("an empty value is not"), "{problems}");
    }
}

#[test]
fn a_scalar_is_taken_literally() {
    let yaml = "database: {path: 1.10}\nserver: {tls: {cert: 0x1f, key: 010}}\nauth:\n  tokens:\n  - name: 1_0\n    env: A\n    \
                permissions: [read]\n    namespaces: [1.10, 010, 1e3, 0x1f, 1_0, 'null', yes]\n";
    let config = load(&sources(yaml, &[("A", "secret")])).unwrap();
    assert_eq!(config.database.path, Path::new("1.10"));
    assert_eq!(
        [config.server.tls.cert, config.server.tls.key],
        ["0x1f", "010"].map(|path| Some(PathBuf::from(path)))
    );
    let token = &config.auth.tokens[0];
    assert_eq!(token.name, "1_0");
    let rules: Vec<_> = token.namespaces.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(rules, ["1.10", "010", "1e3", "0x1f", "1_0", "null", "yes"]);
    let problems = of_file("server: {max_in_flight: 0x10}").unwrap_err();
    assert!(problems[0].message.contains("the value is not a whole number from 1"), "{problems:?}");
}

#[test]
fn a_value_that_yaml_reads_as_null_is_printed_in_quotes() {
    let config = of_file("database: {path: 'null'}").unwrap();
    assert_eq!(of_file(&config.to_yaml()), Ok(config));
}
