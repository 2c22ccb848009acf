//! Addresses of a database and of a schema in it, made from the address of a server.

use url::Url;

/// The address of another database of the same server.
pub(crate) fn with_database(server: &Url, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(&format!("/{database}"));
    let rest: Vec<(String, String)> = pairs(server).filter(|(key, _)| key != "dbname").collect();
    set_pairs(&mut url, &rest);
    url
}

/// The same address with sessions whose `search_path` is the schema and nothing else, for libpq and sqlx alike.
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

/// The same address at another place of the network.
pub(crate) fn with_place(server: &Url, port: u16) -> Url {
    let mut url = server.clone();
    url.set_host(Some("127.0.0.1")).expect("an address of a server has a host");
    url.set_port(Some(port)).expect("an address of a server has a port");
    let rest: Vec<(String, String)> =
        pairs(server).filter(|(key, _)| !["host", "hostaddr", "port"].contains(&key.as_str())).collect();
    set_pairs(&mut url, &rest);
    url
}

/// Host and port, which the query may override.
pub(crate) fn place(server: &Url) -> (String, u16) {
    let asked = |name: &str| pairs(server).filter(|(key, _)| key == name).map(|(_, value)| value).last();
    let host = asked("host").unwrap_or_else(|| server.host_str().unwrap_or("localhost").to_owned());
    let port = asked("port").and_then(|port| port.parse().ok()).or(server.port()).unwrap_or(5432);
    (host.trim_matches(['[', ']']).to_owned(), port)
}

/// The database that an address leads to.
pub(crate) fn database(server: &Url) -> String {
    pairs(server)
        .filter(|(key, _)| key == "dbname")
        .map(|(_, value)| value)
        .last()
        .unwrap_or_else(|| server.path().trim_start_matches('/').to_owned())
}

/// Where a server is, without who asks.
pub(crate) fn origin(server: &Url) -> String {
    let (host, port) = place(server);
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
    // A form writes a blank as a plus, which libpq takes for a plus. A plus itself is written %2B.
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
    fn the_search_path_comes_after_the_options_that_were_there() {
        let server = url("postgres://u:p@h:5/d?options=-c%20a%3Db%2Bc&sslmode=disable");
        assert_eq!(
            with_search_path(&server, "s_1").as_str(),
            "postgres://u:p@h:5/d?sslmode=disable&options=-c%20a%3Db%2Bc%20-c%20search_path%3Ds_1"
        );
    }

    #[test]
    fn a_database_replaces_both_spellings_of_the_one_before() {
        assert_eq!(with_database(&url("postgres://h/d?dbname=e"), "f").as_str(), "postgres://h/f");
        assert_eq!(database(&url("postgres://h/d?dbname=e")), "e");
    }

    #[test]
    fn the_place_is_what_the_driver_takes_it_for() {
        assert_eq!(place(&url("postgres://h/d")), ("h".to_owned(), 5432));
        assert_eq!(place(&url("postgres://[::1]:7/d?host=i&port=8")), ("i".to_owned(), 8));
        assert_eq!(place(&url("postgres://[::1]:7/d")), ("::1".to_owned(), 7));
        assert_eq!(with_place(&url("postgres://u@h:1/d?port=8"), 9).as_str(), "postgres://u@127.0.0.1:9/d");
        assert_eq!(origin(&url("postgres://user:secret@h:1/d")), "h:1");
    }
}
