//! Opening a database: its URL, the connections to it, and its schema.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::connector::Connector;
use super::error::{is_read_only, silence};
use super::schema::{self, Schema, Unfit};
use super::session::Session;
use super::{OpenError, Options, pooler};

/// The URL's parameters that mean something; others are refused, because a mistyped `sslmode` would go unnoticed.
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

/// Parameters of libpq that are not read here, and are named when they are refused. Any other name is not repeated: it
/// may be a part of a password that holds a `?`.
const KNOWN_ELSEWHERE: [&str; 8] = [
    "password",
    "passfile",
    "connect_timeout",
    "target_session_attrs",
    "channel_binding",
    "hostaddr",
    "service",
    "gssencmode",
];

/// A database that is ready.
pub(in crate::postgres) struct Opened {
    /// How sessions with it are opened.
    pub(in crate::postgres) connector: Connector,
    /// The number by which its records are locked.
    pub(in crate::postgres) seed: i64,
    /// A session.
    pub(in crate::postgres) first: Session,
    /// Another, unless Postgres let no second one in.
    pub(in crate::postgres) second: Option<Session>,
}

/// Finds out whether the server is one to work with, and brings its schema to this one.
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
    let at = place(connector.options());
    let refuse = |source: sqlx::Error| {
        if is_read_only(&source) {
            OpenError::ReadOnly { at: at.clone() }
        } else {
            OpenError::Unreachable { at: at.clone(), source: source.into() }
        }
    };
    let mut first = connector.connect().await.map_err(refuse)?;
    // One that is not let in is done without.
    let mut second = connector.connect().await.ok();
    if let Some(second) = &mut second {
        // Before any setting is made, which such a pooler would hand to others.
        let asking =
            tokio::time::timeout(options.connect_timeout, pooler::is_shared(&mut first, second)).await;
        if asking.unwrap_or_else(|_| Err(silence())).map_err(refuse)? {
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
        Err(Unfit::Newer(found)) => OpenError::Newer { at, found },
        Err(Unfit::Failed(source)) => OpenError::Unprepared { at, source: source.into() },
    };
    session.close().await;
    Err(error)
}

/// Reads a URL strictly.
fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    let refuse = |why: String| OpenError::Url { why, allowed: PARAMETERS.join(", ") };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refuse("it does not start with postgres://".to_owned()));
    }
    let (before_query, query) = url.split_once('?').unwrap_or((url, ""));
    // What follows an unencoded `/` or `#` in the password would be taken for the database's name, and shown as such.
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
            let shown = KNOWN_ELSEWHERE.contains(&name) || PARAMETERS.iter().any(like_ours);
            let shown = if shown {
                format!("a parameter '{name}'")
            } else {
                "a parameter that is not known".to_owned()
            };
            return Err(refuse(format!("it has {shown}")));
        }
    }
    let named = query.split('&').any(|pair| pair.starts_with("application_name="));
    match PgConnectOptions::from_str(url) {
        Ok(options) if named => Ok(options),
        Ok(options) => Ok(options.application_name("prism")),
        // The driver's own words may repeat a part of the URL.
        Err(_) => Err(refuse("a part of it has a form or a value that is not allowed".to_owned())),
    }
}

/// Where a database is, without a password.
fn place(options: &PgConnectOptions) -> String {
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
    fn a_url_says_where_the_database_is() {
        let options = parse("postgres://ada:secret@db.example:5433/prism?sslmode=verify-full").unwrap();
        assert_eq!(place(&options), "the Postgres database 'prism' at db.example:5433 as user 'ada'");
    }

    #[test]
    fn what_a_url_cannot_say_is_named_without_the_password() {
        assert_eq!(why("mysql://u:secret@h/d"), "it does not start with postgres://");
        assert_eq!(why("postgres://u:secret@h/d?sslmod=verify-full"), "it has a parameter 'sslmod'");
        assert_eq!(why("postgres://u:12?secret@h/d"), "it has a parameter that is not known");
        assert!(why("postgres://u:12/secret@h/d").contains("an '@' after the host"));
        assert!(why("postgres://u:se#cret@h/d").contains("a '#'"));
        let wrong = "a part of it has a form or a value that is not allowed";
        assert_eq!(why("postgres://u:secret@h:port/d"), wrong);
        assert_eq!(why("postgres://u:secret@h/d?sslmode=secret"), wrong);
    }

    #[test]
    fn a_url_names_the_application_unless_it_says_so_itself() {
        let name = |url| parse(url).unwrap().get_application_name().map(str::to_owned);
        assert_eq!(name("postgres://h/d"), Some("prism".to_owned()));
        assert_eq!(name("postgres://h/d?application_name=orders"), Some("orders".to_owned()));
    }
}
