//! Connection URLs of a database and of a schema in it, derived from a server's URL.

use url::Url;

/// The URL of another database on the same server.
pub(crate) fn with_database(server: &Url, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(&format!("/{database}"));
    let rest: Vec<(String, String)> = pairs(server).filter(|(key, _)| key != "dbname").collect();
    set_pairs(&mut url, &rest);
    url
}

/// The same URL with `search_path` set to exactly the schema, for libpq and sqlx alike.
pub(crate) fn with_search_path(database: &Url, schema: &str) -> Url {
    let mut options: Vec<String> =
        pairs(database).filter(|(key, _)| key == "options").map(|(_, value)| value).collect();
    options.push(format!("-c search_path={schema}"));
    let mut rest: Vec<(String, String)> = pairs(database).filter(|(key, _)| key != "options").collect();
    rest.push(("options".to_owned(), options.join(" ")));
    let mut url = database.clone();
    set_pairs(&mut url, &rest);
    url
}

/// The same URL on a port of loopback.
pub(crate) fn with_loopback_port(server: &Url, port: u16) -> Url {
    let mut url = server.clone();
    url.set_host(Some("127.0.0.1")).expect("a server URL has a host");
    url.set_port(Some(port)).expect("a server URL can have a port");
    let rest: Vec<(String, String)> =
        pairs(server).filter(|(key, _)| !["host", "hostaddr", "port"].contains(&key.as_str())).collect();
    set_pairs(&mut url, &rest);
    url
}

/// Host and port; query parameters override the authority.
pub(crate) fn host_and_port(server: &Url) -> (String, u16) {
    let parameter = |name: &str| pairs(server).filter(|(key, _)| key == name).map(|(_, value)| value).last();
    let host = parameter("host").unwrap_or_else(|| server.host_str().unwrap_or("localhost").to_owned());
    let port = parameter("port").and_then(|port| port.parse().ok()).or(server.port()).unwrap_or(5432);
    (host.trim_matches(['[', ']']).to_owned(), port)
}

/// The database name in a URL.
pub(crate) fn database(server: &Url) -> String {
    pairs(server)
        .filter(|(key, _)| key == "dbname")
        .map(|(_, value)| value)
        .last()
        .unwrap_or_else(|| server.path().trim_start_matches('/').to_owned())
}

/// `host:port`, without credentials.
pub(crate) fn origin(server: &Url) -> String {
    let (host, port) = host_and_port(server);
    format!("{host}:{port}")
}

fn pairs(url: &Url) -> impl Iterator<Item = (String, String)> {
    url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()))
}

fn set_pairs(url: &mut Url, pairs: &[(String, String)]) {
    url.set_query(None);
    if pairs.is_empty() {
        return;
    }
    url.query_pairs_mut().extend_pairs(pairs);
    // Form encoding writes a space as "+", which libpq reads as a literal plus. A real plus is encoded as %2B.
    let query = url.query().unwrap_or_default().replace('+', "%20");
    url.set_query(Some(&query));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn search_path_is_appended_to_existing_options() {
        let server = url("postgres://u:p@h:5/d?options=-c%20a%3Db%2Bc&sslmode=disable");
        assert_eq!(
            with_search_path(&server, "s_1").as_str(),
            "postgres://u:p@h:5/d?sslmode=disable&options=-c%20a%3Db%2Bc%20-c%20search_path%3Ds_1"
        );
    }

    #[test]
    fn with_database_replaces_path_and_dbname_parameter() {
        assert_eq!(with_database(&url("postgres://h/d?dbname=e"), "f").as_str(), "postgres://h/f");
        assert_eq!(database(&url("postgres://h/d?dbname=e")), "e");
    }

    #[test]
    fn host_and_port_are_resolved_as_the_driver_does() {
        assert_eq!(host_and_port(&url("postgres://h/d")), ("h".to_owned(), 5432));
        assert_eq!(host_and_port(&url("postgres://[::1]:7/d?host=i&port=8")), ("i".to_owned(), 8));
        assert_eq!(host_and_port(&url("postgres://[::1]:7/d")), ("::1".to_owned(), 7));
        assert_eq!(
            with_loopback_port(&url("postgres://u@h:1/d?port=8"), 9).as_str(),
            "postgres://u@127.0.0.1:9/d"
        );
        assert_eq!(origin(&url("postgres://user:secret@h:1/d")), "h:1");
    }
}
