//! Table of contents of the suite: one module per area of the contract.

mod acceptance;
mod append;
mod capability;
mod concurrency;
mod crash;
mod declared;
mod delete;
mod durability;
mod histogram;
mod history;
mod isolation;
mod limits;
mod pages;
mod property;
mod query;
mod retention;
pub(crate) mod scenario;
mod series;
mod support;
mod tail;
mod tail_token;
mod token;
mod wire;

use crate::timeseries::Case;

/// The basic cases: an event is appended, queried and tailed. Nearly every other case begins with such a step.
pub(super) const BASICS: &[&str] = &[
    "append::every_byte_comes_back",
    "append::answers_each_event_in_request_order",
    "query::answers_by_time_then_by_id",
    "query::start_is_inclusive_and_end_exclusive",
    "tail::begins_with_a_message_without_events",
    "tail::brings_every_event_from_the_beginning",
];

/// Every case, in the order of the contract.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        append::CASES,
        acceptance::CASES,
        query::CASES,
        pages::CASES,
        token::CASES,
        tail::CASES,
        tail_token::CASES,
        retention::CASES,
        delete::CASES,
        series::CASES,
        histogram::CASES,
        isolation::CASES,
        durability::CASES,
        limits::CASES,
        capability::CASES,
        declared::CASES,
        scenario::CASES,
        property::CASES,
        concurrency::CASES,
        history::CASES,
        crash::CASES,
        wire::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The case with this id.
pub fn by_id(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}
