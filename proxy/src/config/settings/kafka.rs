//! The keys of `database.kafka`.

use super::{COUNT, DURATION, FILE, SIZE, Setting, TIMEOUT, text};
use crate::config::values::{self, file, show_duration, show_size};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "database.kafka.brokers",
        doc: "Addresses of brokers, by commas. One that answers suffices: the others are found by it.",
        allowed: "a list of addresses by commas; write host:port for each, such as one:9092,two:9092",
        set: |config, text| values::brokers(text).map(|brokers| config.database.kafka.brokers = brokers),
        show: |config| Some(config.database.kafka.brokers.clone()).filter(|brokers| !brokers.is_empty()),
    },
    Setting {
        path: "database.kafka.topic_prefix",
        doc: "Start of the names of all topics. The topic of a namespace is this and its name, where a byte other than a \
              letter, a digit or `-` is `_` and two hexadecimal digits.",
        allowed: "the start of a topic's name; at most 64 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed",
        set: |config, text| values::topic(text, 64).map(|prefix| config.database.kafka.topic_prefix = prefix),
        show: |config| Some(config.database.kafka.topic_prefix.clone()),
    },
    Setting {
        path: "database.kafka.namespaces_topic",
        doc: "Topic with a record for each namespace, which all gateways on the brokers share. If unset, \
              `database.kafka.topic_prefix` and `_namespaces`.",
        allowed: "the name of a topic; at most 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed",
        set: |config, text| {
            values::topic(text, 249).map(|name| config.database.kafka.namespaces_topic = name)
        },
        show: |config| Some(config.database.kafka.namespaces_topic.clone()).filter(|name| !name.is_empty()),
    },
    Setting {
        path: "database.kafka.create_topics",
        doc: "Whether topics are made, and their retention follows the policy. If not, the topic of a namespace has to be there \
              before its first Append, with as many partitions as its policy says.",
        allowed: "true or false",
        set: |config, text| values::boolean(text).map(|flag| config.database.kafka.create_topics = flag),
        show: |config| Some(config.database.kafka.create_topics.to_string()),
    },
    Setting {
        path: "database.kafka.replication",
        doc: "Copies of each partition of the topics that are made. 0: as the brokers are configured.",
        allowed: "a whole number from 0 to 32767",
        set: |config, text| {
            let count = text.parse::<u32>().ok().filter(|count| *count <= 32_767);
            count.map(|count| config.database.kafka.replication = count)
        },
        show: |config| Some(config.database.kafka.replication.to_string()),
    },
    Setting {
        path: "database.kafka.compression",
        doc: "Compression of the batches of events: `none`, `gzip`, `snappy`, `lz4`, or `zstd`, which needs a build with the \
              feature `kafka-zstd`.",
        allowed: "a compression; write none, gzip, snappy, lz4 or zstd",
        set: |config, text| values::compression(text).map(|kind| config.database.kafka.compression = kind),
        show: |config| Some(config.database.kafka.compression.name().to_owned()),
    },
    Setting {
        path: "database.kafka.idempotence",
        doc: "Whether the producer numbers its batches, so that one that is sent again is written once. Without it a batch at a \
              time is sent to each broker, for brokers that do not know the numbers.",
        allowed: "true or false",
        set: |config, text| values::boolean(text).map(|flag| config.database.kafka.idempotence = flag),
        show: |config| Some(config.database.kafka.idempotence.to_string()),
    },
    Setting {
        path: "database.kafka.clock_skew",
        doc: "Maximum difference between the clocks of the gateways. With a greater one, a Query may miss the order of events.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.database.kafka.clock_skew = time),
        show: |config| Some(show_duration(config.database.kafka.clock_skew)),
    },
    Setting {
        path: "database.kafka.request_timeout",
        doc: "Time after which a call fails with UNAVAILABLE if the brokers do not answer.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|time| config.database.kafka.request_timeout = time),
        show: |config| Some(show_duration(config.database.kafka.request_timeout)),
    },
    Setting {
        path: "database.kafka.readers",
        doc: "Maximum number of reads at once, each by a consumer with its connections and threads.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.database.kafka.readers = count),
        show: |config| Some(config.database.kafka.readers.to_string()),
    },
    Setting {
        path: "database.kafka.queue_bytes",
        doc: "Maximum size of the events that wait for their acknowledgement. Further Appends wait for a second, and are refused \
              with RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.database.kafka.queue_bytes = size),
        show: |config| Some(show_size(config.database.kafka.queue_bytes)),
    },
    Setting {
        path: "database.kafka.scan_bytes",
        doc: "Maximum size of the events that a Query holds to put them in order. If the acceptance window has more, it reads \
              them again for a later page.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.database.kafka.scan_bytes = size),
        show: |config| Some(show_size(config.database.kafka.scan_bytes)),
    },
    Setting {
        path: "database.kafka.username",
        doc: "User at the brokers, by SASL. Its password is in `database.kafka.password_file`.",
        allowed: "a user's name; a-z, A-Z, 0-9, '.', '_', '+', '=' and '-' are allowed",
        set: |config, text| {
            // Anything else may be a misplaced address with a password, and a name is shown.
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._+=-".contains(c);
            let is_name = !text.is_empty() && text.chars().all(is_allowed);
            is_name.then(|| config.database.kafka.sasl.get_or_insert_default().username = text.to_owned())
        },
        show: |config| config.database.kafka.sasl.as_ref().map(|sasl| sasl.username.clone()),
    },
    Setting {
        path: "database.kafka.password_file",
        doc: "File with the password of `database.kafka.username`. A line break at its end is ignored.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.database.kafka_password_file = Some(path)),
        show: |config| config.database.kafka_password_file.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.mechanism",
        doc: "How the password is proved: `PLAIN`, which sends it, so that TLS should be on, `SCRAM-SHA-256` or \
              `SCRAM-SHA-512`. SCRAM needs a build with the feature `kafka-tls`.",
        allowed: "a mechanism; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        set: |config, text| {
            let mechanism = values::mechanism(text)?;
            config.database.kafka.sasl.get_or_insert_default().mechanism = mechanism;
            Some(())
        },
        show: |config| config.database.kafka.sasl.as_ref().map(|sasl| sasl.mechanism.name().to_owned()),
    },
    Setting {
        path: "database.kafka.tls.ca",
        doc: "Certificate authorities of the brokers in PEM. TLS is on if one of the keys of `database.kafka.tls` is set; it \
              needs a build with the feature `kafka-tls`.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().ca = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.ca.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.tls.cert",
        doc: "The gateway's certificate in PEM, for brokers that ask for one. Its key is `database.kafka.tls.key`.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().cert = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.cert.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.tls.key",
        doc: "The private key of that certificate, in PEM.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().key = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.key.as_deref().map(text),
    },
];
