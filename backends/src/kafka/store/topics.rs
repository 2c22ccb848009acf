//! Topics and their settings: those of its policy where Prism creates the topic, checked where an operator does.

use std::time::Duration;

use prism_contract::Error;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use super::client::{self, Context};
use super::{Options, translate};

/// Time by which a topic keeps events longer than its policy. The brokers' clocks differ from the gateways', and a Tail from the
/// beginning passes over events that had expired when it began, for as long as they are there.
pub(super) const RETENTION_MARGIN: Duration = Duration::from_hours(1);

/// The setting by which newer brokers bound how far in the future a record's timestamp may lie, an hour by default.
const FUTURE: &str = "message.timestamp.after.max.ms";

/// Creates topics.
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
    /// The records of the namespaces.
    Registry,
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
            Self::Registry => {
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

    /// Creates a topic; `false`: it was there.
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
            Err(error) => Err(code_of(&error)),
        }
    }

    /// Changes the retention of a topic: its other settings are set again, because the request that every
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
            Err(error) => Err(code_of(&error)),
        }
    }

    /// Checks the settings without which events would be lost, or have other times, on a topic that an operator has created.
    ///
    /// # Errors
    /// The first setting at fault, or the settings cannot be read.
    pub(super) async fn check(&self, name: &str, retention: Option<u64>) -> Result<(), Error> {
        match self.describe(name).await {
            Ok(topic) => faultless(name, fault(|key| topic.get(key)?.value.as_deref(), retention)),
            // Records with another timestamp are noticed when they are written or read.
            Err(Code::UnsupportedFeature | Code::UnsupportedVersion) => {
                tracing::warn!(
                    topic = name,
                    "the brokers do not tell the topic's settings: they are not checked"
                );
                Ok(())
            }
            Err(Code::TopicAuthorizationFailed) => Err(Error::internal(format!(
                "the settings of the topic {name} cannot be read; with create_topics: false the right \
                 DescribeConfigs is needed"
            ))),
            Err(code) => Err(translate(KafkaError::AdminOp(code))),
        }
    }

    /// Checks that a topic's records keep their timestamps, as far as the brokers tell.
    ///
    /// # Errors
    /// They do not.
    pub(super) async fn check_stamps(&self, name: &str) -> Result<(), Error> {
        match self.describe(name).await {
            Ok(topic) => faultless(name, unfit(|key| topic.get(key)?.value.as_deref(), STAMPS)),
            Err(code) => {
                tracing::warn!(
                    topic = name,
                    %code,
                    "the broker reports the times of its log; whether message.timestamp.type is CreateTime cannot be read"
                );
                Ok(())
            }
        }
    }

    async fn describe(&self, name: &str) -> Result<ConfigResource, Code> {
        let described = self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()).await;
        match described.map(|mut results| results.pop()) {
            Ok(Some(result)) => result,
            Ok(None) => Err(Code::Fail),
            Err(error) => Err(code_of(&error)),
        }
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }
}

/// The code of a request that was not answered.
fn code_of(error: &KafkaError) -> Code {
    match error {
        KafkaError::AdminOp(code) => *code,
        error => error.rdkafka_error_code().unwrap_or(Code::OperationTimedOut),
    }
}

/// A setting, and the value that it needs.
type Needed = (&'static str, &'static str);

const STAMPS: Needed = ("message.timestamp.type", "CreateTime");
const CLEANUP: Needed = ("cleanup.policy", "delete");

/// The fault of a setting with another value than it needs.
fn unfit<'a>(setting: impl Fn(&str) -> Option<&'a str>, (key, needed): Needed) -> Option<String> {
    let value = setting(key).filter(|value| *value != needed)?;
    Some(format!("{key} {value}; {needed} is needed"))
}

fn faultless(topic: &str, fault: Option<String>) -> Result<(), Error> {
    fault.map_or(Ok(()), |fault| Err(Error::internal(format!("the topic {topic} has {fault}"))))
}

/// The first setting of a topic that loses events of this retention, or changes their times; `None`: there is none.
fn fault<'a>(setting: impl Fn(&str) -> Option<&'a str>, retention: Option<u64>) -> Option<String> {
    if let Some(fault) = [STAMPS, CLEANUP].into_iter().find_map(|needed| unfit(&setting, needed)) {
        return Some(fault);
    }
    let (key, value) = ("retention.ms", setting("retention.ms")?);
    let kept = value.parse::<i64>().ok()?;
    // Negative: for ever.
    let kept = u64::try_from(kept).ok()?;
    let Some(retention) = retention else { return Some(format!("{key} {value}; -1 is needed")) };
    let needed = retention.saturating_add(u64::try_from(RETENTION_MARGIN.as_millis()).unwrap_or(u64::MAX));
    (kept < needed).then(|| format!("{key} {value}; at least {needed} is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_lose_events_or_change_their_times_are_faults() {
        let of = |key: &'static str, value: &'static str, retention| {
            fault(|asked| (asked == key).then_some(value), retention)
        };
        let hour = Some(3_600_000);
        for (key, value, retention, expected) in [
            ("message.timestamp.type", "CreateTime", hour, None),
            (
                "message.timestamp.type",
                "LogAppendTime",
                hour,
                Some("message.timestamp.type LogAppendTime; CreateTime is needed"),
            ),
            (
                "cleanup.policy",
                "compact,delete",
                hour,
                Some("cleanup.policy compact,delete; delete is needed"),
            ),
            ("retention.ms", "7200000", hour, None),
            ("retention.ms", "7199999", hour, Some("retention.ms 7199999; at least 7200000 is needed")),
            ("retention.ms", "7199999", None, Some("retention.ms 7199999; -1 is needed")),
            ("retention.ms", "-1", None, None),
            ("retention.ms", "-1", hour, None),
        ] {
            assert_eq!(of(key, value, retention).as_deref(), expected, "{key} {value}");
        }
    }
}
