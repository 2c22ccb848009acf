//! Encryption: damage in the database, what the database holds, and pages equal to those of a plain store.

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod fixture;
mod pages;
mod rekey;
mod stored;
