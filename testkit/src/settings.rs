//! What the environment says about the server to use, read in one place.

use url::Url;

use crate::Error;

const WAY: &str = "PRISM_TEST_POSTGRES";
const URL: &str = "PRISM_TEST_POSTGRES_URL";
const IMAGE: &str = "PRISM_TEST_POSTGRES_IMAGE";
const DEFAULT_IMAGE: &str = "postgres:17-alpine";

/// The ways to a server of our own, in the order in which they are tried.
const OWN: [Way; 3] = [Way::Container, Way::Binaries, Way::Download];

/// A way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A server that somebody runs.
    Url,
    /// A container that testcontainers starts.
    Container,
    /// A throwaway cluster, by PostgreSQL's own programs.
    Binaries,
    /// The same, by programs that are downloaded from a package registry.
    Download,
}

impl Way {
    /// Its name in `PRISM_TEST_POSTGRES`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Container => "container",
            Self::Binaries => "binaries",
            Self::Download => "download",
        }
    }
}

/// The variables, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The one way that will do, if one is demanded.
    pub(crate) demanded: Option<Way>,
    pub(crate) url: Option<Url>,
    pub(crate) image: String,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        // An empty variable is how a shell or a workflow says "not set".
        let variable = |name| variable(name).filter(|value: &String| !value.is_empty());
        let demanded = match variable(WAY).as_deref() {
            None => None,
            Some("url") => Some(Way::Url),
            Some("container") => Some(Way::Container),
            Some("binaries") => Some(Way::Binaries),
            Some("download") => Some(Way::Download),
            Some(other) => {
                return Err(Error::Variable {
                    variable: WAY,
                    value: other.to_owned(),
                    allowed: "url, container, binaries and download are allowed, and not set means the first of them that \
                              works"
                        .to_owned(),
                });
            }
        };
        let url = variable(URL).map(|value| server_url(&value)).transpose()?;
        if demanded == Some(Way::Url) && url.is_none() {
            return Err(Error::Variable {
                variable: WAY,
                value: "url".to_owned(),
                allowed: format!("{URL} must then name the server, and it is not set"),
            });
        }
        Ok(Self { demanded, url, image: variable(IMAGE).unwrap_or_else(|| DEFAULT_IMAGE.to_owned()) })
    }

    /// The ways to try, in order. A server that somebody named is meant: if it does not answer, nothing else will do.
    pub(crate) fn ways(&self) -> Vec<Way> {
        match (self.demanded, &self.url) {
            (Some(way), _) => vec![way],
            (None, Some(_)) => vec![Way::Url],
            (None, None) => OWN.to_vec(),
        }
    }

    /// The ways to a server that a test may stop: never the one that somebody else runs.
    pub(crate) fn private_ways(&self) -> Vec<Way> {
        match self.demanded {
            Some(way @ (Way::Container | Way::Binaries | Way::Download)) => vec![way],
            Some(Way::Url) | None => OWN.to_vec(),
        }
    }
}

/// An address that both sqlx and libpq read, with a host: what is in it stays out of the error, it may be a password.
fn server_url(value: &str) -> Result<Url, Error> {
    let wrong = |what: &str| Error::Variable {
        variable: URL,
        value: "(not shown)".to_owned(),
        allowed: format!("{what}; postgres://user:password@host:port/database is allowed"),
    };
    let url = Url::parse(value).map_err(|error| wrong(&error.to_string()))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(wrong("it does not begin with postgres://"));
    }
    if url.host_str().is_none_or(str::is_empty) && !url.query_pairs().any(|(key, _)| key == "host") {
        return Err(wrong("it names no host"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn with_nothing_set_the_engine_comes_before_the_programs_and_a_download_last() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.ways(), [Way::Container, Way::Binaries, Way::Download]);
        assert_eq!(settings.image, "postgres:17-alpine");
    }

    #[test]
    fn a_server_that_is_named_is_the_only_one_that_will_do_but_never_the_one_to_stop() {
        let settings = read(&[(URL, "postgres://u:p@localhost:1/d")]).unwrap();
        assert_eq!(settings.ways(), [Way::Url]);
        assert_eq!(settings.private_ways(), [Way::Container, Way::Binaries, Way::Download]);
    }

    #[test]
    fn a_demand_leaves_one_way_also_beside_an_address() {
        let settings = read(&[(WAY, "container"), (URL, "postgres://localhost/d")]).unwrap();
        assert_eq!((settings.ways(), settings.private_ways()), (vec![Way::Container], vec![Way::Container]));
        assert_eq!(read(&[(WAY, "binaries")]).unwrap().ways(), [Way::Binaries]);
        let settings = read(&[(WAY, "download")]).unwrap();
        assert_eq!((settings.ways(), settings.private_ways()), (vec![Way::Download], vec![Way::Download]));
    }

    #[test]
    fn an_unknown_way_is_an_error_that_says_what_is_allowed() {
        assert_eq!(
            read(&[(WAY, "docker")]).unwrap_err().to_string(),
            "PRISM_TEST_POSTGRES=docker: url, container, binaries and download are allowed, and not set means the first \
             of them that works"
        );
    }

    #[test]
    fn the_way_of_an_address_needs_the_address() {
        assert_eq!(
            read(&[(WAY, "url")]).unwrap_err().to_string(),
            "PRISM_TEST_POSTGRES=url: PRISM_TEST_POSTGRES_URL must then name the server, and it is not set"
        );
    }

    #[test]
    fn an_address_that_is_none_is_an_error_without_the_password_in_it() {
        for (value, what) in [
            ("mysql://u:secret@h/d", "it does not begin with postgres://"),
            ("postgres:///d", "it names no host"),
        ] {
            let error = read(&[(URL, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("PRISM_TEST_POSTGRES_URL=(not shown): {what}; ")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
