//! The optional capabilities of a TimeSeries backend, beyond the core (CAP-1).

crate::common::capabilities! {
    /// ListSeries (SER-1).
    ListSeries = 1, "LIST_SERIES";
    /// Histogram (HIS rules).
    Histogram = 2, "HISTOGRAM";
    /// DeleteEvents (DEL rules).
    Delete = 3, "DELETE";
    /// A Tail without a series (TAIL-9).
    NamespaceTail = 4, "NAMESPACE_TAIL";
    /// An Append is visible as a whole, and a failed one wrote all or nothing (APP-5, APP-7).
    AtomicAppend = 5, "ATOMIC_APPEND";
    /// `duplicate` of an Append's results (APP-8, ACC-2).
    DetectsDuplicates = 6, "DETECTS_DUPLICATES";
    /// A resumed Tail repeats nothing (TAIL-3, QRY-11).
    ExactTail = 7, "EXACT_TAIL";
    /// `reverse` of a Query (QRY-7).
    Reverse = 8, "REVERSE";
}
