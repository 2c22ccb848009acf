//! The seeded faults, and what is wrong with each.

/// A seeded fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// Its id: the part of the wrappers, and what it does wrong.
    pub(crate) id: &'static str,
    /// What is wrong, in a sentence.
    pub(crate) description: &'static str,
}

impl Mutant {
    /// The part of the wrappers that has it.
    pub(crate) fn area(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(area, _)| area)
    }
}

const fn mutant(id: &'static str, description: &'static str) -> Mutant {
    Mutant { id, description }
}

/// All seeded faults.
pub(crate) const CATALOGUE: &[Mutant] = &[
    mutant(
        "encrypt/forgets-the-associated-data-of-values",
        "A sealed value opens in another item, and beside the metadata of another write.",
    ),
    mutant("encrypt/forgets-the-associated-data-of-metadata", "Sealed metadata opens in another item."),
    mutant(
        "encrypt/forgets-the-associated-data-of-data-keys",
        "A wrapped data key unwraps in another namespace.",
    ),
    mutant("encrypt/reuses-a-nonce", "All items of a Put are sealed under the same two nonces."),
    mutant(
        "encrypt/wraps-data-keys-under-one-nonce",
        "A master key wraps all data keys under the same nonce.",
    ),
    mutant(
        "encrypt/leaves-the-content-type-in-plain-text",
        "The value is sealed, and the database has the content type in plain text too.",
    ),
    mutant(
        "encrypt/serves-a-damaged-value-as-an-empty-one",
        "A value that does not open is an empty one, and no DATA_LOSS.",
    ),
    mutant("encrypt/accepts-a-plain-row", "A row that was never sealed is served as it is."),
    mutant(
        "encrypt/counts-the-size-of-sealed-values",
        "A page's bytes count the values as they are stored, so pages are shorter than those of a plain store.",
    ),
    mutant(
        "encrypt/reads-pages-without-an-allowance",
        "The store is asked for the client's page size, which fewer sealed items fill.",
    ),
    mutant("encrypt/never-replaces-a-data-key", "A data key seals beyond its limit."),
    mutant(
        "encrypt/opens-a-cached-data-key-of-another-namespace",
        "The cache of data keys does not compare the namespace.",
    ),
    mutant(
        "encrypt/ignores-the-checksum",
        "A damaged id of a master key is a missing key, and so UNAVAILABLE.",
    ),
    mutant(
        "encrypt/reports-a-missing-key-as-damage",
        "An item whose master key this gateway lacks is DATA_LOSS.",
    ),
    mutant(
        "encrypt/fails-a-page-for-a-later-item",
        "A page fails for any damaged item, and so hides the items before it.",
    ),
    mutant(
        "encrypt/does-not-record-its-master-key",
        "The store has no record of the master keys in use, so a gateway without them starts.",
    ),
    mutant(
        "encrypt/seals-under-another-key-of-a-known-id",
        "A Put seals under a key whose id is that of another key in the store's record.",
    ),
    mutant(
        "encrypt/skips-the-check-of-master-keys",
        "A gateway starts without the master keys that its data needs.",
    ),
    mutant(
        "encrypt/starts-with-sealed-items-in-a-plain-namespace",
        "A gateway starts although it would serve sealed items as they are stored.",
    ),
    mutant("rekey/changes-the-version", "An item that is sealed again has another version."),
    mutant("rekey/loses-the-ttl", "An item that is sealed again never expires."),
    mutant(
        "rekey/rewrites-over-a-newer-write",
        "An item that was written meanwhile is replaced by its earlier content.",
    ),
    mutant(
        "rekey/forgets-the-old-key-before-a-whole-run",
        "The record of the old master key is removed while items need it.",
    ),
    mutant(
        "rekey/forgets-the-active-key-too",
        "The record of the active master key is removed with the old ones.",
    ),
    mutant(
        "rekey/does-not-wait-for-other-gateways",
        "A gateway that still seals under the old master key is not noticed.",
    ),
    mutant("rekey/ends-after-a-page", "Items after the first page stay under the old master key."),
    mutant("rekey/counts-no-damage", "Damaged items are not counted, so the old master key is forgotten."),
    mutant(
        "rekey/passes-over-items-of-a-missing-key",
        "Items whose master key the ring lacks are left without an error.",
    ),
    mutant("router/prefers-the-shortest-prefix", "Of several prefixes that match, the shortest wins."),
    mutant("router/ignores-exact-rules", "A rule of exactly this name does not come before a prefix."),
    mutant(
        "router/matches-a-prefix-without-its-dash",
        "The prefix `orders-` matches the namespace `orders` too.",
    ),
    mutant("router/serves-an-unknown-namespace", "A namespace without a backend is served by the first one."),
    mutant("router/sweeps-one-backend", "Expired items of other backends than the first stay."),
    mutant(
        "catalog/keeps-a-deleted-namespace",
        "A gateway does not learn of deletions, and serves what it knew.",
    ),
    mutant(
        "catalog/serves-a-namespace-that-is-being-deleted",
        "Calls are served until the definition is gone, and so write items that are lost.",
    ),
    mutant(
        "catalog/serves-as-plain-text-without-keys",
        "Without master keys, an encrypted namespace is served by the plain backend.",
    ),
    mutant(
        "catalog/applies-the-limits-of-another-namespace",
        "The limits and TTLs of one rule apply to all namespaces.",
    ),
    mutant(
        "catalog/allows-everything-while-it-is-unreadable",
        "While the definitions are not known, namespaces are served as undeclared ones.",
    ),
    mutant(
        "catalog/serves-undeclared-namespaces",
        "With `undeclared: refuse`, namespaces without a rule are served.",
    ),
    mutant(
        "catalog/prefers-a-created-namespace-to-a-rule",
        "A created namespace comes before the rule of its name.",
    ),
    mutant("rates/ignores-the-burst", "The second call within an interval is refused, whatever the burst."),
    mutant("rates/counts-reads-as-writes", "Reads have the rate of writes, and use it up."),
    mutant("rates/counts-the-calls-of-other-namespaces", "Namespaces with the same rate share it."),
    mutant("rates/counts-refused-calls", "A refused call delays the next one that is allowed."),
    mutant(
        "rates/forgets-no-namespace",
        "The table of calls grows with each namespace that was ever called.",
    ),
    mutant("control/ignores-the-version", "An update or a deletion with an old version is carried out."),
    mutant(
        "control/updates-fields-outside-the-mask",
        "An update replaces fields that its mask does not name.",
    ),
    mutant("control/deletes-without-force", "A namespace with items is deleted without force."),
    mutant(
        "control/deletes-items-that-came-late",
        "Items written while an empty namespace is being deleted are removed.",
    ),
    mutant(
        "control/leaves-items-of-a-deleted-namespace",
        "Items beyond the first page outlive their namespace.",
    ),
    mutant(
        "control/lets-a-limited-admin-use-all-definitions",
        "An admin of some namespaces takes all definitions from the others.",
    ),
    mutant("control/lists-all-to-a-limited-admin", "An admin of some namespaces lists the others."),
    mutant(
        "control/shows-all-changes-to-a-limited-admin",
        "An admin of some namespaces watches the changes of the others.",
    ),
    mutant("control/repeats-a-change", "A watch sends a change again."),
    mutant("control/loses-a-change", "A watch leaves out the first of several changes."),
    mutant(
        "control/overwrites-a-change-of-another-gateway",
        "Two gateways that change definitions at once lose a change.",
    ),
    mutant("control/changes-a-rule", "A rule of the configuration is changed and deleted."),
    mutant(
        "control/encrypts-over-items-in-plain-text",
        "An encrypted namespace is created over items that it cannot read.",
    ),
    mutant("audit/writes-after-answering", "A call is answered before its line is written."),
    mutant(
        "audit/answers-without-a-line",
        "With `on_failure: refuse`, a call whose line cannot be written is answered.",
    ),
    mutant(
        "audit/executes-calls-while-it-cannot-be-written",
        "With `on_failure: refuse`, calls are executed on a full disk.",
    ),
    mutant("audit/leaves-out-cancelled-calls", "A cancelled call has no line."),
    mutant("audit/leaves-out-denied-calls", "A call that authentication refuses has no line."),
    mutant(
        "audit/hashes-a-line-without-the-one-before",
        "A line's hash does not cover that of the line before it.",
    ),
    mutant("audit/begins-a-new-chain-at-a-restart", "The first line after a restart continues no line."),
    mutant(
        "audit/hashes-without-the-salt",
        "Ids and keys are hashed without the file's salt, so a list of likely ones reveals them.",
    ),
    mutant(
        "audit/shows-ids-and-keys-in-plain-text",
        "Ids and keys are in plain text, although they should be hashed.",
    ),
    mutant("audit/hashes-ids-and-no-keys", "Strings are hashed, and bytes are in plain text."),
    mutant(
        "audit/ignores-the-choice-of-a-namespace",
        "Whether calls of a namespace are audited does not depend on its rule.",
    ),
    mutant("audit/names-no-lost-lines", "After a failure, the log does not name the number of lost lines."),
    mutant(
        "audit/writes-any-number-of-denied-calls",
        "Unauthenticated calls can rotate all other lines out of the log.",
    ),
    mutant(
        "masking/masks-strings-and-no-bytes",
        "The debug form of a message shows masked fields whose type is bytes.",
    ),
];
