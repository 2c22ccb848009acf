//! Get and Scan: live items, in order, cut into pages.

use prism_contract::keyvalue::{
    Direction, Entry, EntryPage, Get, Item, ItemPage, Position, Predicate, RecordId, Scan, Selection,
};
use prism_contract::{Error, Timestamp};

use super::Flawed;
use super::disk::{Cell, Place, Record, State};
use super::names::Rank;
use crate::keyvalue::mutants::{Bug, Flaw};

/// An entry that may go on a page.
struct Row {
    rank: Rank,
    weight: usize,
    entry: Entry,
}

impl Flawed {
    /// Reads a page of a record, as of one moment (LIN-3).
    pub(super) async fn read_record(&self, get: &Get) -> Result<ItemPage, Error> {
        let flaw = self.flaw;
        if flaw.has(Bug::AnswersAnOutageAsEmpty) && self.disk.is_away() {
            return Ok(ItemPage::default());
        }
        let place = flaw.place(&get.namespace, &get.id);
        let mut state = self.reach().await?;
        let mut record = state.record(&place);
        if flaw.has(Bug::TornGet) && record.len() > 1 {
            let half = record.keys().nth(record.len() / 2).cloned().unwrap_or_default();
            state = self.let_others_in(state).await?;
            record.split_off(&half);
            record.extend(state.record(&place).split_off(&half));
        }
        if flaw.has(Bug::StaleReadAfterWrite) {
            record = state.stale.remove(&place).unwrap_or(record);
        }
        if flaw.has(Bug::GatewayAnswersFromItsCache) {
            record = self.remembered_read(&place, record);
        }
        let after = get.after.clone().map(|key| Position { id: get.id.clone(), key });
        let Get { predicate, selection, now, .. } = get;
        let reader = Reader { flaw, is_scan: false, predicate, selection: *selection, now: *now };
        let rows = reader.rows(&get.id, &record);
        let (entries, more) = reader.page(rows, after.as_ref(), &place, &mut state);
        Ok(ItemPage { items: entries.into_iter().map(|entry| entry.item).collect(), more })
    }

    /// Reads a page of a namespace or of one of its records, as of one moment.
    pub(super) async fn read_namespace(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let flaw = self.flaw;
        let mut state = self.reach().await?;
        let Scan { predicate, selection, now, .. } = scan;
        let reader = Reader { flaw, is_scan: true, predicate, selection: *selection, now: *now };
        let mut rows = Vec::new();
        for (place, record) in &state.records {
            let Some(id) = flaw.id_within(&scan.namespace, place) else { continue };
            let is_asked = scan.id.as_ref().is_none_or(|asked| flaw.place(&scan.namespace, asked) == *place);
            if is_asked {
                rows.extend(reader.rows(&id, record));
            }
        }
        let place = (scan.namespace.as_str().to_owned(), String::new());
        let (entries, more) = reader.page(rows, scan.after.as_ref(), &place, &mut state);
        Ok(EntryPage { entries, more })
    }

    /// The record as this gateway read it first.
    fn remembered_read(&self, place: &Place, record: Record) -> Record {
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cache.entry(place.clone()).or_insert(record).clone()
    }
}

/// What one read asks for.
struct Reader<'a> {
    flaw: Flaw,
    is_scan: bool,
    predicate: &'a Predicate,
    selection: Selection,
    now: Timestamp,
}

impl Reader<'_> {
    /// The live items of a record that the predicate chooses.
    fn rows(&self, id: &RecordId, record: &Record) -> Vec<Row> {
        let chosen = record.values().filter(|cell| self.shows(cell));
        chosen.map(|cell| self.row(id, cell)).collect()
    }

    fn shows(&self, cell: &Cell) -> bool {
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
        let kept = !(empty_is_nothing && cell.value.is_empty());
        live && kept && flaw.chooses(self.predicate, &cell.key)
    }

    /// A cell as it is answered, and what it weighs (PAGE-7, PAGE-8).
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
        let rank = flaw.rank(id, &cell.key, cell.version);
        Row { rank, weight, entry: Entry { id: id.clone(), item } }
    }

    /// The page of `rows` that comes after `after`, and whether more is left (PAGE rules).
    fn page(
        &self,
        mut rows: Vec<Row>,
        after: Option<&Position>,
        place: &Place,
        state: &mut State,
    ) -> (Vec<Entry>, bool) {
        let (flaw, reverse) = (self.flaw, self.selection.direction == Direction::Reverse);
        rows.sort_by(|a, b| a.rank.cmp(&b.rank));
        if reverse {
            rows.reverse();
        }
        if flaw.has(Bug::ReverseScanBeginsAtAnAsciiId) && reverse && self.is_scan && after.is_none() {
            rows.retain(|row| row.entry.id.as_str().bytes().next().is_some_and(|byte| byte.is_ascii()));
        }
        if flaw.has(Bug::ReverseMirrorsEachRecordAlone) && reverse {
            rows.sort_by(|a, b| a.rank.0.cmp(&b.rank.0));
        }
        let mut border = None;
        if let Some(after) = after {
            let version = rows.iter().find(|row| row.entry.position() == *after);
            let version = version.map_or(0, |row| row.entry.item.version);
            let rank = flaw.rank(&after.id, &after.key, version);
            let is_left = |row: &Row| if reverse { row.rank < rank } else { row.rank > rank };
            let start = rows.iter().position(is_left).unwrap_or(rows.len());
            let before = rows[..start].last().map(|row| row.entry.clone());
            let start = match state.offsets.get(&(place.clone(), after.key.to_vec())) {
                Some(&offset) if flaw.has(Bug::PagesByOffset) => offset.min(rows.len()),
                _ if flaw.has(Bug::SkipsAnItemAtAPageBorder) => (start + 1).min(rows.len()),
                _ if flaw.has(Bug::TokenAtADeletedItemEndsThePages) && !holds(&rows, after) => rows.len(),
                _ if flaw.has(Bug::TokenAtADeletedItemStartsOver) && !holds(&rows, after) => 0,
                _ => start,
            };
            border = before.filter(|_| flaw.has(Bug::RepeatsTheItemAtAPageBorder));
            rows.drain(..start);
        }
        let left = rows.len();
        let (mut page, mut more) = self.cut(rows);
        if flaw.has(Bug::LosesTheLastPage) {
            more = more && left - page.len() >= self.selection.page.items();
        }
        if flaw.has(Bug::PagesByOffset) && more {
            let skipped = after.and_then(|at| state.offsets.get(&(place.clone(), at.key.to_vec())));
            let offset = skipped.unwrap_or(&0) + page.len();
            let last = page.last().map(|entry| entry.item.key.to_vec()).unwrap_or_default();
            state.offsets.insert((place.clone(), last), offset);
        }
        if flaw.has(Bug::ReversesEachPageAlone) && reverse {
            page.reverse();
        }
        page.splice(0..0, border);
        (page, more)
    }

    /// As many rows as fit a page, at least one, and whether any are left (PAGE-5, PAGE-7).
    fn cut(&self, rows: Vec<Row>) -> (Vec<Entry>, bool) {
        let (flaw, size) = (self.flaw, self.selection.page);
        let most_items = if flaw.has(Bug::IgnoresItemLimit) { usize::MAX } else { size.items() };
        let most_bytes = if flaw.has(Bug::IgnoresPageBytes) { usize::MAX } else { size.bytes() };
        let (mut page, mut bytes) = (Vec::new(), 0);
        for row in rows {
            let is_first = page.is_empty() && !flaw.has(Bug::HugeItemStopsThePages);
            bytes += row.weight;
            if !is_first && (page.len() == most_items || bytes > most_bytes) {
                return (page, true);
            }
            page.push(row.entry);
        }
        let is_full = page.len() == size.items();
        (page, flaw.has(Bug::TokenOnTheLastPage) && is_full)
    }
}

fn holds(rows: &[Row], at: &Position) -> bool {
    rows.iter().any(|row| row.entry.position() == *at)
}
