//! The edge: validates client requests into operations, and turns a backend's pages into answers with tokens.

use std::sync::Arc;

use super::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use super::{
    CONTRACT_VERSION, Capability, Delete, Direction, Directory, Get, KeyValueBackend, Limits, Policy, Put,
    Scan, Selection, Served, TokenScope,
};
use crate::common::Checks;
use crate::{Access, Error, Namespace, Timestamp};

/// Validates requests in front of backends. It refuses, in this order: a request that the contract does not allow, a
/// namespace that is not served or has had too many calls, a request beyond the namespace's policy, and a capability that the
/// backend does not declare. A backend receives valid operations only.
///
/// It reads no clock: `now` is an argument.
#[derive(Clone)]
pub struct Edge<D> {
    server_version: Arc<str>,
    directory: D,
}

impl<D: Directory> Edge<D> {
    /// An edge in front of the backends of `directory`, such as the `Arc` of a single backend; Describe returns
    /// `server_version`.
    pub fn new(directory: D, server_version: impl Into<Arc<str>>) -> Self {
        Self { server_version: server_version.into(), directory }
    }

    /// The directory of backends.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// Writes items.
    pub async fn put(&self, now: Timestamp, request: PutRequest) -> Result<PutResponse, Error> {
        let put = valid_put(now, request)?;
        let Served { backend, policy } = self.directory.find(&put.namespace, Access::Write)?;
        let put = match policy {
            Some(policy) => policy.apply(put)?,
            None => put,
        };
        require(&*backend, &put.namespace, Capability::ConditionalWrites, !put.preconditions.is_empty())?;
        require(&*backend, &put.namespace, Capability::PriorityTokens, put.token > 0)?;
        require(&*backend, &put.namespace, Capability::Expiry, put.expires_at.is_some())?;
        Ok(PutResponse { results: backend.put(put).await? })
    }

    /// Reads a page of a record.
    pub async fn get(&self, now: Timestamp, request: GetRequest) -> Result<GetResponse, Error> {
        let (mut get, scope) = valid_get(now, request)?;
        let Served { backend, policy } = self.directory.find(&get.namespace, Access::Read)?;
        get.selection = within(policy.as_deref(), get.selection);
        let is_reverse = get.selection.direction == Direction::Reverse;
        require(&*backend, &get.namespace, Capability::Reverse, is_reverse)?;
        let page = backend.get(&get).await?;
        let last = page.items.last().filter(|_| page.more);
        let next_page_token = last.map(|item| scope.seal(&get.id, &item.key)).unwrap_or_default();
        Ok(GetResponse { items: page.items, next_page_token })
    }

    /// Removes items.
    pub async fn delete(&self, now: Timestamp, request: DeleteRequest) -> Result<DeleteResponse, Error> {
        let delete = valid_delete(now, request)?;
        let Served { backend, .. } = self.directory.find(&delete.namespace, Access::Write)?;
        let is_conditional = !delete.preconditions.is_empty();
        require(&*backend, &delete.namespace, Capability::ConditionalWrites, is_conditional)?;
        require(&*backend, &delete.namespace, Capability::PriorityTokens, delete.token > 0)?;
        Ok(DeleteResponse { deleted_count: backend.delete(delete).await? })
    }

    /// Starts a scan; each [`ScanCursor::next`] reads one message.
    pub fn scan(&self, request: ScanRequest) -> Result<ScanCursor, Error> {
        let limit = request.limit;
        let (mut scan, scope) = valid_scan(request)?;
        let Served { backend, policy } = self.directory.find(&scan.namespace, Access::Read)?;
        scan.selection = within(policy.as_deref(), scan.selection);
        let is_reverse = scan.selection.direction == Direction::Reverse;
        require(&*backend, &scan.namespace, Capability::Reverse, is_reverse)?;
        require(&*backend, &scan.namespace, Capability::NamespaceScan, scan.id.is_none())?;
        Ok(ScanCursor { backend, scope, remaining: (limit > 0).then_some(limit), next: Some(scan) })
    }

    /// Describes the server, as it serves the namespace.
    pub fn describe(&self, request: &DescribeRequest) -> Result<DescribeResponse, Error> {
        let mut checks = Checks::default();
        let namespace = checks.at("namespace", Namespace::new(&request.namespace));
        let namespace = checks.finish_with(namespace)?;
        let Served { backend, policy } = self.directory.find(&namespace, Access::Describe)?;
        Ok(DescribeResponse {
            server_version: self.server_version.to_string(),
            contract_version: CONTRACT_VERSION.to_owned(),
            capabilities: backend.capabilities(&namespace),
            limits: policy.map_or(Limits::V1, |policy| policy.limits),
        })
    }
}

/// Refuses a request that uses a capability which the backend does not declare (CAP-1).
fn require(
    backend: &dyn KeyValueBackend,
    namespace: &Namespace,
    capability: Capability,
    used: bool,
) -> Result<(), Error> {
    if used && !backend.capabilities(namespace).contains(capability) {
        return Err(Error::Unimplemented(capability.name()));
    }
    Ok(())
}

/// The selection within the page size of the policy.
fn within(policy: Option<&Policy>, selection: Selection) -> Selection {
    policy.map_or(selection, |policy| policy.within(selection))
}

/// A scan in progress. It reads one message at a time, so a slow reader holds at most one page (SCAN-3).
pub struct ScanCursor {
    backend: Arc<dyn KeyValueBackend>,
    scope: TokenScope,
    remaining: Option<u64>,
    next: Option<Scan>,
}

impl ScanCursor {
    /// The next message, as of `now`; `None` after the last. There is always a last message; its token is empty if nothing
    /// is left.
    pub async fn next(&mut self, now: Timestamp) -> Result<Option<ScanResponse>, Error> {
        let Some(mut scan) = self.next.take() else { return Ok(None) };
        scan.now = now;
        if let Some(remaining) = self.remaining {
            scan.selection.page = scan.selection.page.at_most(remaining);
        }
        let page = self.backend.scan(&scan).await?;
        let last = page.entries.last().filter(|_| page.more);
        let resume_token = last.map(|entry| self.scope.seal(&entry.id, &entry.item.key));
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(page.entries.len() as u64);
        }
        if let Some(entry) = last.filter(|_| self.remaining != Some(0)) {
            scan.after = Some(entry.position());
            self.next = Some(scan);
        }
        Ok(Some(ScanResponse { resume_token: resume_token.unwrap_or_default(), entries: page.entries }))
    }
}

fn valid_put(now: Timestamp, request: PutRequest) -> Result<Put, Error> {
    let mut checks = Checks::default();
    let record = checks.record(&request.namespace, &request.id);
    let items = checks.items(request.items);
    checks.token(request.item_priority_token);
    let expires_at = checks.expires_at(now, request.ttl);
    let preconditions = checks.preconditions(request.preconditions);
    let (namespace, id) = checks.finish_with(record)?;
    Ok(Put { namespace, id, items, token: request.item_priority_token, expires_at, preconditions, now })
}

fn valid_get(now: Timestamp, request: GetRequest) -> Result<(Get, TokenScope), Error> {
    let mut checks = Checks::default();
    let record = checks.record(&request.namespace, &request.id);
    let predicate = checks.predicate_or_all(request.predicate);
    let ((namespace, id), predicate) = checks.finish_with(record.zip(predicate))?;
    let selection = Selection::from(request.selection);
    let scope = TokenScope::get(&namespace, &id, &predicate, selection.direction);
    let after = scope
        .open(&request.page_token)
        .map_err(|why| Error::invalid("page_token", why.into_string()))?
        .map(|position| position.key);
    Ok((Get { namespace, id, predicate, selection, after, now }, scope))
}

fn valid_delete(now: Timestamp, request: DeleteRequest) -> Result<Delete, Error> {
    let mut checks = Checks::default();
    let record = checks.record(&request.namespace, &request.id);
    let predicate = checks.predicate_required(request.predicate);
    checks.token(request.item_priority_token);
    let preconditions = checks.preconditions(request.preconditions);
    let ((namespace, id), predicate) = checks.finish_with(record.zip(predicate))?;
    let token = request.item_priority_token;
    Ok(Delete { namespace, id, predicate, token, preconditions, now })
}

fn valid_scan(request: ScanRequest) -> Result<(Scan, TokenScope), Error> {
    let mut checks = Checks::default();
    let names = checks.namespace_and_id(&request.namespace, &request.id);
    let predicate = checks.predicate_or_all(request.predicate);
    let ((namespace, id), predicate) = checks.finish_with(names.zip(predicate))?;
    let selection = Selection::from(request.selection);
    let scope = TokenScope::scan(&namespace, id.as_ref(), &predicate, selection.direction);
    let after =
        scope.open(&request.resume_token).map_err(|why| Error::invalid("resume_token", why.into_string()))?;
    // `now` is set for each message.
    let now = Timestamp::EPOCH;
    Ok((Scan { namespace, id, predicate, selection, after, now }, scope))
}
