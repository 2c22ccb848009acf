//! Scenarios: operation sequences whose transcript is the same on every store, one golden file each.

use prism_contract::keyvalue::Capability::{
    ConditionalWrites, Expiry, NamespaceScan, PriorityTokens, Reverse,
};

use crate::core::Ability::Restart;
use crate::core::Need::{Ability, Declares};
use crate::core::scenario::scenarios;
use crate::keyvalue::Case;
use crate::keyvalue::scenario::check;

scenarios! {
    "scenarios", "transcripts";
    "a_records_life", "A record comes into being with its first item, changes, and is gone with its last.",
        ["RT-6", "PUT-1", "PUT-2", "PUT-5", "DEL-1", "DEL-2", "VER-1", "VER-2"], [];
    "metadata_and_empty_values", "What a client says of an item comes back word for word, and each Put says all of it anew.",
        ["RT-1", "RT-2", "RT-5", "PUT-1", "PAGE-8"], [];
    "hostile_keys", "Keys are bytes: none of these is another, and their order is that of unsigned bytes.",
        ["RT-3", "ORD-1", "PRED-1", "PRED-3", "DEL-3"], [];
    "namespaces_and_ids_apart", "The same key in two namespaces, or in two records, is two items; names that begin alike stay apart.",
        ["RT-4", "ISO-1", "DEL-3", "SCAN-1"], [];
    "predicates", "Each predicate chooses what it says: start inclusive, end exclusive, open where it is empty.",
        ["PRED-1", "PRED-3", "PRED-4", "ORD-1", "PAGE-8"], [];
    "pages_forwards", "Pages of two, then of other sizes: together they are the whole, and the last has no token.",
        ["PAGE-1", "PAGE-4", "PAGE-5", "PAGE-7", "PAGE-8"], [];
    "pages_in_reverse", "Reverse is the mirror, page by page.",
        ["ORD-2", "PAGE-1", "PAGE-4", "PAGE-5", "SCAN-1"], [Declares(Reverse)];
    "pages_by_bytes", "An item weighs its key, its value and its content type, and 96 more; one that outweighs the page comes alone.",
        ["PAGE-1", "PAGE-7", "PAGE-8", "SCAN-1"], [];
    "pages_under_writes", "Pages go on where they ended, whatever was written, deleted or added in between.",
        ["PAGE-2", "PAGE-3", "PAGE-5"], [];
    "page_tokens_of_other_requests", "A page token belongs to its method, namespace, id, predicate and direction, and to no size.",
        ["PAGE-4"], [];
    "deletes_by_predicate", "A Delete removes what its predicate chooses, counts what lived, and leaves the rest as it was.",
        ["DEL-1", "DEL-2", "DEL-3", "PRED-1", "PRED-3"], [];
    "refused_requests", "A request that breaks a rule is refused and leaves no trace.",
        ["PUT-4", "PUT-6", "DEL-4", "PRED-2", "PAGE-4", "COND-2", "COND-4", "TOK-6", "TTL-3"], [];
    "conditional_writes", "A write with preconditions takes effect where all of them hold; otherwise each that fails is named.",
        ["COND-1", "COND-2", "COND-4", "VER-1", "VER-2", "PUT-6"], [Declares(ConditionalWrites)];
    "conditional_deletes", "Preconditions guard a Delete as they guard a Put.",
        ["COND-1", "COND-2", "COND-4", "COND-5"], [Declares(ConditionalWrites)];
    "retries_with_tokens", "A write repeated with its token changes nothing, and an older one comes too late.",
        ["TOK-1", "TOK-2", "TOK-3", "PUT-3"], [Declares(PriorityTokens)];
    "tombstones", "A key remembers its highest token beyond its item's death, and shows it nowhere.",
        ["TOK-1", "TOK-2", "TOK-4", "TOK-5", "DEL-2", "SCAN-1"], [Declares(PriorityTokens)];
    "conditions_and_tokens", "Preconditions are asked first; a token decides for each item what then applies.",
        ["COND-1", "COND-2", "TOK-1"], [Declares(ConditionalWrites), Declares(PriorityTokens)];
    "items_that_expire", "An item with a ttl is gone when its time is up: from reads, from scans and from counts.",
        ["TTL-1", "TTL-2", "PUT-5", "DEL-2", "SCAN-1"], [Declares(Expiry)];
    "expiry_conditions_and_tokens", "An expired item is absent for preconditions, and its token still decides.",
        ["TTL-1", "COND-2", "TOK-4"], [Declares(Expiry), Declares(ConditionalWrites), Declares(PriorityTokens)];
    "a_namespace_scanned", "A Scan answers a namespace by the bytes of its ids, then of their keys.",
        ["ORD-1", "RT-4", "SCAN-1", "SCAN-2", "ISO-1"], [Declares(NamespaceScan)];
    "scans_cut_and_resumed", "A Scan cut after any message goes on with that message's token, also after writes.",
        ["SCAN-1", "SCAN-2", "PAGE-2", "PAGE-4"], [Declares(NamespaceScan)];
    "a_namespace_in_reverse", "A Scan in reverse is the mirror, cut and resumed too.",
        ["ORD-1", "ORD-2", "SCAN-1", "PAGE-4"], [Declares(NamespaceScan), Declares(Reverse)];
    "after_a_restart", "A store that was stopped answers as before: items, versions, tokens, page tokens.",
        ["DUR-1", "DUR-3", "PAGE-6", "VER-2"], [Ability(Restart)];
}
