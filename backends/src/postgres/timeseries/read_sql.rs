//! The statements that read: each is one snapshot, with the ends of the logs first and the events after them.
//!
//! Columns: incarnation, partition, position, swept events; and of an event, where the incarnation is NULL and the position its
//! own: time, id, whether it matches, content type, tags, payload, and the name of its series. Only events that match have
//! the last four.

use std::sync::LazyLock;

/// The end of a series' log. Parameters: namespace, hash of the series. If the namespace does not exist, the partition is NULL.
pub(super) const HEAD_OF_SERIES: &str = "SELECT st.incarnation, n.id AS namespace, p.id AS partition, p.position, p.swept \
     FROM prism_ts_store AS st LEFT JOIN prism_ts_namespaces AS n ON n.name = $1 \
     LEFT JOIN prism_ts_partitions AS p ON p.id = n.id * 256 + $2::bigint % n.partitions WHERE st.one";

/// The ends of the logs of a namespace, in their order. Parameter: namespace.
pub(super) const HEADS_OF_NAMESPACE: &str = "SELECT st.incarnation, n.id AS namespace, p.id AS partition, p.position, p.swept \
     FROM prism_ts_store AS st LEFT JOIN prism_ts_namespaces AS n ON n.name = $1 \
     LEFT JOIN prism_ts_partitions AS p ON p.id >= n.id * 256 AND p.id < n.id * 256 + n.partitions \
     WHERE st.one ORDER BY p.id";

/// A condition on the tags of an event `e`; parameter: an array of bytes that the column must have.
macro_rules! has_tags {
    ($parameter:literal) => {
        concat!(
            "(cardinality(",
            $parameter,
            "::bytea[]) = 0 OR NOT EXISTS (SELECT FROM unnest(",
            $parameter,
            "::bytea[]) AS needle WHERE position(needle IN e.tags) = 0))"
        )
    };
}

/// The columns of the events in `scanned`, up to the first that the page cannot hold, and that one: parameters `$items`,
/// `$bytes` and `$allowance` of the page.
fn within_page(items: usize, name: &str) -> String {
    let (bytes, allowance) = (items + 1, items + 2);
    format!(
        "SELECT NULL, partition, position, NULL, time, id, matches, CASE WHEN matches THEN content_type END, \
         CASE WHEN matches THEN tags END, CASE WHEN matches THEN payload END, {name} FROM scanned AS e \
         WHERE matched <= ${items}::bigint + 1 \
         AND (before <= ${bytes}::bigint + (matched - 1) * ${allowance}::bigint OR matched <= 2)"
    )
}

/// What a scan adds to each event: what the events up to it count on a page, at least. Events that do not match count nothing.
fn counted(window: &str) -> String {
    format!(
        "sum(CASE WHEN e.matches THEN 1 ELSE 0 END) OVER {window} AS matched, \
         sum(e.weight) OVER {window} - e.weight AS before"
    )
}

/// The columns of an event, for a condition under which it matches. Parameter: whether the payload is left out.
fn event(matches: &str, without_payload: usize) -> String {
    format!(
        "e.time, e.id, e.partition, e.position, e.content_type, e.tags, \
         CASE WHEN ${without_payload}::boolean THEN ''::bytea ELSE e.payload END AS payload, m.matches, \
         CASE WHEN m.matches THEN octet_length(e.id) + octet_length(e.content_type) + \
         CASE WHEN ${without_payload}::boolean THEN 0 ELSE octet_length(e.payload) END ELSE 0 END AS weight, e.series \
         FROM prism_ts_events AS e CROSS JOIN LATERAL (SELECT {matches} AS matches) AS m"
    )
}

fn heads(head: &str) -> String {
    format!("WITH head AS MATERIALIZED ({head})")
}

const HEAD_COLUMNS: &str = "SELECT incarnation, partition, position, swept, NULL::bigint, NULL::bytea, NULL::boolean, \
     NULL::bytea, NULL::bytea, NULL::bytea, NULL::bytea FROM head";

/// What a statement of [`query`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryForm {
    /// A page whose bytes are counted as it is read.
    Counted,
    /// Rows without counting, which takes as long again as reading short events. Of a payload longer than `$11` it returns
    /// NULL: so the bytes of all rows have a limit.
    Short,
}

/// A page of a Query. Parameters: namespace, hash and name of the series; snapshot, or NULL for the current one; the place
/// beyond which the page begins, as time and id; the last bound of the time; tags; rows to scan; whether the payload is left
/// out; and of a counted page items, bytes and allowance, or of a short one the length of the longest payload.
pub(super) fn query(reverse: bool, form: QueryForm) -> &'static str {
    static STATEMENTS: LazyLock<[[String; 2]; 2]> =
        LazyLock::new(|| [false, true].map(|reverse| [counted_query(reverse), short_query(reverse)]));
    &STATEMENTS[usize::from(reverse)][usize::from(form == QueryForm::Short)]
}

fn counted_query(reverse: bool) -> String {
    let (range, order) = in_time_order(reverse);
    format!(
        "{}, scanned AS (SELECT e.* FROM head \
         JOIN prism_ts_series AS s ON s.namespace = head.namespace AND s.name = $3 \
         CROSS JOIN LATERAL (SELECT e.*, {} FROM (SELECT {} WHERE e.series = s.id AND {range} \
         ORDER BY {order} LIMIT $9) AS e WINDOW page AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)) AS e) \
         {HEAD_COLUMNS} UNION ALL {}",
        heads(HEAD_OF_SERIES),
        counted("page"),
        event(QUERIED, 10),
        within_page(11, "NULL"),
    )
}

fn short_query(reverse: bool) -> String {
    let (range, order) = in_time_order(reverse);
    format!(
        "{} {HEAD_COLUMNS} UNION ALL SELECT NULL, e.partition, e.position, NULL, e.time, e.id, e.matches, \
         CASE WHEN e.matches THEN e.content_type END, CASE WHEN e.matches THEN e.tags END, \
         CASE WHEN e.matches THEN e.payload END, NULL FROM head \
         JOIN prism_ts_series AS s ON s.namespace = head.namespace AND s.name = $3 \
         CROSS JOIN LATERAL (SELECT e.partition, e.position, e.time, e.id, e.content_type, e.tags, \
         CASE WHEN $10::boolean THEN ''::bytea WHEN octet_length(e.payload) <= $11::bigint THEN e.payload END AS payload, \
         {QUERIED} AS matches FROM prism_ts_events AS e WHERE e.series = s.id AND {range} ORDER BY {order} LIMIT $9) AS e",
        heads(HEAD_OF_SERIES),
    )
}

/// Whether an event of a Query matches.
const QUERIED: &str = concat!("e.position <= coalesce($4::bigint, head.position) AND ", has_tags!("$8"));

/// The condition on the time of the events of a Query, and their order.
fn in_time_order(reverse: bool) -> (String, String) {
    let (beyond, last, direction) = if reverse { ("<", ">= $7", " DESC") } else { (">", "< $7", "") };
    let range = format!("(e.time, e.id) {beyond} ($5::bigint, $6::bytea) AND e.time {last}::bigint");
    (range, format!("e.time{direction}, e.id{direction}"))
}

/// A page of the log of a series. Parameters: namespace, hash and name of the series; the position after which it begins; the
/// last time that is passed over; tags; rows to scan; whether the payload is left out; items, bytes and allowance of the page.
pub(super) fn tail_of_series() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let matches = concat!("e.time > $5::bigint AND ", has_tags!("$6"));
        format!(
            "{}, scanned AS (SELECT e.* FROM head \
             JOIN prism_ts_series AS s ON s.namespace = head.namespace AND s.name = $3 \
             CROSS JOIN LATERAL (SELECT e.*, {} FROM (SELECT {} WHERE e.series = s.id AND e.position > $4::bigint \
             ORDER BY e.position LIMIT $7) AS e WINDOW page AS (ORDER BY e.position ROWS UNBOUNDED PRECEDING)) AS e) \
             {HEAD_COLUMNS} UNION ALL {}",
            heads(HEAD_OF_SERIES),
            counted("page"),
            event(matches, 8),
            within_page(9, "NULL"),
        )
    });
    &STATEMENT
}

/// A page of the logs of a namespace: some rows of each, in turns. Parameters: namespace; the positions after which it begins,
/// 0 where there is none; the last time that is passed over; tags; rows to scan of each; whether the payload is left out;
/// items, bytes and allowance of the page.
pub(super) fn tail_of_namespace() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let matches = concat!("e.time > $3::bigint AND ", has_tags!("$4"));
        format!(
            "{}, scanned AS (SELECT e.*, {} FROM (SELECT e.* FROM head \
             CROSS JOIN LATERAL (SELECT e.*, row_number() OVER (ORDER BY e.position) AS turn FROM (SELECT {} \
             WHERE e.partition = head.partition \
             AND e.position > coalesce(($2::bigint[])[head.partition - head.namespace * 256 + 1], 0) \
             ORDER BY e.position LIMIT $5) AS e) AS e) AS e \
             WINDOW page AS (ORDER BY e.turn, e.partition ROWS UNBOUNDED PRECEDING)) \
             {HEAD_COLUMNS} UNION ALL {}",
            heads(HEADS_OF_NAMESPACE),
            counted("page"),
            event(matches, 6),
            within_page(7, "(SELECT s.name FROM prism_ts_series AS s WHERE s.id = e.series AND e.matches)"),
        )
    });
    &STATEMENT
}

/// The end of a series' log, without events. Parameters as for [`HEAD_OF_SERIES`].
pub(super) fn end_of_series() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| ends(HEAD_OF_SERIES));
    &STATEMENT
}

/// The ends of the logs of a namespace, without events. Parameter: namespace.
pub(super) fn ends_of_namespace() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| ends(HEADS_OF_NAMESPACE));
    &STATEMENT
}

fn ends(head: &str) -> String {
    format!("SELECT incarnation, partition, position, swept FROM ({head}) AS head")
}

/// Names of series, each with whether it has a live event. Parameters: namespace; first name; a name beyond all; a name that is
/// before all; the time up to which events have expired; rows.
pub(super) const LIST_SERIES: &str = "SELECT s.name, EXISTS (SELECT FROM prism_ts_events AS e \
     WHERE e.series = s.id AND e.time > $5) \
     FROM prism_ts_namespaces AS n CROSS JOIN LATERAL (SELECT s.id, s.name FROM prism_ts_series AS s \
     WHERE s.namespace = n.id AND s.name >= $2 AND s.name < $3 AND s.name > $4 ORDER BY s.name LIMIT $6) AS s \
     WHERE n.name = $1";

/// A step of a histogram. Parameters: namespace; hash and name of the series; snapshot, or NULL for the current one; the place
/// after which the step begins, as time and id; the end of the time; tags; rows to scan; start and width of the buckets.
/// Returns, with the end of the log, first the last row that was scanned and the number of rows, and then for each bucket its
/// number, count and bytes.
pub(super) fn histogram() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let matches = concat!("e.position <= coalesce($4::bigint, head.position) AND ", has_tags!("$8"));
        format!(
            "{}, scanned AS MATERIALIZED (SELECT e.time, e.id, octet_length(e.payload) AS bytes, {matches} AS matches \
             FROM head JOIN prism_ts_series AS s ON s.namespace = head.namespace AND s.name = $3 \
             JOIN prism_ts_events AS e ON e.series = s.id AND (e.time, e.id) > ($5::bigint, $6::bytea) \
             AND e.time < $7::bigint ORDER BY e.time, e.id LIMIT $9) \
             SELECT head.position, NULL::bigint, (SELECT count(*) FROM scanned), 0::bigint, last.time, last.id \
             FROM head LEFT JOIN (SELECT time, id FROM scanned ORDER BY time DESC, id DESC LIMIT 1) AS last ON true \
             UNION ALL SELECT NULL, (time - $10) / $11 AS bucket, count(*), sum(bytes), NULL, NULL \
             FROM scanned WHERE matches GROUP BY bucket",
            heads(HEAD_OF_SERIES)
        )
    });
    &STATEMENT
}
