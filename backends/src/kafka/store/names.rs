//! Names of topics. Kafka treats `.` and `_` alike where it names metrics, and refuses two topics that differ only there: an
//! escaped namespace has no `.`.

use std::fmt::Write;

use prism_contract::Namespace;
use ring::digest::{SHA256, digest};

use super::super::MAX_NAME;

/// The topic of a namespace. No two namespaces have the same, nor names that differ only in `.` and `_` (ISO-1): letters, digits
/// and `-` stay, any other byte is `_` and two hexadecimal digits, and a name that is too long is `_h` and its SHA-256.
pub(super) fn topic(prefix: &str, namespace: &Namespace) -> String {
    let mut name = prefix.to_owned();
    for byte in namespace.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    if name.len() <= MAX_NAME {
        return name;
    }
    // `h` is no hexadecimal digit, so no other name is written so.
    let digest = digest(&SHA256, namespace.as_str().as_bytes());
    digest.as_ref().iter().fold(format!("{prefix}_h"), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(namespace: &str) -> String {
        topic("prism-", &Namespace::new(namespace).unwrap())
    }

    #[test]
    fn a_namespace_has_its_own_topic_also_where_kafka_takes_dots_for_underscores() {
        assert_eq!(of("metrics-1"), "prism-metrics-1");
        assert_eq!(of("a.b_c"), "prism-a_2eb_5fc");
        // Every pair of short names, as Kafka compares them.
        let letters = ["a", "2", "e", "5", "f", ".", "_", "-", "h"];
        let mut seen = HashSet::new();
        let mut count = 0;
        for one in letters {
            for two in letters {
                for three in letters {
                    for four in letters {
                        let name = format!("x{one}{two}{three}{four}");
                        assert!(seen.insert(of(&name).replace('.', "_")), "{name}");
                        count += 1;
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
        assert!(!seen.contains("prism-_namespaces"));
    }

    #[test]
    fn the_longest_namespaces_fit() {
        let long = |last: char| format!("a{}{last}", ".".repeat(126));
        let (one, other) = (of(&long('a')), of(&long('b')));
        assert_eq!(one.len(), "prism-_h".len() + 64);
        assert_ne!(one, other);
        assert!(of(&"a".repeat(128)).len() <= MAX_NAME);
        let prefix = "p".repeat(crate::kafka::MAX_PREFIX);
        assert!(topic(&prefix, &Namespace::new(long('a')).unwrap()).len() <= MAX_NAME);
    }
}
