//! Conversion of responses.

use prism_contract::keyvalue::request::{
    DeleteResponse, DescribeResponse, GetResponse, PutResponse, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Capability, Entry, Item, Key, Limits, PutResult, RecordId};
use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1 as pb;

use crate::message::{Unreadable, WireResponse, timestamp, timestamp_from};

impl WireResponse for PutResponse {
    type Message = pb::PutResponse;

    fn from_message(message: pb::PutResponse) -> Result<Self, Unreadable> {
        let results = message.results.into_iter();
        let results = results.map(|result| PutResult { applied: result.applied, version: result.version });
        Ok(Self { results: results.collect() })
    }

    fn into_message(self) -> pb::PutResponse {
        let results = self.results.into_iter();
        let results =
            results.map(|result| pb::PutResult { applied: result.applied, version: result.version });
        pb::PutResponse { results: results.collect() }
    }
}

impl WireResponse for GetResponse {
    type Message = pb::GetResponse;

    fn from_message(message: pb::GetResponse) -> Result<Self, Unreadable> {
        let items = message.items.into_iter().map(item_from).collect::<Result<_, _>>()?;
        Ok(Self { items, next_page_token: message.next_page_token })
    }

    fn into_message(self) -> pb::GetResponse {
        let items = self.items.into_iter().map(item_into).collect();
        pb::GetResponse { items, next_page_token: self.next_page_token }
    }
}

impl WireResponse for DeleteResponse {
    type Message = pb::DeleteResponse;

    fn from_message(message: pb::DeleteResponse) -> Result<Self, Unreadable> {
        Ok(Self { deleted_count: message.deleted_count })
    }

    fn into_message(self) -> pb::DeleteResponse {
        pb::DeleteResponse { deleted_count: self.deleted_count }
    }
}

impl WireResponse for ScanResponse {
    type Message = pb::ScanResponse;

    fn from_message(message: pb::ScanResponse) -> Result<Self, Unreadable> {
        let entries = message.entries.into_iter().map(entry_from).collect::<Result<_, _>>()?;
        Ok(Self { entries, resume_token: message.resume_token })
    }

    fn into_message(self) -> pb::ScanResponse {
        let entries = self.entries.into_iter().map(entry_into).collect();
        pb::ScanResponse { entries, resume_token: self.resume_token }
    }
}

impl WireResponse for DescribeResponse {
    type Message = pb::DescribeResponse;

    /// Unknown capabilities are ignored: a newer server may declare more.
    fn from_message(message: pb::DescribeResponse) -> Result<Self, Unreadable> {
        let known = |number: &i32| Capability::ALL.into_iter().find(|known| *known as i32 == *number);
        let limits = message.limits.ok_or_else(|| Unreadable::missing("limits"))?;
        Ok(Self {
            server_version: message.server_version,
            contract_version: message.contract_version,
            capabilities: message.capabilities.iter().filter_map(known).collect::<Capabilities>(),
            limits: Limits {
                id_bytes: limits.max_id_bytes,
                key_bytes: limits.max_key_bytes,
                value_bytes: limits.max_value_bytes,
                put_items: limits.max_put_items,
                put_bytes: limits.max_put_bytes,
                page_items: limits.max_page_items,
                page_bytes: limits.max_page_bytes,
            },
        })
    }

    fn into_message(self) -> pb::DescribeResponse {
        pb::DescribeResponse {
            server_version: self.server_version,
            contract_version: self.contract_version,
            capabilities: self
                .capabilities
                .iter()
                .map(|capability| capability_into(capability) as i32)
                .collect(),
            limits: Some(pb::Limits {
                max_id_bytes: self.limits.id_bytes,
                max_key_bytes: self.limits.key_bytes,
                max_value_bytes: self.limits.value_bytes,
                max_put_items: self.limits.put_items,
                max_put_bytes: self.limits.put_bytes,
                max_page_items: self.limits.page_items,
                max_page_bytes: self.limits.page_bytes,
            }),
        }
    }
}

fn capability_into(capability: Capability) -> pb::Capability {
    match capability {
        Capability::ConditionalWrites => pb::Capability::ConditionalWrites,
        Capability::PriorityTokens => pb::Capability::PriorityTokens,
        Capability::Expiry => pb::Capability::Expiry,
        Capability::Reverse => pb::Capability::Reverse,
        Capability::NamespaceScan => pb::Capability::NamespaceScan,
    }
}

fn entry_from(message: pb::Entry) -> Result<Entry, Unreadable> {
    let id = RecordId::new(message.id).map_err(|why| Unreadable::new("entries.id", why))?;
    let item = message.item.ok_or_else(|| Unreadable::missing("entries.item"))?;
    Ok(Entry { id, item: item_from(item)? })
}

fn entry_into(entry: Entry) -> pb::Entry {
    pb::Entry { id: entry.id.as_str().to_owned(), item: Some(item_into(entry.item)) }
}

fn item_from(message: pb::Item) -> Result<Item, Unreadable> {
    let metadata = message.metadata.ok_or_else(|| Unreadable::missing("item.metadata"))?;
    let created_at = metadata.created_at.ok_or_else(|| Unreadable::missing("item.metadata.created_at"))?;
    let updated_at = metadata.updated_at.ok_or_else(|| Unreadable::missing("item.metadata.updated_at"))?;
    let expires_at = metadata.expires_at.map(|at| timestamp_from("item.metadata.expires_at", at));
    Ok(Item {
        key: Key::new(message.key).map_err(|why| Unreadable::new("item.key", why))?,
        value: message.value,
        content_type: metadata.content_type,
        compression: metadata.compression,
        version: metadata.version,
        priority_token: metadata.priority_token,
        created_at: timestamp_from("item.metadata.created_at", created_at)?,
        updated_at: timestamp_from("item.metadata.updated_at", updated_at)?,
        expires_at: expires_at.transpose()?,
    })
}

fn item_into(item: Item) -> pb::Item {
    pb::Item {
        key: item.key.into_bytes(),
        value: item.value,
        metadata: Some(ItemMetadata {
            content_type: item.content_type,
            compression: item.compression,
            version: item.version,
            priority_token: item.priority_token,
            created_at: Some(timestamp(item.created_at)),
            updated_at: Some(timestamp(item.updated_at)),
            expires_at: item.expires_at.map(timestamp),
        }),
    }
}
