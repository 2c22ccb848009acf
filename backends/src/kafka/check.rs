//! Whether options can be kept, by this build.

use super::{Compression, Mechanism, Options};

/// Maximum length of the start of topics' names, in bytes.
pub const MAX_PREFIX: usize = 64;

/// Maximum length of a topic's name, in bytes.
pub const MAX_NAME: usize = 249;

/// Checks options, and whether this build has what they need.
///
/// # Errors
/// What is at fault, and what is allowed.
pub fn check_build(options: &Options) -> Result<(), String> {
    if !cfg!(feature = "kafka") {
        return Err("this build has no Kafka; it needs one with the feature kafka".to_owned());
    }
    if !options.brokers.split(',').all(is_address) {
        return Err("brokers is malformed; a comma-separated list of host:port is allowed".to_owned());
    }
    if !is_name(&options.topic_prefix, MAX_PREFIX) {
        return Err(format!(
            "topic_prefix is malformed; at most {MAX_PREFIX} of a-z, A-Z, 0-9, '.', '_' and '-' are allowed"
        ));
    }
    if !is_name(&options.namespaces_topic, MAX_NAME) {
        return Err(format!(
            "namespaces_topic is malformed; 1 to {MAX_NAME} of a-z, A-Z, 0-9, '.', '_' and '-' are allowed"
        ));
    }
    if may_be_of_a_namespace(&options.topic_prefix, &options.namespaces_topic()) {
        return Err(
            "namespaces_topic may be the topic of a namespace; a name without topic_prefix is allowed, \
                    or with _namespaces after it"
                .to_owned(),
        );
    }
    let needs = |what: &str, feature: &str| Err(format!("{what} needs a build with the feature {feature}"));
    if !cfg!(feature = "kafka-tls") {
        if options.tls.is_some() {
            return needs("TLS to Kafka", "kafka-tls");
        }
        if options.sasl.as_ref().is_some_and(|sasl| sasl.mechanism != Mechanism::Plain) {
            return needs("SASL SCRAM", "kafka-tls");
        }
    }
    if !cfg!(feature = "kafka-zstd") && options.compression == Compression::Zstd {
        return needs("compression by zstd", "kafka-zstd");
    }
    Ok(())
}

fn is_name(text: &str, max: usize) -> bool {
    text.len() <= max && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Whether a topic may be that of a namespace: the prefix, and then letters, digits, `-`, and `_` with two hexadecimal digits or
/// `_h` with a SHA-256. Kafka takes names that differ only in `.` and `_` for the same.
fn may_be_of_a_namespace(prefix: &str, topic: &str) -> bool {
    let [prefix, topic] = [prefix, topic].map(|name| name.replace('.', "_"));
    let Some(rest) = topic.strip_prefix(&prefix) else { return false };
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if rest.strip_prefix("_h").is_some_and(|digest| digest.len() == 64 && is_hex(digest)) {
        return true;
    }
    let mut parts = rest.split('_');
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !rest.is_empty()
        && parts.next().is_some_and(is_plain)
        && parts.all(|part| {
            part.split_at_checked(2).is_some_and(|(escaped, rest)| is_hex(escaped) && is_plain(rest))
        })
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.trim().rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Sasl;
    #[cfg(feature = "kafka")]
    use crate::kafka::Tls;

    #[cfg(feature = "kafka")]
    #[test]
    fn options_that_this_build_cannot_keep_are_refused() {
        let of = |change: fn(&mut Options)| {
            let mut options = Options::new("one:9092,[::1]:9093");
            change(&mut options);
            check_build(&options).err()
        };
        assert_eq!(of(|_| ()), None);
        let brokers = Some("brokers is malformed; a comma-separated list of host:port is allowed".to_owned());
        assert_eq!(of(|options| options.brokers = "one".to_owned()), brokers);
        assert_eq!(of(|options| options.brokers = "one:1,".to_owned()), brokers);
        let prefix = "topic_prefix is malformed; at most 64 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed";
        assert_eq!(of(|options| options.topic_prefix = "a/b".to_owned()).as_deref(), Some(prefix));
        let registry =
            "namespaces_topic is malformed; 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed";
        assert_eq!(of(|options| options.namespaces_topic = "a/b".to_owned()).as_deref(), Some(registry));
        let registry = "namespaces_topic may be the topic of a namespace; a name without topic_prefix is allowed, or \
                        with _namespaces after it";
        assert_eq!(of(|options| options.namespaces_topic = "prism-a".to_owned()).as_deref(), Some(registry));
        let sasl = Sasl { mechanism: Mechanism::ScramSha256, ..Sasl::default() };
        let scram = check_build(&Options { sasl: Some(sasl), ..Options::new("a:1") }).err();
        let tls = check_build(&Options { tls: Some(Tls::default()), ..Options::new("a:1") }).err();
        let zstd = check_build(&Options { compression: Compression::Zstd, ..Options::new("a:1") }).err();
        let if_absent = |has: bool, text: &str| (!has).then(|| text.to_owned());
        let has_tls = cfg!(feature = "kafka-tls");
        assert_eq!(scram, if_absent(has_tls, "SASL SCRAM needs a build with the feature kafka-tls"));
        assert_eq!(tls, if_absent(has_tls, "TLS to Kafka needs a build with the feature kafka-tls"));
        let has_zstd = cfg!(feature = "kafka-zstd");
        assert_eq!(
            zstd,
            if_absent(has_zstd, "compression by zstd needs a build with the feature kafka-zstd")
        );
    }

    #[test]
    fn a_topic_that_a_namespace_may_have_is_told() {
        let digest = format!("p-_h{}", "0a".repeat(32));
        for topic in ["p-a", "p--", "p-a_2eb", "p-_5f", "p-a.2eb", digest.as_str()] {
            assert!(may_be_of_a_namespace("p-", topic), "{topic}");
        }
        for topic in ["p-", "p-_namespaces", "p-a_", "p-a_2", "p-a_2E", "p-_habc", "other", "q-a"] {
            assert!(!may_be_of_a_namespace("p-", topic), "{topic}");
        }
        assert!(may_be_of_a_namespace("p.", "p_a") && may_be_of_a_namespace("", "a"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let sasl = Sasl { password: "pa55word".to_owned(), username: "u".to_owned(), ..Sasl::default() };
        let options = Options { sasl: Some(sasl), ..Options::new("a:1") };
        assert!(!format!("{options:?}").contains("pa55word"));
    }
}
