//! Opens a database: its URL, its connections, and its schema.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::connector::Connector;
use super::error::{is_read_only, no_response};
use super::schema::{self, MigrateError, Schema};
use super::session::Session;
use super::{OpenError, pooler};
use crate::postgres::Options;

/// The supported URL parameters; others are refused, because a mistyped `sslmode` would go unnoticed.
const PARAMETERS: [&str; 10] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "user",
    "dbname",
    "application_name",
    "options",
];

/// Parameters of libpq that are not supported, and are named when refused. Any other name is not repeated: it may be a part
/// of a password that has a `?`.
const UNSUPPORTED: [&str; 8] = [
    "password",
    "passfile",
    "connect_timeout",
    "target_session_attrs",
    "channel_binding",
    "hostaddr",
    "service",
    "gssencmode",
];

/// An opened database.
pub(in crate::postgres) struct Opened {
    /// Opens further sessions.
    pub(in crate::postgres) connector: Connector,
    /// The seed of its record locks.
    pub(in crate::postgres) seed: i64,
    /// A session.
    pub(in crate::postgres) first: Session,
    /// A second session, unless Postgres was out of connection slots.
    pub(in crate::postgres) second: Option<Session>,
}

/// Checks that the server is suitable, and migrates its schema to this one.
pub(in crate::postgres) async fn open(
    options: &Options,
    schema: &'static Schema,
) -> Result<Opened, OpenError> {
    if let Some((option, allowed)) = options.fault() {
        return Err(OpenError::Option { option, allowed });
    }
    let mut connect = parse(&options.url)?;
    if let Some(password) = &options.password {
        connect = connect.password(password);
    }
    let connector = Connector::new(connect, options);
    let at = location(connector.options());
    let refuse = |source: sqlx::Error| {
        if is_read_only(&source) {
            OpenError::ReadOnly { at: at.clone() }
        } else {
            OpenError::Unreachable { at: at.clone(), source: source.into() }
        }
    };
    let mut first = connector.connect().await.map_err(refuse)?;
    // Optional: the server may be out of connection slots.
    let mut second = connector.connect().await.ok();
    if let Some(second) = &mut second {
        // Before any setting is made, since such a pooler would apply it to other clients.
        let checking =
            tokio::time::timeout(options.connect_timeout, pooler::is_shared(&mut first, second)).await;
        if checking.unwrap_or_else(|_| Err(no_response())).map_err(refuse)? {
            return Err(OpenError::Pooled { at });
        }
    }
    let mut session = connector.adopt(first).await.map_err(refuse)?;
    let second = match second {
        Some(connection) => connector.adopt(connection).await.ok(),
        None => None,
    };
    let error = match schema::migrate(&mut session, schema).await {
        Ok(seed) => return Ok(Opened { connector, seed, first: session, second }),
        Err(MigrateError::Newer(found)) => OpenError::Newer { at, found },
        Err(MigrateError::Failed(source)) => OpenError::Unprepared { at, source: source.into() },
    };
    session.close().await;
    Err(error)
}

/// Parses a URL strictly.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    let refuse = |why: String| OpenError::Url { why, allowed: PARAMETERS.join(", ") };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refuse("it does not start with postgres://".to_owned()));
    }
    let (before_query, query) = url.split_once('?').unwrap_or((url, ""));
    // After an unencoded `/` or `#` in the password, the rest would be taken for the database's name, and shown as such.
    let path = before_query.splitn(4, '/').nth(3).unwrap_or_default();
    if path.contains('@') || before_query.contains('#') {
        let why = "there is a '#', or an '@' after the host; in a password write / ? # and @ as %2F %3F %23 and %40";
        return Err(refuse(why.to_owned()));
    }
    let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
    for name in names {
        // `options[search_path]=…` sets one setting of the session.
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") && !name.starts_with("options%5B") {
            let like_ours = |known: &&str| name.len() <= 20 && name.get(..3) == known.get(..3);
            let shown = UNSUPPORTED.contains(&name) || PARAMETERS.iter().any(like_ours);
            let shown =
                if shown { format!("a parameter '{name}'") } else { "an unknown parameter".to_owned() };
            return Err(refuse(format!("it has {shown}")));
        }
    }
    let named = query.split('&').any(|pair| pair.starts_with("application_name="));
    match PgConnectOptions::from_str(url) {
        Ok(options) if named => Ok(options),
        Ok(options) => Ok(options.application_name("prism")),
        // The driver's message may repeat a part of the URL.
        Err(_) => Err(refuse("a part of it has an invalid form or value".to_owned())),
    }
}

/// The location of a database, without a password.
pub(super) fn location(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let user = options.get_username();
    format!("the Postgres database '{}' at {host} as user '{user}'", options.get_database().unwrap_or(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(url: &str) -> String {
        match parse(url) {
            Err(OpenError::Url { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_url_has_the_location_of_the_database() {
        let options = parse("postgres://ada:secret@db.example:5433/prism?sslmode=verify-full").unwrap();
        assert_eq!(location(&options), "the Postgres database 'prism' at db.example:5433 as user 'ada'");
    }

    #[test]
    fn the_fault_of_a_url_is_named_without_the_password() {
        assert_eq!(why("mysql://u:secret@h/d"), "it does not start with postgres://");
        assert_eq!(why("postgres://u:secret@h/d?sslmod=verify-full"), "it has a parameter 'sslmod'");
        assert_eq!(why("postgres://u:12?secret@h/d"), "it has an unknown parameter");
        assert!(why("postgres://u:12/secret@h/d").contains("an '@' after the host"));
        assert!(why("postgres://u:se#cret@h/d").contains("a '#'"));
        let wrong = "a part of it has an invalid form or value";
        assert_eq!(why("postgres://u:secret@h:port/d"), wrong);
        assert_eq!(why("postgres://u:secret@h/d?sslmode=secret"), wrong);
    }

    #[test]
    fn the_default_application_name_is_prism() {
        let name = |url| parse(url).unwrap().get_application_name().map(str::to_owned);
        assert_eq!(name("postgres://h/d"), Some("prism".to_owned()));
        assert_eq!(name("postgres://h/d?application_name=orders"), Some("orders".to_owned()));
    }
}
