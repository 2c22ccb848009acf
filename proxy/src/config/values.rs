//! Parsing and formatting of values; what is formatted parses to the same value.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use prism_backends::kafka;

use super::{
    AdminListen, AuditFailure, AuditNamespaces, AuditShow, AuditSync, AuthMode, DatabaseKind, LogFormat,
    LogLevel, OtlpProtocol, Share, Undeclared,
};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and a unit: `500ms`, `10s`, `5m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    // Capped at a century, so that no sum of a time and a duration overflows.
    let limit = 36_500 * 86_400_000;
    let millis = number.parse::<u64>().ok()?.checked_mul(millis).filter(|millis| *millis <= limit)?;
    Some(Duration::from_millis(millis))
}

/// A [`duration`] longer than 0.
pub(super) fn period(text: &str) -> Option<Duration> {
    duration(text).filter(|duration| !duration.is_zero())
}

/// A [`duration`] of at least a minute, the shortest retention of a tombstone that the contract allows (TOK-4).
pub(super) fn retention(text: &str) -> Option<Duration> {
    duration(text).filter(|duration| *duration >= Duration::from_mins(1))
}

/// The shortest text that [`duration`] parses to the same value.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |&&(_, unit): &&(&str, u64)| millis >= unit && millis.is_multiple_of(unit);
    // No days: a retention is commonly given as 24 hours.
    match UNITS[..4].iter().rev().find(fits) {
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => "0s".to_owned(),
    }
}

/// A [`period`] within the limit of the databases' timeout settings.
pub(super) fn timeout(text: &str) -> Option<Duration> {
    period(text).filter(|time| *time <= Duration::from_hours(24 * 24))
}

const SIZES: [(&str, u32); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size in bytes from 1: `64MiB`, `512KiB`, `100B`.
pub(super) fn size(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, bytes) = SIZES.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<u32>().ok()?.checked_mul(bytes).filter(|size| *size > 0)
}

/// The shortest text that [`size`] parses to the same value.
pub(super) fn show_size(size: u32) -> String {
    let (name, bytes) = SIZES.into_iter().find(|(_, bytes)| size.is_multiple_of(*bytes)).unwrap_or(("B", 1));
    format!("{}{name}", size / bytes)
}

/// A whole number from 1.
pub(super) fn count(text: &str) -> Option<usize> {
    // The permit limit of a tokio semaphore.
    text.parse().ok().filter(|count| (1..=usize::MAX >> 3).contains(count))
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// `host:port`, the host not empty.
pub(super) fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let ipv6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let known = match ipv6 {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        // Only characters of host names and addresses: it is shown in messages.
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)),
    };
    known.then(|| text.to_owned())
}

/// Where the admin endpoint listens. The default address has the same meaning written and unwritten.
pub(super) fn admin_listen(text: &str) -> Option<AdminListen> {
    match text {
        "off" => Some(AdminListen::Off),
        AdminListen::DEFAULT => Some(AdminListen::Default),
        _ => address(text).map(AdminListen::At),
    }
}

/// A whole number from 0 to `most`.
pub(super) fn up_to(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| *number <= most)
}

/// A number from 0 to 1, to the millionth.
pub(super) fn share(text: &str) -> Option<Share> {
    let share: f64 = text.parse().ok().filter(|share| (0.0..=1.0).contains(share))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
    Some(Share { millionths: (share * 1e6).round() as u32 })
}

/// The URL of a collector, which is shown: it has no user, password or query.
pub(super) fn collector(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority()?.as_str();
    (is_http && !authority.contains('@') && !url.host()?.is_empty() && url.query().is_none()).then_some(url)
}

/// Addresses by commas.
pub(super) fn brokers(text: &str) -> Option<String> {
    let addresses: Option<Vec<_>> = text.split(',').map(|text| address(text.trim())).collect();
    Some(addresses?.join(","))
}

/// The name of a topic of Kafka, or its start.
pub(super) fn topic(text: &str, max: usize) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!text.is_empty() && text.len() <= max && text.bytes().all(allowed)).then(|| text.to_owned())
}

/// How Kafka compresses.
pub(super) fn compression(text: &str) -> Option<kafka::Compression> {
    kafka::Compression::ALL.into_iter().find(|kind| kind.name() == text)
}

/// How a password is proved to Kafka.
pub(super) fn mechanism(text: &str) -> Option<kafka::Mechanism> {
    kafka::Mechanism::ALL.into_iter().find(|kind| kind.name() == text)
}

/// Whether an address accepted by [`address`] is loopback; `None`: a host name, known only once it is resolved.
pub(super) fn is_loopback(address: &str) -> Option<bool> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    if host.eq_ignore_ascii_case("localhost") {
        return Some(true);
    }
    let ip: std::net::IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    Some(ip.to_canonical().is_loopback())
}

/// The names of an enum's values in the configuration.
macro_rules! names {
    ($($kind:ident { $($name:literal => $value:ident),+ $(,)? })+) => {$(
        impl $kind {
            const NAMES: &[(&str, Self)] = &[$(($name, Self::$value)),+];

            pub(super) fn read(text: &str) -> Option<Self> {
                Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
            }

            /// Its name in the configuration.
            pub fn name(self) -> &'static str {
                Self::NAMES.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
            }
        }
    )+};
}

names! {
    AuthMode { "required" => Required, "insecure" => Insecure }
    Undeclared { "allow" => Allow, "refuse" => Refuse }
    LogLevel { "off" => Off, "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace }
    LogFormat { "text" => Text, "json" => Json }
    OtlpProtocol { "grpc" => Grpc, "http" => Http }
    DatabaseKind { "sqlite" => Sqlite, "memory" => Memory, "postgres" => Postgres, "kafka" => Kafka }
    AuditFailure { "refuse" => Refuse, "continue" => Continue }
    AuditSync { "none" => None, "batch" => Batch }
    AuditNamespaces { "all" => All, "chosen" => Chosen }
    AuditShow { "hashed" => Hashed, "plain" => Plain }
}

/// A parsed database URL: a SQLite file, or a Postgres server's address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DatabaseUrl<'a> {
    Sqlite(&'a str),
    Postgres,
}

/// Parses the scheme of a database URL, and a SQLite database's path: `sqlite:prism.db`, `sqlite:///var/lib/prism.db`.
pub(super) fn database_url(url: &str) -> Option<DatabaseUrl<'_>> {
    let (scheme, rest) = url.split_once(':')?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    match scheme {
        "postgres" | "postgresql"
            if rest.len() > 2 && rest.starts_with("//") && !has_unencoded_password(path) =>
        {
            Some(DatabaseUrl::Postgres)
        }
        // `:memory:` and parameters would not mean here what they mean to other programs.
        "sqlite" if !path.is_empty() && !path.starts_with(':') && !path.contains('?') => {
            Some(DatabaseUrl::Sqlite(path))
        }
        _ => None,
    }
}

/// Whether the rest of a URL has user information after its host: an unencoded `/` or `#` in the password ends the host for
/// every parser, and the rest of the password would be taken for the database name.
fn has_unencoded_password(rest: &str) -> bool {
    let (before_query, _) = rest.split_once('?').unwrap_or((rest, ""));
    before_query.contains('#') || before_query.split_once('/').is_some_and(|(_, path)| path.contains('@'))
}

/// A path; rejects what looks like a database URL or the content of a file.
pub(super) fn file(text: &str) -> Option<PathBuf> {
    let is_path = !text.trim().is_empty() && !text.contains(char::is_control) && !looks_like_url(text);
    is_path.then(|| PathBuf::from(text))
}

/// Whether a text given as a path may instead contain a secret: a database URL, with or without its scheme, libpq
/// parameters, or the content of a PEM file.
pub(crate) fn looks_like_url(text: &str) -> bool {
    const SCHEMES: [&str; 5] = ["postgres", "postgresql", "sqlite", "mysql", "file"];
    let scheme = text
        .split_once(':')
        .is_some_and(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()));
    let user = text.split_once(':').is_some_and(|(_, rest)| rest.contains('@'));
    scheme
        || user
        || text.contains("://")
        || text.contains("-----BEGIN")
        || text.to_ascii_lowercase().contains("password=")
}

/// A URL with its password masked, for display: `postgres://user:***@host/db`. If the password cannot be located with
/// certainty, everything but the scheme is masked.
pub fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_name(scheme)) else {
        return "***".to_owned();
    };
    match masked_rest(rest) {
        Some(rest) => format!("{scheme}://{rest}"),
        None => format!("{scheme}://***"),
    }
}

fn masked_rest(rest: &str) -> Option<String> {
    let (before_query, query) =
        rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    // A later `@` may end a password with a `/` or a `?` in it; a port that is not a number hints at the same.
    let is_whole = is_host(host) && is_name(database) && !query.is_some_and(|query| query.contains('@'));
    let user = match user.map(|user| user.split_once(':').map_or((user, false), |(user, _)| (user, true))) {
        Some((user, _)) if !is_name(user) => return None,
        Some((user, true)) => format!("{user}:***@"),
        Some((user, false)) => format!("{user}@"),
        None => String::new(),
    };
    let slash = if before_query.contains('/') { "/" } else { "" };
    // A parameter may be a password as well (`password`, `sslpassword`), and none identifies the database.
    let query = if query.is_some() { "?***" } else { "" };
    is_whole.then(|| format!("{user}{host}{slash}{database}{query}"))
}

/// The name of a user, a database or a scheme, as encoded in a URL.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-._+%".contains(c))
}

/// An optional host with an optional port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        Some(_) | None => (text, ""),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let known = match address {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    known && (port.is_empty() || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("500ms", 500)]
    #[case("10s", 10_000)]
    #[case("5m", 300_000)]
    #[case("24h", 86_400_000)]
    #[case("0s", 0)]
    fn a_duration_round_trips(#[case] text: &str, #[case] millis: u64) {
        let read = duration(text).unwrap();
        assert_eq!(read, Duration::from_millis(millis));
        assert_eq!(show_duration(read), text);
    }

    #[rstest]
    #[case("")]
    #[case("10")]
    #[case("s")]
    #[case("-1s")]
    #[case("1.5s")]
    #[case("10 s")]
    #[case("999999999999d")]
    fn invalid_durations_are_refused(#[case] text: &str) {
        assert_eq!(duration(text), None);
    }

    #[rstest]
    #[case("64MiB", 64 << 20)]
    #[case("3KiB", 3 << 10)]
    #[case("1025B", 1_025)]
    fn a_size_round_trips(#[case] text: &str, #[case] bytes: u32) {
        assert_eq!(size(text), Some(bytes));
        assert_eq!(show_size(bytes), text);
    }

    #[rstest]
    #[case("64")]
    #[case("0MiB")]
    #[case("64mb")]
    #[case("4096MiB")]
    fn invalid_sizes_are_refused(#[case] text: &str) {
        assert_eq!(size(text), None);
    }

    #[rstest]
    #[case("127.0.0.1:8980", true)]
    #[case("localhost:0", true)]
    #[case("[::]:8980", true)]
    #[case("::1:8980", false)]
    #[case(":8980", false)]
    #[case("localhost", false)]
    #[case("localhost:99999", false)]
    #[case("http://localhost:1", false)]
    fn an_address_is_a_host_and_a_port(#[case] text: &str, #[case] known: bool) {
        assert_eq!(address(text).is_some(), known);
    }

    #[rstest]
    #[case("sqlite:prism.db", Some(DatabaseUrl::Sqlite("prism.db")))]
    #[case("sqlite://prism.db", Some(DatabaseUrl::Sqlite("prism.db")))]
    #[case("sqlite:///var/prism.db", Some(DatabaseUrl::Sqlite("/var/prism.db")))]
    #[case("sqlite::memory:", None)]
    #[case("sqlite:prism.db?mode=rwc", None)]
    #[case("postgres://host/db", Some(DatabaseUrl::Postgres))]
    #[case("postgresql://host/db", Some(DatabaseUrl::Postgres))]
    #[case("mysql://host/db", None)]
    #[case("postgres://u:12/3@host/db", None)]
    #[case("postgres://u:pa#ss@host/db", None)]
    #[case("postgres://host/db?user=me@tenant", Some(DatabaseUrl::Postgres))]
    fn the_url_scheme_selects_the_backend(#[case] url: &str, #[case] parsed: Option<DatabaseUrl<'_>>) {
        assert_eq!(database_url(url), parsed);
    }

    #[rstest]
    #[case("postgres://u:secret@h:5/db?password=secret", "postgres://u:***@h:5/db?***")]
    #[case("postgres://u:se@cret@h/db", "postgres://u:***@h/db")]
    #[case("postgres://h/db", "postgres://h/db")]
    #[case("postgres://u:secret@[::1]:5432/db", "postgres://u:***@[::1]:5432/db")]
    #[case("postgres:///db", "postgres:///db")]
    #[case("postgres://u:se/cret@h/db", "postgres://***")]
    #[case("postgres://u:se?cret@h/db", "postgres://***")]
    #[case("postgres://u:se#cret@h/db", "postgres://u:***@h/db")]
    #[case("postgres://u:12/secret@h/db", "postgres://***")]
    #[case("postgres://u:12?secret@h/db", "postgres://***")]
    #[case("postgres://u:secret/db", "postgres://***")]
    #[case("postgres://u/secret:secret@h", "postgres://***")]
    #[case("postgres://se@cret:x@h/db", "postgres://***")]
    #[case("postgres:u:secret@h", "***")]
    #[case("secret", "***")]
    #[case("u:secret@h://x", "***")]
    fn a_password_is_masked(#[case] url: &str, #[case] masked: &str) {
        assert_eq!(masked_url(url), masked);
    }
}
