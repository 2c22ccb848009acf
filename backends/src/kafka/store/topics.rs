//! Topics that Prism makes, with the settings of their policy.

use std::time::Duration;

use prism_contract::Error;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use super::client::{self, Context};
use super::{Options, translate};

/// Time by which a topic keeps events longer than its policy. The brokers' clocks differ from the gateways', and a Tail from the
/// beginning passes over events that had expired when it began, for as long as they are there.
pub(super) const RETENTION_MARGIN: Duration = Duration::from_hours(1);

/// The setting by which newer brokers bound how far in the future a record's timestamp may lie, an hour by default.
const FUTURE: &str = "message.timestamp.after.max.ms";

/// Makes topics.
pub(super) struct Topics {
    admin: AdminClient<Context>,
    replication: i32,
    timeout: Duration,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The events of a namespace, kept for so many milliseconds; `None`: for ever.
    Events(Option<u64>),
    /// The record of the namespaces.
    Namespaces,
}

impl Purpose {
    fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Events(retention) => {
                let margin = u64::try_from(RETENTION_MARGIN.as_millis()).unwrap_or(u64::MAX);
                let kept = retention.map_or("-1".to_owned(), |millis| {
                    millis.saturating_add(margin).min(i64::MAX.cast_unsigned()).to_string()
                });
                vec![
                    ("cleanup.policy", "delete".to_owned()),
                    ("retention.ms", kept),
                    ("retention.bytes", "-1".to_owned()),
                    ("message.timestamp.type", "CreateTime".to_owned()),
                    ("max.message.bytes", client::MESSAGE_BYTES.to_string()),
                ]
            }
            Self::Namespaces => {
                vec![("cleanup.policy", "compact".to_owned()), ("retention.ms", "-1".to_owned())]
            }
        }
    }
}

impl Topics {
    pub(super) fn new(options: &Options) -> KafkaResult<Self> {
        let admin = client::shared(options).create_with_context(Context::default())?;
        let replication = i32::try_from(options.replication).ok().filter(|count| *count > 0).unwrap_or(-1);
        Ok(Self { admin, replication, timeout: options.request_timeout })
    }

    /// Makes a topic; `false`: it was there.
    pub(super) async fn create(&self, name: &str, partitions: u32, purpose: Purpose) -> Result<bool, Error> {
        let settings = purpose.settings();
        let future = matches!(purpose, Purpose::Events(_)).then_some((FUTURE, i64::MAX.to_string()));
        match self.try_create(name, partitions, settings.iter().chain(&future)).await {
            // A broker that does not know the last setting has no such bound, or another one.
            Err(Code::InvalidConfig) if future.is_some() => {
                self.try_create(name, partitions, settings.iter()).await
            }
            outcome => outcome,
        }
        .map_err(|code| translate(KafkaError::AdminOp(code)))
    }

    async fn try_create<'a>(
        &self,
        name: &str,
        partitions: u32,
        settings: impl Iterator<Item = &'a (&'static str, String)> + Send,
    ) -> Result<bool, Code> {
        let partitions = super::offsets::signed(partitions);
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.replication));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let created = self.admin.create_topics([&topic], &self.options()).await;
        match created.map(|mut results| results.pop()) {
            Ok(Some(Ok(_))) => Ok(true),
            Ok(Some(Err((_, Code::TopicAlreadyExists)))) => Ok(false),
            Ok(Some(Err((_, code)))) => Err(code),
            Ok(None) => Err(Code::Fail),
            Err(error) => Err(error.rdkafka_error_code().unwrap_or(Code::OperationTimedOut)),
        }
    }

    /// Changes the retention of a topic that Prism has made: its other settings are set again, because the request that every
    /// broker has sets those to their defaults which it does not name.
    pub(super) async fn retain(&self, name: &str, retention: Option<u64>) -> Result<(), Error> {
        let settings = Purpose::Events(retention).settings();
        let future = (FUTURE, i64::MAX.to_string());
        match self.try_alter(name, settings.iter().chain([&future])).await {
            Err(Code::InvalidConfig) => self.try_alter(name, settings.iter()).await,
            outcome => outcome,
        }
        .map_err(|code| translate(KafkaError::AdminOp(code)))
    }

    async fn try_alter<'a>(
        &self,
        name: &str,
        settings: impl Iterator<Item = &'a (&'static str, String)> + Send,
    ) -> Result<(), Code> {
        let mut config = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in settings {
            config = config.set(key, value);
        }
        let altered = self.admin.alter_configs([&config], &self.options()).await;
        match altered.map(|mut results| results.pop()) {
            Ok(Some(Ok(_))) => Ok(()),
            Ok(Some(Err((_, code)))) => Err(code),
            Ok(None) => Err(Code::Fail),
            Err(error) => Err(error.rdkafka_error_code().unwrap_or(Code::OperationTimedOut)),
        }
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }
}
