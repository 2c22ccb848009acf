//! librdkafka's errors as the contract's.

use std::fmt;
use std::time::Duration;

use prism_contract::Error;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Retry delay of requests that are refused because others take all there is.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Why a read or a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The topic, or its partition, is missing.
    NoTopic,
    /// The offset is before the first record of the partition or after the last.
    OutOfRange,
    /// Anything else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition) => {
                Self::NoTopic
            }
            Some(Code::OffsetOutOfRange | Code::AutoOffsetReset) => Self::OutOfRange,
            _ => Self::Other(translate(error)),
        }
    }
}

impl Failure {
    /// The error of a call that reads a topic which is to be there, at an offset that is to be there.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NoTopic => Error::unavailable(Missing),
            Self::OutOfRange => Error::TokenExpired,
            Self::Other(error) => error,
        }
    }
}

/// A missing topic.
#[derive(Debug)]
pub(super) struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the topic of the namespace is missing; the next Append creates it, unless create_topics is false")
    }
}

impl std::error::Error for Missing {}

/// The contract's error. An unknown one is not to be repeated.
pub(super) fn translate(error: KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code, error),
        None => match error {
            // Its code is not among those.
            KafkaError::AdminOp(code) => of_code(code, error),
            _ => Error::internal(error),
        },
    }
}

fn of_code(code: Code, error: KafkaError) -> Error {
    match code {
        // The brokers are away, elect a leader, or have too few in-sync replicas: it may work later. A record may have been written.
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::NotController
        | Code::KafkaStorageError
        | Code::OffsetNotAvailable
        | Code::PreferredLeaderNotAvailable
        | Code::EligibleLeadersNotAvailable
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::WaitingForCoordinator
        | Code::Retry
        | Code::BrokerDestroy
        | Code::PurgeQueue
        | Code::PurgeInflight
        // The producer is replaced.
        | Code::Fatal
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::Authentication
        | Code::SSL => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_unavailable_and_an_unknown_error_is_not_repeated() {
        let of = |code| translate(KafkaError::MessageProduction(code)).reason();
        for code in [
            Code::MessageTimedOut,
            Code::NotEnoughReplicas,
            Code::AllBrokersDown,
            Code::NotLeaderForPartition,
        ] {
            assert_eq!(of(code), "BACKEND_UNAVAILABLE", "{code:?}");
            assert_eq!(translate(KafkaError::AdminOp(code)).reason(), "BACKEND_UNAVAILABLE", "{code:?}");
        }
        for code in [Code::MessageSizeTooLarge, Code::TopicAuthorizationFailed, Code::InvalidTopic] {
            assert_eq!(of(code), "INTERNAL", "{code:?}");
        }
        assert_eq!(translate(KafkaError::Canceled).reason(), "INTERNAL");
    }

    #[test]
    fn an_offset_that_the_log_no_longer_has_expires_the_token() {
        for code in [Code::OffsetOutOfRange, Code::AutoOffsetReset] {
            let failure = Failure::from(KafkaError::MessageConsumption(code));
            assert_eq!(failure.into_error().reason(), "TOKEN_EXPIRED", "{code:?}");
        }
        let missing = Failure::from(KafkaError::MetadataFetch(Code::UnknownTopicOrPartition));
        assert_eq!(missing.into_error().reason(), "BACKEND_UNAVAILABLE");
    }
}
