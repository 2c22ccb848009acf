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
        return Err("brokers is not a list of host:port by commas".to_owned());
    }
    if !is_name(&options.topic_prefix, MAX_PREFIX) {
        return Err(format!(
            "topic_prefix is malformed; at most {MAX_PREFIX} of a-z, A-Z, 0-9, '.', '_' and '-' are allowed"
        ));
    }
    if !is_name(&options.namespaces_topic, MAX_NAME) {
        return Err("namespaces_topic is not a name of a topic".to_owned());
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

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.trim().rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Sasl, Tls};

    #[cfg(feature = "kafka")]
    #[test]
    fn options_that_this_build_cannot_keep_are_refused() {
        let of = |change: fn(&mut Options)| {
            let mut options = Options::new("one:9092,[::1]:9093");
            change(&mut options);
            check_build(&options).err()
        };
        assert_eq!(of(|_| ()), None);
        let brokers = Some("brokers is not a list of host:port by commas".to_owned());
        assert_eq!(of(|options| options.brokers = "one".to_owned()), brokers);
        assert_eq!(of(|options| options.brokers = "one:1,".to_owned()), brokers);
        assert!(
            of(|options| options.topic_prefix = "a/b".to_owned())
                .is_some_and(|why| why.starts_with("topic_prefix"))
        );
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
    fn a_password_is_not_shown() {
        let sasl = Sasl { password: "pa55word".to_owned(), username: "u".to_owned(), ..Sasl::default() };
        let options = Options { sasl: Some(sasl), ..Options::new("a:1") };
        assert!(!format!("{options:?}").contains("pa55word"));
    }
}
