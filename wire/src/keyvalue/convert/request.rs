//! Conversion of requests, without validation.

use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest,
    ScanRequest, SelectionInput,
};
use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_predicate::Predicate;

use crate::message::{WireRequest, duration_input, input_duration};

impl WireRequest for PutRequest {
    type Message = pb::PutRequest;

    fn from_message(message: pb::PutRequest) -> Self {
        Self {
            namespace: message.namespace,
            id: message.id,
            items: message.items.into_iter().map(item_from).collect(),
            item_priority_token: message.item_priority_token,
            ttl: message.ttl.map(duration_input),
            preconditions: preconditions_from(message.preconditions),
        }
    }

    fn into_message(self) -> pb::PutRequest {
        pb::PutRequest {
            namespace: self.namespace,
            id: self.id,
            items: self.items.into_iter().map(item_into).collect(),
            item_priority_token: self.item_priority_token,
            ttl: self.ttl.map(input_duration),
            preconditions: preconditions_into(self.preconditions),
        }
    }
}

impl WireRequest for GetRequest {
    type Message = pb::GetRequest;

    fn from_message(message: pb::GetRequest) -> Self {
        Self {
            namespace: message.namespace,
            id: message.id,
            predicate: message.predicate.map(predicate_from),
            selection: selection_from(message.selection),
            page_token: message.page_token,
        }
    }

    fn into_message(self) -> pb::GetRequest {
        pb::GetRequest {
            namespace: self.namespace,
            id: self.id,
            predicate: self.predicate.map(predicate_into),
            selection: selection_into(self.selection),
            page_token: self.page_token,
        }
    }
}

impl WireRequest for DeleteRequest {
    type Message = pb::DeleteRequest;

    fn from_message(message: pb::DeleteRequest) -> Self {
        Self {
            namespace: message.namespace,
            id: message.id,
            predicate: message.predicate.map(predicate_from),
            item_priority_token: message.item_priority_token,
            preconditions: preconditions_from(message.preconditions),
        }
    }

    fn into_message(self) -> pb::DeleteRequest {
        pb::DeleteRequest {
            namespace: self.namespace,
            id: self.id,
            predicate: self.predicate.map(predicate_into),
            item_priority_token: self.item_priority_token,
            preconditions: preconditions_into(self.preconditions),
        }
    }
}

impl WireRequest for ScanRequest {
    type Message = pb::ScanRequest;

    fn from_message(message: pb::ScanRequest) -> Self {
        Self {
            namespace: message.namespace,
            id: message.id,
            predicate: message.predicate.map(predicate_from),
            selection: selection_from(message.selection),
            resume_token: message.resume_token,
            limit: message.limit,
        }
    }

    fn into_message(self) -> pb::ScanRequest {
        pb::ScanRequest {
            namespace: self.namespace,
            id: self.id,
            predicate: self.predicate.map(predicate_into),
            selection: selection_into(self.selection),
            resume_token: self.resume_token,
            limit: self.limit,
        }
    }
}

impl WireRequest for DescribeRequest {
    type Message = pb::DescribeRequest;

    fn from_message(message: pb::DescribeRequest) -> Self {
        Self { namespace: message.namespace }
    }

    fn into_message(self) -> pb::DescribeRequest {
        pb::DescribeRequest { namespace: self.namespace }
    }
}

fn item_from(item: pb::Item) -> ItemInput {
    let ItemMetadata { content_type, compression, .. } = item.metadata.unwrap_or_default();
    ItemInput { key: item.key, value: item.value, content_type, compression }
}

fn item_into(item: ItemInput) -> pb::Item {
    let ItemInput { key, value, content_type, compression } = item;
    let metadata = ItemMetadata { content_type, compression, ..ItemMetadata::default() };
    pb::Item { key, value, metadata: (metadata != ItemMetadata::default()).then_some(metadata) }
}

fn preconditions_from(messages: Vec<pb::Precondition>) -> Vec<PreconditionInput> {
    messages
        .into_iter()
        .map(|message| PreconditionInput { key: message.key, version: message.version })
        .collect()
}

fn preconditions_into(inputs: Vec<PreconditionInput>) -> Vec<pb::Precondition> {
    inputs.into_iter().map(|input| pb::Precondition { key: input.key, version: input.version }).collect()
}

/// An unknown predicate stays unset: that of a newer client must not turn into `match_all` (DEL-4).
fn predicate_from(message: pb::KeyPredicate) -> KeyPredicate {
    match message.predicate {
        None => KeyPredicate::Unset,
        Some(Predicate::MatchAll(pb::MatchAll {})) => KeyPredicate::MatchAll,
        Some(Predicate::MatchKeys(keys)) => KeyPredicate::MatchKeys(keys.keys),
        Some(Predicate::MatchRange(range)) => KeyPredicate::MatchRange { start: range.start, end: range.end },
        Some(Predicate::MatchPrefix(prefix)) => KeyPredicate::MatchPrefix(prefix.prefix),
    }
}

fn predicate_into(predicate: KeyPredicate) -> pb::KeyPredicate {
    let predicate = match predicate {
        KeyPredicate::Unset => None,
        KeyPredicate::MatchAll => Some(Predicate::MatchAll(pb::MatchAll {})),
        KeyPredicate::MatchKeys(keys) => Some(Predicate::MatchKeys(pb::MatchKeys { keys })),
        KeyPredicate::MatchRange { start, end } => Some(Predicate::MatchRange(pb::MatchRange { start, end })),
        KeyPredicate::MatchPrefix(prefix) => Some(Predicate::MatchPrefix(pb::MatchPrefix { prefix })),
    };
    pb::KeyPredicate { predicate }
}

/// An absent selection is equivalent to an empty one: all defaults.
fn selection_from(message: Option<pb::Selection>) -> SelectionInput {
    let pb::Selection { item_limit, page_size_bytes, keys_only, reverse } = message.unwrap_or_default();
    SelectionInput { item_limit, page_size_bytes, keys_only, reverse }
}

fn selection_into(selection: SelectionInput) -> Option<pb::Selection> {
    let SelectionInput { item_limit, page_size_bytes, keys_only, reverse } = selection;
    let message = pb::Selection { item_limit, page_size_bytes, keys_only, reverse };
    (message != pb::Selection::default()).then_some(message)
}
