//! What `prism status` shows: the state at one moment, and rates since an earlier one.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::scrape::Between;
use crate::client::{Columns, grouped};
use crate::terminal::{Palette, printable};

/// The state of a gateway.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: String,
    ready: bool,
    uptime_seconds: Option<f64>,
    calls: Calls,
    connections: Connections,
    process: Process,
    backends: Vec<Backend>,
    namespaces: Vec<Namespace>,
}

#[derive(Debug, Serialize)]
struct Calls {
    per_second: f64,
    by_status: Vec<(String, f64)>,
    p99_seconds: Option<f64>,
    in_flight: f64,
    slots_taken: f64,
    slots: f64,
    shed_per_second: Vec<(String, f64)>,
}

#[derive(Debug, Serialize)]
struct Connections {
    open: f64,
    handshake: f64,
    received_bytes_per_second: f64,
    sent_bytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Process {
    resident_bytes: Option<f64>,
    cpu: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Backend {
    name: String,
    serving: bool,
    health_changes: f64,
    queues: Vec<Queue>,
    file_bytes: Option<f64>,
    wal_bytes: Option<f64>,
    disk_free_bytes: Option<f64>,
    swept_per_second: f64,
    last_sweep_seconds_ago: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Queue {
    name: String,
    waiting: f64,
    oldest_seconds: Option<f64>,
    shed_per_second: f64,
    batch_size: Option<f64>,
    connections_taken: Option<f64>,
    connections: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Namespace {
    name: String,
    per_second: f64,
    p99_seconds: Option<f64>,
}

impl Status {
    /// The state of two scrapes.
    pub(super) fn of(between: &Between<'_>) -> Self {
        let now = between.now;
        let number = |name: &str| now.sum(name, &[]).unwrap_or(0.0);
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        let by = |name: &str, label: &str| -> Vec<(String, f64)> {
            let values = now.values(name, label, &[]);
            let rates = values.into_iter().map(|value| {
                let rate = between.rate(name, &[(label, &value)]);
                (value, rate)
            });
            rates.filter(|(_, rate)| *rate > 0.0).collect()
        };
        let calls = "grpc_server_call_duration_seconds_count";
        Self {
            version: now.values("prism_build_info", "version", &[]).concat(),
            ready: now.sum("prism_ready", &[]) == Some(1.0),
            uptime_seconds: now
                .sum("process_start_time_seconds", &[])
                .map(|start| (seconds - start).max(0.0)),
            calls: Calls {
                per_second: between.rate(calls, &[]),
                by_status: by(calls, "grpc_status"),
                p99_seconds: between.quantile("prism_namespace_call_duration_seconds", &[], 0.99),
                in_flight: number("prism_calls_in_flight"),
                slots_taken: number("prism_slots_taken"),
                slots: number("prism_slots"),
                shed_per_second: by("prism_calls_shed_total", "reason"),
            },
            connections: Connections {
                open: now.sum("prism_connections", &[("state", "open")]).unwrap_or(0.0),
                handshake: now.sum("prism_connections", &[("state", "handshake")]).unwrap_or(0.0),
                received_bytes_per_second: between.rate("prism_received_bytes_total", &[]),
                sent_bytes_per_second: between.rate("prism_sent_bytes_total", &[]),
            },
            process: Process {
                resident_bytes: now.sum("process_resident_memory_bytes", &[]),
                cpu: now
                    .sum("process_cpu_seconds_total", &[])
                    .map(|_| between.rate("process_cpu_seconds_total", &[])),
                open_fds: now.sum("process_open_fds", &[]),
                max_fds: now.sum("process_max_fds", &[]),
            },
            backends: now
                .values("prism_backend_serving", "backend", &[])
                .into_iter()
                .map(|name| Backend::of(between, name, seconds))
                .collect(),
            namespaces: Namespace::all(between),
        }
    }

    /// As text, for a person.
    pub(super) fn text(&self, endpoint: &str, palette: Palette) -> String {
        let mut text = String::new();
        let heading = palette.heading;
        let mut line = |name: &str, value: String| {
            writeln!(text, "{heading}{name:<13}{heading:#}{value}").expect("writing to a String cannot fail");
        };
        let up = self.uptime_seconds.map(|seconds| format!(", up {}", uptime(seconds))).unwrap_or_default();
        line("gateway", format!("prism {} at {endpoint}{up}", self.version));
        line("ready", if self.ready { "yes".to_owned() } else { "no".to_owned() });
        let Calls { per_second, by_status, p99_seconds, in_flight, slots_taken, slots, shed_per_second } =
            &self.calls;
        let p99 = p99_seconds.map(|p99| format!(", P99 within {}", time(p99))).unwrap_or_default();
        line(
            "calls",
            format!(
                "{}/s{}{p99}; {} in flight, {} of {} slots taken",
                rate(*per_second),
                rates(by_status),
                whole(*in_flight),
                whole(*slots_taken),
                whole(*slots)
            ),
        );
        let shed: f64 = shed_per_second.iter().map(|(_, rate)| rate).sum();
        line("shed", format!("{}/s{}", rate(shed), rates(shed_per_second)));
        let Connections { open, handshake, received_bytes_per_second, sent_bytes_per_second } =
            &self.connections;
        line(
            "connections",
            format!(
                "{} open, {} in their handshake; {}/s received, {}/s sent",
                whole(*open),
                whole(*handshake),
                bytes(*received_bytes_per_second),
                bytes(*sent_bytes_per_second)
            ),
        );
        if let Process { resident_bytes: Some(resident), cpu: Some(cpu), open_fds: Some(open), max_fds } =
            &self.process
        {
            let most = max_fds.map(|most| format!(" of {}", whole(most))).unwrap_or_default();
            line(
                "process",
                format!("{} memory, {cpu:.2} CPU, {}{most} file descriptors", bytes(*resident), whole(*open)),
            );
        }
        self.write_backends(&mut text, palette);
        self.write_namespaces(&mut text, palette);
        text
    }

    fn write_backends(&self, text: &mut String, palette: Palette) {
        let rows = self.backends.iter().flat_map(|backend| {
            let serving = if backend.serving { "yes" } else { "no" };
            let first = [printable(&backend.name), serving.to_owned()];
            let queues = backend.queues.iter().enumerate().map(move |(at, queue)| {
                let [name, serving] = if at == 0 { first.clone() } else { [String::new(), String::new()] };
                let share = |(taken, all): (f64, f64)| format!("{} of {}", whole(taken), whole(all));
                [
                    name,
                    serving,
                    queue.name.clone(),
                    whole(queue.waiting),
                    queue.oldest_seconds.map_or_else(|| "-".to_owned(), time),
                    rate(queue.shed_per_second),
                    queue.connections_taken.zip(queue.connections).map_or_else(|| "-".to_owned(), share),
                    queue.batch_size.map_or_else(|| "-".to_owned(), |size| format!("{size:.1}")),
                ]
            });
            let none = backend.queues.is_empty().then(|| {
                let dash = || "-".to_owned();
                [printable(&backend.name), serving.to_owned(), dash(), dash(), dash(), dash(), dash(), dash()]
            });
            queues.chain(none).collect::<Vec<_>>()
        });
        let headings = ["BACKEND", "SERVING", "QUEUE", "WAITING", "OLDEST", "SHED/S", "CONNECTIONS", "BATCH"];
        write_table(text, headings, &rows.collect::<Vec<_>>(), palette);
        for backend in &self.backends {
            let parts = [
                backend.file_bytes.map(|size| format!("file {}", bytes(size))),
                backend.wal_bytes.map(|size| format!("write-ahead log {}", bytes(size))),
                backend.disk_free_bytes.map(|size| format!("{} free on the disk", bytes(size))),
                backend.last_sweep_seconds_ago.map(|ago| {
                    format!(
                        "swept {}/s, last complete sweep {} ago",
                        rate(backend.swept_per_second),
                        uptime(ago)
                    )
                }),
            ];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            if !parts.is_empty() {
                writeln!(text, "{}: {}", printable(&backend.name), parts.join(", "))
                    .expect("writing to a String cannot fail");
            }
        }
    }

    fn write_namespaces(&self, text: &mut String, palette: Palette) {
        let rows = self.namespaces.iter().map(|namespace| {
            let p99 =
                namespace.p99_seconds.map_or_else(|| "-".to_owned(), |p99| format!("within {}", time(p99)));
            [printable(&namespace.name), rate(namespace.per_second), p99]
        });
        write_table(text, ["NAMESPACE", "CALLS/S", "P99"], &rows.collect::<Vec<_>>(), palette);
    }
}

impl Backend {
    fn of(between: &Between<'_>, name: String, seconds: f64) -> Self {
        let of = [("backend", name.as_str())];
        let now = between.now;
        let queues = now.values("prism_queue_waiting", "queue", &of).into_iter();
        let queues = queues.map(|queue| Queue::of(between, &name, queue)).collect();
        let completed = now.sum("prism_sweep_completed_timestamp_seconds", &of);
        Self {
            serving: now.sum("prism_backend_serving", &of) == Some(1.0),
            health_changes: now.sum("prism_backend_health_changes_total", &of).unwrap_or(0.0),
            queues,
            file_bytes: now.sum("prism_database_file_bytes", &of),
            wal_bytes: now.sum("prism_wal_bytes", &of),
            disk_free_bytes: now.sum("prism_disk_free_bytes", &of),
            swept_per_second: between.rate("prism_swept_rows_total", &of),
            last_sweep_seconds_ago: completed.map(|completed| (seconds - completed).max(0.0)),
            name,
        }
    }
}

impl Queue {
    fn of(between: &Between<'_>, backend: &str, name: String) -> Self {
        let now = between.now;
        let of = [("backend", backend), ("queue", name.as_str())];
        let pool = [("backend", backend), ("pool", name.as_str())];
        let (sum, count) =
            (between.rate("prism_batch_size_sum", &of), between.rate("prism_batch_size_count", &of));
        Self {
            waiting: now.sum("prism_queue_waiting", &of).unwrap_or(0.0),
            oldest_seconds: now.max("prism_queue_namespace_oldest_seconds", &of),
            shed_per_second: between.rate("prism_queue_shed_total", &of),
            batch_size: (count > 0.0).then(|| sum / count),
            connections_taken: now.sum("prism_pool_connections_taken", &pool),
            connections: now.sum("prism_pool_connections", &pool),
            name,
        }
    }
}

impl Namespace {
    /// The namespaces that have had calls, busiest first.
    fn all(between: &Between<'_>) -> Vec<Self> {
        let calls = "prism_namespace_calls_total";
        let of = |name: String| {
            let labels = [("namespace", name.as_str())];
            let per_second = between.rate(calls, &labels);
            let p99_seconds = between.quantile("prism_namespace_call_duration_seconds", &labels, 0.99);
            Self { name, per_second, p99_seconds }
        };
        let mut all: Vec<_> = between.now.values(calls, "namespace", &[]).into_iter().map(of).collect();
        all.sort_by(|one, other| other.per_second.total_cmp(&one.per_second));
        all
    }
}

fn write_table<const N: usize>(
    text: &mut String,
    headings: [&'static str; N],
    rows: &[[String; N]],
    palette: Palette,
) {
    if rows.is_empty() {
        return;
    }
    let mut columns = Columns::new(headings);
    for row in rows {
        columns.widen(row);
    }
    let shown: Vec<usize> = (0..N).collect();
    let heading = columns.line(&columns.headings(), [palette.heading; N], &shown);
    writeln!(text, "\n{heading}").expect("writing to a String cannot fail");
    for row in rows {
        let line = columns.line(row, [anstyle::Style::new(); N], &shown);
        writeln!(text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    }
}

/// Rates by a label, in parentheses.
fn rates(by: &[(String, f64)]) -> String {
    let all: Vec<_> = by.iter().map(|(name, of)| format!("{name} {}", rate(*of))).collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, which are not negative")]
fn whole(number: f64) -> String {
    grouped(number.round() as u64)
}

/// A rate: small ones with a digit behind the point.
fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 { format!("{per_second:.1}") } else { whole(per_second) }
}

fn time(seconds: f64) -> String {
    if seconds < 0.001 {
        format!("{} µs", whole(seconds * 1e6))
    } else if seconds < 1.0 {
        format!("{} ms", whole(seconds * 1e3))
    } else {
        format!("{seconds:.1} s")
    }
}

fn uptime(seconds: f64) -> String {
    let (minutes, hours) = (seconds / 60.0, seconds / 3_600.0);
    if minutes < 2.0 {
        format!("{} s", whole(seconds.floor()))
    } else if hours < 2.0 {
        format!("{} min", whole(minutes.floor()))
    } else if hours < 48.0 {
        format!("{} h", whole(hours.floor()))
    } else {
        format!("{} d", whole((hours / 24.0).floor()))
    }
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (number, 0);
    while number >= 1_024.0 && unit + 1 < units.len() {
        number /= 1_024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && number < 99.95);
    format!("{number:.digits$} {}", units[unit])
}
