//! Metamorphic relations: one read's answer determines another's, without a model.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use prism_contract::keyvalue::request::{GetRequest, KeyPredicate, ScanRequest, SelectionInput};
use prism_contract::keyvalue::{Capability, Entry, Item};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;

use super::Tally;
use super::generate::{predicate_over, sizes};
use crate::core::property::{Hunt, hunt, random};
use crate::core::{Proof, Stop};
use crate::keyvalue::{Ctx, items};

/// Keys that expose errors of sorting, matching and escaping.
const KEYS: &[&[u8]] = &[
    b"\x00",
    b"%",
    b"1",
    b"01",
    b"A",
    b"B",
    b"_",
    b"a",
    b"a\x00",
    b"a\x00\x00",
    b"a_b",
    b"axb",
    b"b",
    b"e\xcc\x81",
    b"\xc3\xa9",
    b"\xc3\xbf",
    b"\xfe",
    b"\xff",
    b"\xff\x00",
    b"\xff\xff",
];

const IDS: &[&str] = &["r", "ra", "R", "é"];

/// An id, and keys with their values.
type Record = (&'static str, Vec<(&'static [u8], Vec<u8>)>);

/// Content of a store, and parameters of its reads.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    records: Vec<Record>,
    predicate: KeyPredicate,
    sizes: Vec<(u32, u32)>,
    reverse: bool,
}

fn samples() -> impl Strategy<Value = Sample, Tree: Send> {
    let item = (select(KEYS), vec(any::<u8>(), 0..200));
    let record = (select(IDS), vec(item, 1..12));
    (vec(record, 1..4), predicate_over(KEYS, 0.0), vec(sizes(), 1..5), any::<bool>())
        .prop_map(|(records, predicate, sizes, reverse)| Sample { records, predicate, sizes, reverse })
}

impl Sample {
    async fn fill(&self, ctx: &Ctx) -> Proof {
        for (id, record) in &self.records {
            let mut once = std::collections::BTreeMap::new();
            once.extend(record.iter().cloned());
            ctx.put(items(once)).on(*id).ok().await?;
        }
        Ok(())
    }

    fn id(&self) -> &'static str {
        self.records.first().map_or("r", |(id, _)| id)
    }

    fn reverse(&self, ctx: &Ctx) -> bool {
        self.reverse && ctx.capabilities().contains(Capability::Reverse)
    }

    /// Size of the nth page: sizes differ between pages, as PAGE-4 allows.
    fn size(&self, nth: usize) -> (u32, u32) {
        self.sizes.get(nth % self.sizes.len().max(1)).copied().unwrap_or_default()
    }

    async fn read(&self, ctx: &Ctx, reverse: bool) -> Result<Vec<Item>, Stop> {
        let change = |get: &mut GetRequest| get.selection.reverse = reverse;
        let all = ctx.get().on(self.id()).choose(self.predicate.clone()).with(change).ok().await?;
        Ok(all.into_inner().items)
    }

    /// Scan of the namespace, or of the first record if namespaces cannot be scanned.
    async fn stream(&self, ctx: &Ctx, selection: SelectionInput) -> Result<Vec<Vec<Entry>>, Stop> {
        let messages = self.scan(ctx).select(selection).ok().await?.into_inner();
        Ok(messages.into_iter().map(|message| message.entries).collect())
    }

    fn scan<'c>(&self, ctx: &'c Ctx) -> crate::keyvalue::ScanCall<'c> {
        let namespace = ctx.capabilities().contains(Capability::NamespaceScan);
        let id = if namespace { "" } else { self.id() };
        ctx.scan().with(|scan: &mut ScanRequest| scan.id = id.to_owned()).choose(self.predicate.clone())
    }
}

async fn check(
    ctx: &Ctx,
    case: &str,
    attempt: for<'a> fn(&'a Ctx, &'a Sample) -> BoxFuture<'a, Result<Tally, Stop>>,
) -> Proof {
    let count = ctx.budget().pick(6, 15, 2_000);
    match hunt(ctx, &mut random(ctx.seed(), case), &samples(), count, attempt).await? {
        Hunt::Nothing(_) => Ok(()),
        Hunt::Found(found) => {
            ctx.show(found.transcript);
            Err(Stop::Diverged(found.divergence))
        }
    }
}

fn keys(items: &[Item]) -> Vec<Bytes> {
    items.iter().map(|item| item.key.clone().into_bytes()).collect()
}

fn positions(entries: &[Entry]) -> Vec<(String, Bytes)> {
    entries.iter().map(|entry| (entry.id.as_str().to_owned(), entry.item.key.clone().into_bytes())).collect()
}

pub(crate) async fn pages_concatenate(ctx: &Ctx) -> Proof {
    check(ctx, "pages_concatenate", |ctx, sample| {
        async move {
            sample.fill(ctx).await?;
            let reverse = sample.reverse(ctx);
            let all = sample.read(ctx, reverse).await?;
            let (mut joined, mut token, mut nth) = (Vec::new(), Bytes::new(), 0);
            loop {
                let (item_limit, page_size_bytes) = sample.size(nth);
                let selection = SelectionInput { item_limit, page_size_bytes, keys_only: false, reverse };
                let get = ctx.get().on(sample.id()).choose(sample.predicate.clone()).select(selection);
                let page = get.page(&token).ok().await?.into_inner();
                token = page.next_page_token;
                nth += 1;
                joined.extend(page.items);
                if token.is_empty() || joined.len() > all.len() {
                    break;
                }
                ctx.same("a page with more is not empty", &true, &(joined.len() >= nth))?;
            }
            ctx.same("keys of all pages together", &keys(&all), &keys(&joined))?;
            ctx.same("items of all pages together", &all, &joined)?;
            Ok(Tally::default())
        }
        .boxed()
    })
    .await
}

pub(crate) async fn reverse_mirrors(ctx: &Ctx) -> Proof {
    check(ctx, "reverse_mirrors", |ctx, sample| {
        async move {
            sample.fill(ctx).await?;
            let forward = sample.read(ctx, false).await?;
            let mut reverse = sample.read(ctx, true).await?;
            reverse.reverse();
            ctx.same("a Get, mirrored", &keys(&forward), &keys(&reverse))?;
            let (item_limit, page_size_bytes) = sample.size(0);
            let selection = SelectionInput { item_limit, page_size_bytes, ..SelectionInput::default() };
            let forward = sample.stream(ctx, selection).await?.concat();
            let mut reverse =
                sample.stream(ctx, SelectionInput { reverse: true, ..selection }).await?.concat();
            reverse.reverse();
            ctx.same("a Scan, mirrored", &positions(&forward), &positions(&reverse))?;
            Ok(Tally::default())
        }
        .boxed()
    })
    .await
}

pub(crate) async fn predicates_filter(ctx: &Ctx) -> Proof {
    check(ctx, "predicates_filter", |ctx, sample| {
        async move {
            sample.fill(ctx).await?;
            let mut all = ctx.get().on(sample.id()).all().ok().await?.into_inner().items;
            let sorted = all.is_sorted_by(|one, next| one.key < next.key);
            ctx.same("keys in unsigned byte order", &true, &sorted)?;
            let selected = sample.read(ctx, false).await?;
            all.retain(|item| selects(&sample.predicate, &item.key));
            ctx.same("the selected of all items", &keys(&all), &keys(&selected))?;
            let bare = ctx.get().on(sample.id()).choose(sample.predicate.clone()).keys_only().ok().await?;
            ctx.same("the same keys without values", &keys(&all), &keys(&bare.items))?;
            ctx.same("no values", &true, &bare.items.iter().all(|item| item.value.is_empty()))?;
            Ok(Tally::default())
        }
        .boxed()
    })
    .await
}

fn selects(predicate: &KeyPredicate, key: &[u8]) -> bool {
    match predicate {
        KeyPredicate::Unset => false,
        KeyPredicate::MatchAll => true,
        KeyPredicate::MatchKeys(keys) => keys.iter().any(|named| named == key),
        KeyPredicate::MatchRange { start, end } => key >= &start[..] && (end.is_empty() || key < &end[..]),
        KeyPredicate::MatchPrefix(prefix) => key.starts_with(prefix),
    }
}

pub(crate) async fn scans_resume(ctx: &Ctx) -> Proof {
    check(ctx, "scans_resume", |ctx, sample| {
        async move {
            sample.fill(ctx).await?;
            let (item_limit, page_size_bytes) = sample.size(0);
            let selection = SelectionInput {
                item_limit,
                page_size_bytes,
                keys_only: false,
                reverse: sample.reverse(ctx),
            };
            let messages = sample.scan(ctx).select(selection).ok().await?.into_inner();
            let all: Vec<Entry> = messages.iter().flat_map(|message| message.entries.clone()).collect();
            let mut seen = 0;
            for message in messages.iter().filter(|message| !message.resume_token.is_empty()) {
                seen += message.entries.len();
                let resumed = sample.scan(ctx).select(selection).resume(&message.resume_token).ok().await?;
                let rest: Vec<Entry> = resumed.entries().cloned().collect();
                ctx.same("the rest after a cut", &positions(&all[seen..]), &positions(&rest))?;
            }
            Ok(Tally::default())
        }
        .boxed()
    })
    .await
}

pub(crate) async fn records_make_the_namespace(ctx: &Ctx) -> Proof {
    check(ctx, "records_make_the_namespace", |ctx, sample| {
        async move {
            sample.fill(ctx).await?;
            let mut ids: Vec<_> = sample.records.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids.dedup();
            let mut expected = Vec::new();
            for id in ids {
                let record = ctx.get().on(id).choose(sample.predicate.clone()).ok().await?.into_inner();
                expected.extend(keys(&record.items).into_iter().map(|key| (id.to_owned(), key)));
            }
            let all = sample.stream(ctx, SelectionInput::default()).await?.concat();
            ctx.same("its records, one after the other", &expected, &positions(&all))?;
            Ok(Tally::default())
        }
        .boxed()
    })
    .await
}
