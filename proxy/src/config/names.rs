//! Unknown keys and variables: their error messages, and which variables are Kubernetes service links.

use std::net::{IpAddr, SocketAddr};

use super::settings::{all_paths, variable};

/// The error for a key that a section does not have, with the keys that it has. The section `""` is the whole file.
pub(super) fn unknown_key(section: &str, key: &str) -> String {
    let depth = if section.is_empty() { 0 } else { section.matches('.').count() + 1 };
    let known: Vec<_> = all_paths()
        .filter_map(|known| {
            known.match_indices('.').map(|(at, _)| at).chain([known.len()]).nth(depth).map(|at| &known[..at])
        })
        .map(str::to_owned)
        .collect();
    let mut siblings: Vec<_> = known
        .iter()
        .filter(|known| known.rsplit_once('.').map_or("", |(section, _)| section) == section)
        .map(|known| known.rsplit('.').next().unwrap_or_default())
        .collect();
    siblings.dedup();
    let (path, within) = if section.is_empty() {
        (key.to_owned(), "the file".to_owned())
    } else {
        (format!("{section}.{key}"), format!("'{section}'"))
    };
    let shown = if may_be_shown(key, &siblings) { format!("'{path}'") } else { HIDDEN.to_owned() };
    format!("{shown} is not a key{}; {within} holds {}", did_you_mean(&path, &known), siblings.join(", "))
}

/// In place of a key that may be a secret: `{url:postgres://…}`, which lacks a space, is a key without a value.
const HIDDEN: &str = "this";

/// A key as it may appear in a message.
pub(super) fn shown_key(key: &str, known: &[&str]) -> String {
    if may_be_shown(key, known) { format!("'{key}'") } else { HIDDEN.to_owned() }
}

/// Whether an unknown name is a typo rather than a secret: close to a known name, or short with only lower-case letters and
/// `_`.
fn may_be_shown(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| strsim::damerau_levenshtein(name, known) <= 2)
        || (name.len() <= 24 && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'))
}

/// The error for an unknown variable.
pub(super) fn unknown_variable(name: &str) -> String {
    let known = all_paths().map(variable).collect::<Vec<_>>();
    format!("is not a variable of prism{}", did_you_mean(name, &known))
}

/// The nearest name, if it is close enough for a typo.
fn did_you_mean(name: &str, known: &[String]) -> String {
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 3.max(name.len() / 5) => format!("; did you mean '{known}'?"),
        _ => String::new(),
    }
}

/// Whether a variable is a service link, which Kubernetes sets in each container for every Service of its namespace. Those
/// of a Service named `prism` or `prism-server` share Prism's prefix. Both the name and the value must have the form of a
/// service link, so a mistyped variable is not taken for one.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let ip = |value: &str| value.parse::<IpAddr>().is_ok();
    let port = |value: &str| value.parse::<u16>().is_ok();
    let protocol = |value: &str| ["tcp", "udp", "sctp"].contains(&value);
    let address = |value: &str| {
        value.split_once("://").is_some_and(|(scheme, at)| {
            protocol(scheme) && (at.parse::<SocketAddr>().is_ok() || is_bare_ipv6(at))
        })
    };
    if name.ends_with("_SERVICE_HOST") {
        return ip(value);
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return port(value);
    }
    // PRISM_PORT_8980_TCP, PRISM_PORT_8980_TCP_ADDR
    if let Some((_, rest)) = name.rsplit_once("_PORT_").filter(|(_, rest)| rest.contains('_')) {
        let mut parts = rest.split('_');
        let (number, transport, what, end) = (parts.next(), parts.next(), parts.next(), parts.next());
        let of_a_port =
            number.is_some_and(port) && transport.is_some_and(|name| ["TCP", "UDP", "SCTP"].contains(&name));
        return of_a_port
            && end.is_none()
            && match what {
                None => address(value),
                Some("PROTO") => protocol(value),
                Some("ADDR") => ip(value),
                Some("PORT") => port(value),
                Some(_) => false,
            };
    }
    match name.strip_suffix("_PORT") {
        // PRISM_PORT_8980_TCP_PORT
        Some(rest) if ["_TCP", "_UDP", "_SCTP"].iter().any(|transport| rest.ends_with(transport)) => {
            port(value)
        }
        Some(_) => address(value),
        None => false,
    }
}

/// `fd00::1:8980`, the form without brackets of older Kubernetes versions.
fn is_bare_ipv6(at: &str) -> bool {
    at.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("PRISM_SERVICE_HOST", "10.0.0.1", true)]
    #[case("PRISM_SERVICE_HOST", "fd00::1", true)]
    #[case("PRISM_SERVICE_HOST", "example.org", false)]
    #[case("PRISM_SERVER_SERVICE_PORT", "8980", true)]
    #[case("PRISM_SERVER_SERVICE_PORT_GRPC_WEB", "8980", true)]
    #[case("PRISM_SERVER_SERVICE_PORT", "grpc", false)]
    #[case("PRISM_PORT", "tcp://10.0.0.1:8980", true)]
    #[case("PRISM_PORT", "udp://[fd00::1]:53", true)]
    #[case("PRISM_PORT", "tcp://fd00::1:53", true)]
    #[case("PRISM_PORT", "8980", false)]
    #[case("PRISM_SERVER_PORT", "8980", false)]
    #[case("PRISM_SERVER_PORT", "tcp://somewhere", false)]
    #[case("PRISM_DATABASE_PORT_5432_TCP", "tcp://10.0.0.1:5432", true)]
    #[case("PRISM_DATABASE_PORT_5432_TCP_PROTO", "tcp", true)]
    #[case("PRISM_DATABASE_PORT_5432_TCP_PORT", "5432", true)]
    #[case("PRISM_DATABASE_PORT_5432_TCP_ADDR", "10.0.0.1", true)]
    #[case("PRISM_DATABASE_PORT_5432_TCP_ADDR", "db.example", false)]
    #[case("PRISM_DATABASE_PORT_5432_TLS", "tcp://10.0.0.1:5432", false)]
    #[case("PRISM_SERVER_SERVICE_PORT_8980_TCP", "8980", true)]
    #[case("PRISM_SERVER_LISTN", "tcp://10.0.0.1:8980", false)]
    #[case("PRISM_SERVER_LISTEN", "10.0.0.1:8980", false)]
    fn a_service_link_is_recognized_by_name_and_value(
        #[case] name: &str,
        #[case] value: &str,
        #[case] link: bool,
    ) {
        assert_eq!(is_service_link(name, value), link);
    }

    #[test]
    fn no_variable_of_a_key_can_be_a_service_link() {
        for path in all_paths() {
            let name = variable(path);
            for value in ["10.0.0.1", "8980", "tcp", "tcp://10.0.0.1:8980"] {
                assert!(!is_service_link(&name, value), "{name}");
            }
        }
    }
}
