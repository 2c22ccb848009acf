//! Opening a database: its URL, the connections to it, and its schema.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::locks::Locks;
use super::schema::{self, Unfit};
use super::session::{Connector, Session};
use super::{OpenError, Options};

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

/// Makes the schema ready, and answers how to connect, how records are locked, and the session that found that out.
pub(super) async fn open(options: &Options) -> Result<(Connector, Locks, Session), OpenError> {
    if let Some((option, allowed)) = options.fault() {
        return Err(OpenError::Option { option, allowed });
    }
    let mut connect = parse(&options.url)?;
    if let Some(password) = &options.password {
        connect = connect.password(password);
    }
    let connector = Connector::new(connect, options);
    let at = place(connector.options());
    let mut session = connector
        .open()
        .await
        .map_err(|source| OpenError::Unreachable { at: at.clone(), source: source.into() })?;
    let error = match schema::migrate(&mut session).await {
        Ok(locks) => return Ok((connector, locks, session)),
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
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
    for name in names {
        // `options[search_path]=…` sets one setting of the session.
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") && !name.starts_with("options%5B") {
            return Err(refuse(format!("it has a parameter '{name}'")));
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
