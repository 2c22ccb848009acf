//! Rules that only a raw server can break: no store in the catalogue breaks them.

use crate::core::mutation::WireOnly;

/// The rules that no store can break, because the code that can break them lies in front of the store.
pub const WIRE_ONLY: &[WireOnly] = &[
    WireOnly {
        rule: "TAIL-5",
        reason: "What waits for a slow reader is held by the server in front of the store.",
    },
    WireOnly { rule: "TAIL-7", reason: "A server drains; a store is closed when no call is left." },
    WireOnly { rule: "ERR-2", reason: "Messages of statuses are those of the server's own errors." },
    WireOnly {
        rule: "ERR-3",
        reason: "Bytes that are not a message never become a request, so that no store meets them.",
    },
    WireOnly {
        rule: "ERR-4",
        reason: "A deadline or a cancel ends the call before the store; what a store leaves behind is DUR-2.",
    },
    WireOnly { rule: "ERR-5", reason: "Unknown fields are dropped when the message is decoded." },
    WireOnly { rule: "ERR-6", reason: "An answer waits for its client after the store made it." },
    WireOnly {
        rule: "ERR-7",
        reason: "A message that cannot be decompressed never becomes a request, so that no store meets it.",
    },
    WireOnly {
        rule: "HEALTH-1",
        reason: "Health and reflection are services of their own beside the store.",
    },
];
