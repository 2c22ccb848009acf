//! Table of contents of the suite: one module per area of the contract.

mod absence;
mod capability;
mod concurrency;
mod condition;
mod crash;
mod delete;
mod durability;
mod expiry;
mod hunts;
mod isolation;
mod limits;
mod linearizable;
mod many;
mod moving_pages;
mod order;
mod outage;
mod page;
mod page_place;
mod page_size;
mod page_token;
mod predicate;
mod property;
mod put;
mod real_time;
mod refusal;
mod retention;
mod round_trip;
mod scan;
pub(crate) mod scenario;
mod status;
mod stream_end;
mod support;
mod token;
mod tombstone;
mod ttl;
mod version;
mod violations;
mod wire_raw;

use crate::keyvalue::Case;

/// The basic cases: a Put is read back, replaced, deleted and scanned. Nearly every other case begins with such a step.
pub(super) const BASICS: &[&str] = &[
    "round_trip::every_byte_comes_back",
    "round_trip::absent_items_are_not_in_the_answer",
    "put::replaces_the_whole_item",
    "delete::by_keys_takes_those_keys_only",
    "scan::of_an_id_answers_that_record_only",
];

/// Every case, in the order of the contract.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        round_trip::CASES,
        put::CASES,
        refusal::CASES,
        delete::CASES,
        many::CASES,
        order::CASES,
        predicate::CASES,
        page::CASES,
        page_size::CASES,
        page_token::CASES,
        page_place::CASES,
        scan::CASES,
        stream_end::CASES,
        version::CASES,
        condition::CASES,
        absence::CASES,
        token::CASES,
        tombstone::CASES,
        retention::CASES,
        expiry::CASES,
        ttl::CASES,
        real_time::CASES,
        isolation::CASES,
        durability::CASES,
        outage::CASES,
        limits::CASES,
        violations::CASES,
        status::CASES,
        capability::CASES,
        property::CASES,
        scenario::CASES,
        concurrency::CASES,
        linearizable::CASES,
        hunts::CASES,
        moving_pages::CASES,
        crash::CASES,
    ]
    .into_iter()
    .flatten()
    .chain(wire_raw::cases())
}

/// The case with this id.
pub fn by_id(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}
