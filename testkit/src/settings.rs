//! Environment variables that select the test server.

use url::Url;

use crate::Error;

const WAY: &str = "PRISM_TEST_POSTGRES";
const URL: &str = "PRISM_TEST_POSTGRES_URL";
const IMAGE: &str = "PRISM_TEST_POSTGRES_IMAGE";
const DEFAULT_IMAGE: &str = "postgres:17-alpine";

/// The ways to start a server, in the order in which they are tried.
const LAUNCHED: [Way; 3] = [Way::Container, Way::Binaries, Way::Download];

/// A way to obtain a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// An external server.
    Url,
    /// A container started by testcontainers.
    Container,
    /// A throwaway cluster from installed PostgreSQL binaries.
    Binaries,
    /// A throwaway cluster from binaries downloaded from a package registry.
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

/// The validated variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The only acceptable way, if one is forced.
    pub(crate) forced: Option<Way>,
    pub(crate) url: Option<Url>,
    pub(crate) image: String,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        // Shells and workflows express "unset" as an empty variable.
        let variable = |name| variable(name).filter(|value: &String| !value.is_empty());
        let forced = match variable(WAY).as_deref() {
            None => None,
            Some("url") => Some(Way::Url),
            Some("container") => Some(Way::Container),
            Some("binaries") => Some(Way::Binaries),
            Some("download") => Some(Way::Download),
            Some(other) => {
                return Err(Error::Variable {
                    variable: WAY,
                    value: other.to_owned(),
                    allowed:
                        "url, container, binaries and download are allowed, unset means the first that works"
                            .to_owned(),
                });
            }
        };
        let url = variable(URL).map(|value| server_url(&value)).transpose()?;
        if forced == Some(Way::Url) && url.is_none() {
            return Err(Error::Variable {
                variable: WAY,
                value: "url".to_owned(),
                allowed: format!("requires {URL}, which is not set"),
            });
        }
        Ok(Self { forced, url, image: variable(IMAGE).unwrap_or_else(|| DEFAULT_IMAGE.to_owned()) })
    }

    /// The ways to try, in order. An explicit URL is binding: no fallback if that server is unavailable.
    pub(crate) fn ways(&self) -> Vec<Way> {
        match (self.forced, &self.url) {
            (Some(way), _) => vec![way],
            (None, Some(_)) => vec![Way::Url],
            (None, None) => LAUNCHED.to_vec(),
        }
    }

    /// The ways to a server that a test may stop: never an external one.
    pub(crate) fn private_ways(&self) -> Vec<Way> {
        match self.forced {
            Some(way @ (Way::Container | Way::Binaries | Way::Download)) => vec![way],
            Some(Way::Url) | None => LAUNCHED.to_vec(),
        }
    }
}

/// A URL with a host that both sqlx and libpq accept. It may contain a password, so errors do not show it.
fn server_url(value: &str) -> Result<Url, Error> {
    let invalid = |what: &str| Error::Variable {
        variable: URL,
        value: "(not shown)".to_owned(),
        allowed: format!("{what}; postgres://user:password@host:port/database is allowed"),
    };
    let url = Url::parse(value).map_err(|error| invalid(&error.to_string()))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(invalid("it does not begin with postgres://"));
    }
    if url.host_str().is_none_or(str::is_empty) && !url.query_pairs().any(|(key, _)| key == "host") {
        return Err(invalid("it has no host"));
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
    fn default_order_is_container_binaries_download() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.ways(), [Way::Container, Way::Binaries, Way::Download]);
        assert_eq!(settings.image, "postgres:17-alpine");
    }

    #[test]
    fn a_url_is_the_only_way_but_never_for_a_private_server() {
        let settings = read(&[(URL, "postgres://u:p@localhost:1/d")]).unwrap();
        assert_eq!(settings.ways(), [Way::Url]);
        assert_eq!(settings.private_ways(), [Way::Container, Way::Binaries, Way::Download]);
    }

    #[test]
    fn a_forced_way_overrides_a_url() {
        let settings = read(&[(WAY, "container"), (URL, "postgres://localhost/d")]).unwrap();
        assert_eq!((settings.ways(), settings.private_ways()), (vec![Way::Container], vec![Way::Container]));
        assert_eq!(read(&[(WAY, "binaries")]).unwrap().ways(), [Way::Binaries]);
        let settings = read(&[(WAY, "download")]).unwrap();
        assert_eq!((settings.ways(), settings.private_ways()), (vec![Way::Download], vec![Way::Download]));
    }

    #[test]
    fn an_unknown_way_is_an_error_that_lists_the_allowed_ones() {
        assert_eq!(
            read(&[(WAY, "docker")]).unwrap_err().to_string(),
            "PRISM_TEST_POSTGRES=docker: url, container, binaries and download are allowed, unset means the first that \
             works"
        );
    }

    #[test]
    fn way_url_requires_the_url_variable() {
        assert_eq!(
            read(&[(WAY, "url")]).unwrap_err().to_string(),
            "PRISM_TEST_POSTGRES=url: requires PRISM_TEST_POSTGRES_URL, which is not set"
        );
    }

    #[test]
    fn errors_about_an_invalid_url_do_not_contain_the_password() {
        for (value, what) in [
            ("mysql://u:secret@h/d", "it does not begin with postgres://"),
            ("postgres:///d", "it has no host"),
        ] {
            let error = read(&[(URL, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("PRISM_TEST_POSTGRES_URL=(not shown): {what}; ")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
