//! Clients of the brokers: their settings, and what librdkafka reports.

use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};

use super::Options;

/// Maximum size of a record with its batch: a payload of 1 MiB with series, id, content type, tags and Kafka's own fields.
pub(super) const MESSAGE_BYTES: u32 = (1 << 20) + (64 << 10);

/// Bytes that a consumer holds of what it has fetched and that was not taken.
const FETCHED_KIB: u32 = 4 << 10;

/// Reports what librdkafka says to the log. An outage is reported by the calls that fail, so these lines are for a search of
/// its cause.
#[derive(Debug, Default)]
pub(super) struct Context {
    errors: AtomicUsize,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The first of many.
        if self.errors.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) {
            tracing::warn!(%error, "Kafka: {reason}");
        } else {
            tracing::debug!(%error, "Kafka: {reason}");
        }
    }
}

impl ConsumerContext for Context {}

/// The settings that all clients share.
pub(super) fn shared(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.brokers)
        .set("client.id", "prism")
        // A topic is created by Prism with the settings of its policy, or by an operator.
        .set("allow.auto.create.topics", "false")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("socket.timeout.ms", millis(options.request_timeout.saturating_mul(2)))
        .set("socket.connection.setup.timeout.ms", millis(options.request_timeout.max(MIN_SETUP)))
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("retry.backoff.ms", "50")
        .set("message.max.bytes", MESSAGE_BYTES.to_string())
        .set_log_level(RDKafkaLogLevel::Warning);
    let protocol = match (&options.tls, &options.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &options.tls {
        for (key, path) in [
            ("ssl.ca.location", &tls.ca),
            ("ssl.certificate.location", &tls.cert),
            ("ssl.key.location", &tls.key),
        ] {
            if let Some(path) = path {
                config.set(key, path.display().to_string());
            }
        }
    }
    if let Some(sasl) = &options.sasl {
        config
            .set("sasl.mechanism", sasl.mechanism.name())
            .set("sasl.username", &sasl.username)
            .set("sasl.password", &sasl.password);
    }
    config
}

/// librdkafka's least time for the setup of a connection.
const MIN_SETUP: std::time::Duration = std::time::Duration::from_secs(1);

/// A consumer that is assigned partitions by hand. Its group is never joined and no offset is committed: librdkafka needs the
/// name.
pub(super) fn consumer(options: &Options) -> KafkaResult<BaseConsumer<Context>> {
    shared(options)
        .set("group.id", format!("{}readers", options.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that the log no longer has is an error, never another position.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        // What is read is there already: a fetch that waits would delay the next one.
        .set("fetch.wait.max.ms", "10")
        .set("fetch.error.backoff.ms", "20")
        .set("fetch.message.max.bytes", (2 << 20).to_string())
        .set("queued.max.messages.kbytes", FETCHED_KIB.to_string())
        .create_with_context(Context::default())
}

/// Milliseconds, as librdkafka reads them.
pub(super) fn millis(time: std::time::Duration) -> String {
    time.as_millis().clamp(1, 300_000).to_string()
}
