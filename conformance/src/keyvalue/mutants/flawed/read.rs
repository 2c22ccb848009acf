//! Get and Scan: live items, in order, cut into pages.

use prism_contract::keyvalue::{
    Direction, Entry, EntryPage, Get, Item, ItemPage, Position, Predicate, RecordId, Scan, Selection,
};
use prism_contract::{Error, Timestamp};

use super::Flawed;
use super::disk::{Cell, Record, RecordPath, State};
use super::names::SortKey;
use crate::keyvalue::mutants::{Bug, Flaw};

/// A candidate entry for a page.
struct Row {
    sort_key: SortKey,
    weight: usize,
    entry: Entry,
}

impl Flawed {
    /// Reads a page of a record, as of one moment (LIN-3).
    pub(super) async fn read_record(&self, get: &Get) -> Result<ItemPage, Error> {
        let flaw = self.flaw;
        if flaw.has(Bug::AnswersAnOutageAsEmpty) && self.disk.is_unavailable() {
            return Ok(ItemPage::default());
        }
        let path = flaw.path(&get.namespace, &get.id);
        let mut state = self.acquire().await?;
        let mut record = state.record(&path);
        if flaw.has(Bug::TornGet) && record.len() > 1 {
            let half = record.keys().nth(record.len() / 2).cloned().unwrap_or_default();
            state = self.open_race_window(state).await?;
            record.split_off(&half);
            record.extend(state.record(&path).split_off(&half));
        }
        if flaw.has(Bug::StaleReadAfterWrite) {
            record = state.stale.remove(&path).unwrap_or(record);
        }
        if flaw.has(Bug::GatewayAnswersFromItsCache) {
            record = self.cached_read(&path, record);
        }
        let after = get.after.clone().map(|key| Position { id: get.id.clone(), key });
        let Get { predicate, selection, now, .. } = get;
        let reader = Reader { flaw, is_scan: false, predicate, selection: *selection, now: *now };
        let rows = reader.rows(&get.id, &record);
        let (entries, more) = reader.page(rows, after.as_ref(), &path, &mut state);
        Ok(ItemPage { items: entries.into_iter().map(|entry| entry.item).collect(), more })
    }

    /// Reads a page of a namespace or of one of its records, as of one moment.
    pub(super) async fn read_namespace(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let flaw = self.flaw;
        let mut state = self.acquire().await?;
        let Scan { predicate, selection, now, .. } = scan;
        let reader = Reader { flaw, is_scan: true, predicate, selection: *selection, now: *now };
        let mut rows = Vec::new();
        for (path, record) in &state.records {
            let Some(id) = flaw.id_within(&scan.namespace, path) else { continue };
            let is_selected = scan.id.as_ref().is_none_or(|id| flaw.path(&scan.namespace, id) == *path);
            if is_selected {
                rows.extend(reader.rows(&id, record));
            }
        }
        let path = (scan.namespace.as_str().to_owned(), String::new());
        let (entries, more) = reader.page(rows, scan.after.as_ref(), &path, &mut state);
        Ok(EntryPage { entries, more })
    }

    /// The record as this gateway first read it.
    fn cached_read(&self, path: &RecordPath, record: Record) -> Record {
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cache.entry(path.clone()).or_insert(record).clone()
    }
}

/// Parameters of one read.
struct Reader<'a> {
    flaw: Flaw,
    is_scan: bool,
    predicate: &'a Predicate,
    selection: Selection,
    now: Timestamp,
}

impl Reader<'_> {
    /// The live items of a record that the predicate selects.
    fn rows(&self, id: &RecordId, record: &Record) -> Vec<Row> {
        let selected = record.values().filter(|cell| self.is_visible(cell));
        selected.map(|cell| self.row(id, cell)).collect()
    }

    fn is_visible(&self, cell: &Cell) -> bool {
        let flaw = self.flaw;
        let live = if flaw.has(Bug::ShowsTombstones) || self.is_scan && flaw.has(Bug::ScanShowsDeletedItems) {
            !flaw.is_expired(cell, self.now)
        } else if flaw.has(if self.is_scan { Bug::ScanShowsExpiredItems } else { Bug::GetShowsExpiredItems })
        {
            cell.deleted_at.is_none()
        } else {
            flaw.is_live(cell, self.now)
        };
        let empty_is_nothing = flaw.has(Bug::EmptyValueIsAbsence)
            || flaw.has(Bug::KeysOnlyMissesEmptyValues) && self.selection.keys_only;
        let present = !(empty_is_nothing && cell.value.is_empty());
        live && present && flaw.selects(self.predicate, &cell.key)
    }

    /// A cell as an answer entry, with its weight (PAGE-7, PAGE-8).
    fn row(&self, id: &RecordId, cell: &Cell) -> Row {
        let flaw = self.flaw;
        let whole = Item {
            key: cell.key.clone(),
            value: cell.value.clone(),
            content_type: cell.content_type.clone(),
            compression: cell.compression,
            version: cell.version,
            priority_token: cell.token,
            created_at: cell.created_at,
            updated_at: cell.updated_at,
            expires_at: cell.expires_at,
        };
        let mut item = whole.clone();
        if self.selection.keys_only && !flaw.has(Bug::KeysOnlyLeaksValues) {
            item.value.clear();
        }
        let weighed = if flaw.has(Bug::KeysOnlyWeighsValues) { &whole } else { &item };
        let mut weight = weighed.weight();
        if self.is_scan && !flaw.has(Bug::ScanForgetsTheWeightOfIds) {
            weight += id.as_str().len();
        }
        if flaw.has(Bug::WeighsValuesOnly) {
            weight = item.value.len();
        }
        let sort_key = flaw.sort_key(id, &cell.key, cell.version);
        Row { sort_key, weight, entry: Entry { id: id.clone(), item } }
    }

    /// The page of `rows` after `after`, and whether any rows remain (PAGE rules).
    fn page(
        &self,
        mut rows: Vec<Row>,
        after: Option<&Position>,
        path: &RecordPath,
        state: &mut State,
    ) -> (Vec<Entry>, bool) {
        let (flaw, reverse) = (self.flaw, self.selection.direction == Direction::Reverse);
        rows.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        if reverse {
            rows.reverse();
        }
        if flaw.has(Bug::ReverseScanBeginsAtAnAsciiId) && reverse && self.is_scan && after.is_none() {
            rows.retain(|row| row.entry.id.as_str().bytes().next().is_some_and(|byte| byte.is_ascii()));
        }
        if flaw.has(Bug::ReverseMirrorsEachRecordAlone) && reverse {
            rows.sort_by(|a, b| a.sort_key.0.cmp(&b.sort_key.0));
        }
        let mut repeated = None;
        if let Some(after) = after {
            let version = rows.iter().find(|row| row.entry.position() == *after);
            let version = version.map_or(0, |row| row.entry.item.version);
            let sort_key = flaw.sort_key(&after.id, &after.key, version);
            let is_next = |row: &Row| if reverse { row.sort_key < sort_key } else { row.sort_key > sort_key };
            let start = rows.iter().position(is_next).unwrap_or(rows.len());
            let before = rows[..start].last().map(|row| row.entry.clone());
            let start = match state.offsets.get(&(path.clone(), after.key.to_vec())) {
                Some(&offset) if flaw.has(Bug::PagesByOffset) => offset.min(rows.len()),
                _ if flaw.has(Bug::SkipsAnItemAtAPageBorder) => (start + 1).min(rows.len()),
                _ if flaw.has(Bug::TokenAtADeletedItemEndsThePages) && !contains(&rows, after) => rows.len(),
                _ if flaw.has(Bug::TokenAtADeletedItemStartsOver) && !contains(&rows, after) => 0,
                _ => start,
            };
            repeated = before.filter(|_| flaw.has(Bug::RepeatsTheItemAtAPageBorder));
            rows.drain(..start);
        }
        let total = rows.len();
        let (mut page, mut more) = self.cut(rows);
        if flaw.has(Bug::LosesTheLastPage) {
            more = more && total - page.len() >= self.selection.page.items();
        }
        if flaw.has(Bug::PagesByOffset) && more {
            let skipped = after.and_then(|at| state.offsets.get(&(path.clone(), at.key.to_vec())));
            let offset = skipped.unwrap_or(&0) + page.len();
            let last = page.last().map(|entry| entry.item.key.to_vec()).unwrap_or_default();
            state.offsets.insert((path.clone(), last), offset);
        }
        if flaw.has(Bug::ReversesEachPageAlone) && reverse {
            page.reverse();
        }
        page.splice(0..0, repeated);
        (page, more)
    }

    /// As many rows as fit a page, at least one, and whether any remain (PAGE-5, PAGE-7).
    fn cut(&self, rows: Vec<Row>) -> (Vec<Entry>, bool) {
        let (flaw, size) = (self.flaw, self.selection.page);
        let max_items = if flaw.has(Bug::IgnoresItemLimit) { usize::MAX } else { size.items() };
        let max_bytes = if flaw.has(Bug::IgnoresPageBytes) { usize::MAX } else { size.bytes() };
        let (mut page, mut bytes) = (Vec::new(), 0);
        for row in rows {
            let is_first = page.is_empty() && !flaw.has(Bug::HugeItemStopsThePages);
            bytes += row.weight;
            if !is_first && (page.len() == max_items || bytes > max_bytes) {
                return (page, true);
            }
            page.push(row.entry);
        }
        let is_full = page.len() == size.items();
        (page, flaw.has(Bug::TokenOnTheLastPage) && is_full)
    }
}

fn contains(rows: &[Row], at: &Position) -> bool {
    rows.iter().any(|row| row.entry.position() == *at)
}
