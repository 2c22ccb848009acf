//! Builders of the five calls: a case builds a request, sends it and checks the response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, ItemInput,
    KeyPredicate, PreconditionInput, PutRequest, PutResponse, ScanRequest, ScanResponse, SelectionInput, Ttl,
};

use super::{Ctx, Outcome, Request, Response, Store};
use crate::core::{Failure, Reply, StatusCode, Stop, answered, diverged, refused};

/// Maximum pages or messages read before an answer counts as endless.
pub(super) const ENDLESS: usize = 5_000;

fn copy(bytes: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

impl Ctx {
    /// Writes items, to record `r` by default.
    pub fn put(&self, items: impl IntoIterator<Item = ItemInput>) -> PutCall<'_> {
        PutCall::new(self, items.into_iter().collect())
    }

    /// Writes one item.
    pub fn put_one(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> PutCall<'_> {
        self.put([item(key, value)])
    }

    /// Reads a record, `r` by default.
    pub fn get(&self) -> GetCall<'_> {
        GetCall::new(
            self,
            GetRequest { namespace: self.namespace(""), id: "r".to_owned(), ..GetRequest::default() },
        )
    }

    /// Deletes items, from record `r` by default; the predicate is unset until the call chooses one.
    pub fn delete(&self) -> DeleteCall<'_> {
        let namespace = self.namespace("");
        DeleteCall::new(self, DeleteRequest { namespace, id: "r".to_owned(), ..DeleteRequest::default() })
    }

    /// Scans the case's namespace by default.
    pub fn scan(&self) -> ScanCall<'_> {
        ScanCall::new(self)
    }

    /// Reads the store's capabilities and limits.
    pub async fn describe(&self) -> Result<Reply<DescribeResponse>, Stop> {
        let request = Request::Describe(DescribeRequest { namespace: self.namespace("") });
        match self.send(&*self.store(), request).await? {
            (step, Outcome::Answered(Response::Describe(value))) => Ok(Reply { step, value }),
            (step, Outcome::Failed(failure)) => answered(step, Err(failure)),
            (step, _) => diverged(step, "a response to this request", "a response to another request"),
        }
    }
}

/// An item with this key and value.
pub fn item(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> ItemInput {
    ItemInput {
        key: Bytes::copy_from_slice(key.as_ref()),
        value: Bytes::copy_from_slice(value.as_ref()),
        ..ItemInput::default()
    }
}

/// Items with these keys and values.
pub fn items<K: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<ItemInput> {
    pairs.into_iter().map(|(key, value)| item(key, value)).collect()
}

/// Methods common to all four calls: the destination, and the terminal methods.
macro_rules! call {
    ($call:ident, $request:ident, $answer:ty, $wrap:expr, $outcome:ident) => {
        impl<'c> $call<'c> {
            /// Addresses another record.
            #[must_use]
            pub fn on(mut self, id: impl Into<String>) -> Self {
                self.request.id = id.into();
                self
            }

            /// Addresses another namespace: the case's namespace followed by `suffix`.
            #[must_use]
            pub fn within(mut self, suffix: &str) -> Self {
                self.request.namespace = self.ctx.namespace(suffix);
                self
            }

            /// Changes the request arbitrarily, also to an invalid one.
            #[must_use]
            pub fn with(mut self, change: impl FnOnce(&mut $request)) -> Self {
                change(&mut self.request);
                self
            }

            /// Sends through another gateway.
            #[must_use]
            pub fn via(mut self, store: Arc<dyn Store>) -> Self {
                self.store = store;
                self
            }

            /// Sends the request; checks nothing.
            pub async fn outcome(self) -> Result<(usize, Result<$answer, Failure>), Stop> {
                let request = $wrap(&self);
                match self.ctx.send(&*self.store, request).await? {
                    (step, Outcome::Answered(Response::$outcome(answer))) => Ok((step, Ok(answer))),
                    (step, Outcome::Failed(failure)) => Ok((step, Err(failure))),
                    (step, _) => {
                        diverged(step, "a response to this request", "a response to another request")
                    }
                }
            }

            /// Sends the request; checks nothing and keeps only the transcript.
            pub async fn sent(self) -> Result<(), Stop> {
                self.outcome().await.map(drop)
            }

            /// Sends the request; the status must be OK.
            pub async fn ok(self) -> Result<Reply<$answer>, Stop> {
                let (step, answer) = self.outcome().await?;
                answered(step, answer)
            }

            /// Sends the request; it must be refused with exactly this status.
            pub async fn fails(self, code: StatusCode) -> Result<Reply<Failure>, Stop> {
                let (step, answer) = self.outcome().await?;
                refused(step, answer, code)
            }
        }
    };
}

/// Methods that set the key predicate.
macro_rules! predicates {
    ($call:ident) => {
        impl $call<'_> {
            /// Every key.
            #[must_use]
            pub fn all(self) -> Self {
                self.choose(KeyPredicate::MatchAll)
            }

            /// These keys.
            #[must_use]
            pub fn keys<K: AsRef<[u8]>>(self, keys: impl IntoIterator<Item = K>) -> Self {
                self.choose(KeyPredicate::MatchKeys(keys.into_iter().map(copy).collect()))
            }

            /// From `start` (inclusive) to `end` (exclusive); empty is open.
            #[must_use]
            pub fn range(self, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> Self {
                self.choose(KeyPredicate::MatchRange { start: copy(start), end: copy(end) })
            }

            /// Keys with this prefix.
            #[must_use]
            pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
                self.choose(KeyPredicate::MatchPrefix(copy(prefix)))
            }

            /// This predicate.
            #[must_use]
            pub fn choose(mut self, predicate: KeyPredicate) -> Self {
                self.request.predicate = Some(predicate);
                self
            }
        }
    };
}

/// Methods that set page size, direction and projection.
macro_rules! selections {
    ($call:ident) => {
        impl $call<'_> {
            /// Pages of at most `items` items.
            #[must_use]
            pub fn page_of(mut self, items: u32) -> Self {
                self.request.selection.item_limit = items;
                self
            }

            /// Pages of at most `bytes` bytes.
            #[must_use]
            pub fn page_bytes(mut self, bytes: u32) -> Self {
                self.request.selection.page_size_bytes = bytes;
                self
            }

            /// Without values.
            #[must_use]
            pub fn keys_only(mut self) -> Self {
                self.request.selection.keys_only = true;
                self
            }

            /// In reverse order.
            #[must_use]
            pub fn reverse(mut self) -> Self {
                self.request.selection.reverse = true;
                self
            }

            /// This selection.
            #[must_use]
            pub fn select(mut self, selection: SelectionInput) -> Self {
                self.request.selection = selection;
                self
            }
        }
    };
}

/// Methods that guard a write.
macro_rules! guards {
    ($call:ident) => {
        impl $call<'_> {
            /// With this priority token.
            #[must_use]
            pub fn token(mut self, token: i64) -> Self {
                self.request.item_priority_token = token;
                self
            }

            /// Only if `key` has this version; 0 means only if it is absent.
            #[must_use]
            pub fn when(mut self, key: impl AsRef<[u8]>, version: i64) -> Self {
                self.request.preconditions.push(PreconditionInput { key: copy(key), version });
                self
            }
        }
    };
}

/// A Put.
pub struct PutCall<'c> {
    ctx: &'c Ctx,
    store: Arc<dyn Store>,
    request: PutRequest,
}

/// A Get.
pub struct GetCall<'c> {
    ctx: &'c Ctx,
    store: Arc<dyn Store>,
    request: GetRequest,
}

/// A Delete.
pub struct DeleteCall<'c> {
    ctx: &'c Ctx,
    store: Arc<dyn Store>,
    request: DeleteRequest,
}

/// A Scan.
pub struct ScanCall<'c> {
    ctx: &'c Ctx,
    store: Arc<dyn Store>,
    messages: Option<usize>,
    request: ScanRequest,
}

call!(PutCall, PutRequest, PutResponse, |call: &PutCall| Request::Put(call.request.clone()), Put);
call!(GetCall, GetRequest, GetResponse, |call: &GetCall| Request::Get(call.request.clone()), Get);
call!(
    DeleteCall,
    DeleteRequest,
    DeleteResponse,
    |call: &DeleteCall| Request::Delete(call.request.clone()),
    Delete
);
call!(
    ScanCall,
    ScanRequest,
    Vec<ScanResponse>,
    |call: &ScanCall| Request::Scan(call.request.clone(), call.messages),
    Scan
);
predicates!(GetCall);
predicates!(DeleteCall);
predicates!(ScanCall);
selections!(GetCall);
selections!(ScanCall);
guards!(PutCall);
guards!(DeleteCall);

impl<'c> PutCall<'c> {
    pub(super) fn new(ctx: &'c Ctx, items: Vec<ItemInput>) -> Self {
        let (namespace, id) = (ctx.namespace(""), "r".to_owned());
        Self {
            ctx,
            store: ctx.store(),
            request: PutRequest { namespace, id, items, ..PutRequest::default() },
        }
    }

    /// Time to live of the items.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        self.request.ttl = Some(Ttl { seconds, nanos: i32::try_from(ttl.subsec_nanos()).unwrap_or(0) });
        self
    }
}

impl<'c> GetCall<'c> {
    pub(super) fn new(ctx: &'c Ctx, request: GetRequest) -> Self {
        Self { ctx, store: ctx.store(), request }
    }

    /// The page that follows this token.
    #[must_use]
    pub fn page(mut self, token: &Bytes) -> Self {
        self.request.page_token = token.clone();
        self
    }

    /// Follows the tokens to the last page and returns all pages.
    pub async fn pages(self) -> Result<Vec<Reply<GetResponse>>, Stop> {
        let (mut pages, mut token): (Vec<Reply<GetResponse>>, _) =
            (Vec::new(), self.request.page_token.clone());
        loop {
            let next =
                GetCall { request: self.request.clone(), store: Arc::clone(&self.store), ctx: self.ctx };
            let page = next.page(&token).ok().await?;
            token = page.next_page_token.clone();
            let step = page.step;
            pages.push(page);
            if token.is_empty() {
                return Ok(pages);
            }
            if pages.len() > ENDLESS {
                return diverged(step, "a last page", format!("a token after {ENDLESS} pages"));
            }
        }
    }
}

impl<'c> DeleteCall<'c> {
    pub(super) fn new(ctx: &'c Ctx, request: DeleteRequest) -> Self {
        Self { ctx, store: ctx.store(), request }
    }
}

impl<'c> ScanCall<'c> {
    pub(super) fn new(ctx: &'c Ctx) -> Self {
        let request = ScanRequest { namespace: ctx.namespace(""), ..ScanRequest::default() };
        Self { ctx, store: ctx.store(), messages: None, request }
    }

    /// At most `entries` entries in all messages together.
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.request.limit = entries;
        self
    }

    /// Resumes after the message with this token.
    #[must_use]
    pub fn resume(mut self, token: &Bytes) -> Self {
        self.request.resume_token = token.clone();
        self
    }

    /// Drops the stream after `messages` messages.
    #[must_use]
    pub fn cut_after(mut self, messages: usize) -> Self {
        self.messages = Some(messages);
        self
    }
}
