//! The keys of `logging`, `health`, `admin` and `otlp`: what operators see.

use super::{COUNT, FILE, PERIOD, Setting, text};
use crate::config::values::{self, file, show_duration};
use crate::config::{LogFormat, LogLevel, OtlpProtocol};
use crate::metrics::MAX_NAMESPACES;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "logging.level",
        doc: "Log level; each includes the ones before it: `error` for bugs, `warn` for an unavailable database or shed load, \
              `info` for every call, start and stop, `debug` for health checks and sweeps.",
        allowed: "a level; write off, error, warn, info, debug or trace",
        set: |config, text| LogLevel::read(text).map(|level| config.logging.level = level),
        show: |config| Some(config.logging.level.name().to_owned()),
    },
    Setting {
        path: "logging.format",
        doc: "Format of the log on standard error: `text` for humans, `json` for one object per line. Keys, ids and values are \
              never logged.",
        allowed: "a format; write text or json",
        set: |config, text| LogFormat::read(text).map(|format| config.logging.format = format),
        show: |config| Some(config.logging.format.name().to_owned()),
    },
    Setting {
        path: "logging.sample",
        doc: "One of this many successful calls has a line; failed and slow calls always have one. Other than 1, lines of \
              successful calls have the field `sample` with it, so that counts can be restored.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.logging.calls.sample = count),
        show: |config| Some(config.logging.calls.sample.to_string()),
    },
    Setting {
        path: "logging.slow",
        doc: "A successful unary call that takes longer has a line at WARN that says where the time went: until its request was \
              read and admitted, in queues and batches of the store, until its answer was made, and until that was sent. Streams \
              take the time of their clients and are never slow.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.logging.calls.slow = time),
        show: |config| Some(show_duration(config.logging.calls.slow)),
    },
    Setting {
        path: "health.interval",
        doc: "Interval between health checks of the database, and the time limit for each. `grpc.health.v1` reports the \
              result (HEALTH-1).",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.health.interval = time),
        show: |config| Some(show_duration(config.health.interval)),
    },
    Setting {
        path: "admin.listen",
        doc: "Listen address of the admin endpoint, which has `/metrics` (OpenMetrics), `/healthz` and `/readyz` over HTTP. \
              It has no authentication, and the metrics name namespaces: let only operators reach it. `off`: none. If another \
              program listens on the default address, the gateway starts without it.",
        allowed: "an address to listen on, or off; write host:port, such as 127.0.0.1:8981 or [::]:8981",
        set: |config, text| values::admin_listen(text).map(|listen| config.admin.listen = listen),
        show: |config| Some(config.admin.listen.address().unwrap_or("off").to_owned()),
    },
    Setting {
        path: "admin.namespaces",
        doc: "Maximum number of namespaces that have metrics under their names: the busiest. All others are counted as `other`.",
        allowed: "a whole number from 0 to 1000",
        set: |config, text| values::up_to(text, MAX_NAMESPACES).map(|most| config.admin.namespaces = most),
        show: |config| Some(config.admin.namespaces.to_string()),
    },
    Setting {
        path: "otlp.endpoint",
        doc: "URL of a collector of OpenTelemetry, to which traces and metrics are sent: with `otlp.protocol: grpc`, such as \
              `http://127.0.0.1:4317`; with `http`, such as `http://127.0.0.1:4318`, to which `/v1/traces` and `/v1/metrics` are \
              appended. If unset, nothing is sent. A collector that is slow or away costs calls nothing: what does not fit into \
              the queue of 4,096 spans is dropped and counted.",
        allowed: "the URL of a collector; write http or https, a host and a port, without a user, a password or a query",
        set: |config, text| values::collector(text).map(|url| config.otlp.endpoint = Some(url)),
        show: |config| config.otlp.endpoint.as_ref().map(ToString::to_string),
    },
    Setting {
        path: "otlp.protocol",
        doc: "How it is sent: `grpc`, or `http` with binary protobuf.",
        allowed: "a protocol; write grpc or http",
        set: |config, text| OtlpProtocol::read(text).map(|protocol| config.otlp.protocol = protocol),
        show: |config| Some(config.otlp.protocol.name().to_owned()),
    },
    Setting {
        path: "otlp.headers_file",
        doc: "File with headers that are sent to the collector, such as one with a token: a line `name: value` for each. Empty \
              lines, and those that begin with `#`, are ignored.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.otlp.headers_file = Some(path)),
        show: |config| config.otlp.headers_file.as_deref().map(text),
    },
    Setting {
        path: "otlp.ca",
        doc: "Certificate authorities in PEM that a collector at an `https` URL is trusted by. If unset, those of the machine.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.otlp.ca = Some(path)),
        show: |config| config.otlp.ca.as_deref().map(text),
    },
    Setting {
        path: "otlp.sample",
        doc: "Share of the calls that are traced, of those that come without a decision. A call with the header `traceparent` of \
              W3C Trace Context is traced if its caller traces it, and not otherwise.",
        allowed: "a number from 0 to 1, such as 0.01",
        set: |config, text| values::share(text).map(|share| config.otlp.sample = share),
        show: |config| Some(config.otlp.sample.to_string()),
    },
    Setting {
        path: "otlp.max_traces",
        doc: "Maximum number of calls per second that are traced by `otlp.sample`, and of those that are traced because their \
              callers ask for it; of the latter, a client address may have at most four times what is left. Further calls are \
              not traced.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.otlp.max_traces = count),
        show: |config| Some(config.otlp.max_traces.to_string()),
    },
    Setting {
        path: "otlp.metrics_interval",
        doc: "Interval at which the metrics are sent, under the names that they have at `/metrics`. `off`: they are not.",
        allowed: "a duration longer than 0, such as 15s or 1m, or off",
        set: |config, text| {
            config.otlp.metrics_interval = if text == "off" { None } else { Some(values::period(text)?) };
            Some(())
        },
        show: |config| Some(config.otlp.metrics_interval.map_or_else(|| "off".to_owned(), show_duration)),
    },
];
