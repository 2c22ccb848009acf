//! The keys of `server`: listening, limits and TLS.

use super::{BUFFER, COUNT, DURATION, FILE, PERIOD, Setting, text};
use crate::config::values::{self, file, show_duration, show_size};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "server.listen",
        doc: "Listen address. Port 0 picks a free port, which is logged. An address other than loopback requires \
              `auth.tokens` or `auth.grants`, or `auth.mode: insecure`; use TLS there as well.",
        allowed: "an address to listen on; write host:port, such as 127.0.0.1:8980 or [::]:8980",
        set: |config, text| values::address(text).map(|address| config.server.listen = address),
        show: |config| Some(config.server.listen.clone()),
    },
    Setting {
        path: "server.drain_timeout",
        doc: "Time that calls and streams in flight have to finish after SIGTERM or Ctrl-C, while no new connection is \
              accepted. Remaining ones are then aborted; a second signal aborts them at once.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.server.limits.drain_timeout = time),
        show: |config| Some(show_duration(config.server.limits.drain_timeout)),
    },
    Setting {
        path: "server.max_in_flight",
        doc: "Maximum number of calls being executed. Further calls are refused with RESOURCE_EXHAUSTED at once, with the \
              delay before a retry. A namespace, and a caller (a token, or a client address where there are no tokens), may \
              use at most four times the number of free slots, so that some are left for others. A call that waits for its \
              client takes no slot; four times this number may be open in total.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.limits.max_in_flight = count),
        show: |config| Some(config.server.limits.max_in_flight.to_string()),
    },
    Setting {
        path: "server.max_connections",
        doc: "Maximum number of connections. A further one waits up to `server.handshake_timeout`, and a connection that has \
              been idle for 10 s, or 1 s without ever carrying a call, is closed to make room. Each takes a file descriptor, \
              as do up to 256 connections in their handshake: raise `ulimit -n` accordingly.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.limits.max_connections = count),
        show: |config| Some(config.server.limits.max_connections.to_string()),
    },
    Setting {
        path: "server.max_connections_per_peer",
        doc: "Maximum number of connections from one client address. If unset, half of `server.max_connections`. Set both to \
              the same value if all clients connect through one proxy.",
        allowed: COUNT,
        set: |config, text| {
            values::count(text).map(|count| config.server.limits.max_connections_per_peer = Some(count))
        },
        show: |config| config.server.limits.max_connections_per_peer.map(|count| count.to_string()),
    },
    Setting {
        path: "server.handshake_timeout",
        doc: "Time limit for the TLS handshake and the HTTP/2 preface of a new connection, after which it is closed.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.server.limits.handshake_timeout = time),
        show: |config| Some(show_duration(config.server.limits.handshake_timeout)),
    },
    Setting {
        path: "server.max_connection_age",
        doc: "Maximum age of a connection, plus a random 0 to 10 %: the client is then asked to reconnect, so that newly \
              added gateways get their share of the calls. If unset, there is no limit.",
        allowed: PERIOD,
        set: |config, text| {
            values::period(text).map(|time| config.server.limits.max_connection_age = Some(time))
        },
        show: |config| config.server.limits.max_connection_age.map(show_duration),
    },
    Setting {
        path: "server.max_connection_age_grace",
        doc: "Time that calls on a connection past its maximum age have to finish before they are aborted.",
        allowed: DURATION,
        set: |config, text| {
            values::duration(text).map(|time| config.server.limits.max_connection_age_grace = time)
        },
        show: |config| Some(show_duration(config.server.limits.max_connection_age_grace)),
    },
    Setting {
        path: "server.max_buffered_bytes",
        doc: "Maximum memory for buffering: incomplete requests and responses that clients have not read yet. The next read \
              of a connection that holds a sixteenth of it, or a quarter of what is free, is delayed; beyond a quarter of it, \
              calls are refused with RESOURCE_EXHAUSTED. A response not read one second after its call's deadline is dropped.",
        allowed: BUFFER,
        set: |config, text| {
            values::size(text)
                .filter(|bytes| *bytes >= 16 << 20)
                .map(|bytes| config.server.limits.max_buffered_bytes = bytes)
        },
        show: |config| Some(show_size(config.server.limits.max_buffered_bytes)),
    },
    Setting {
        path: "server.tls.cert",
        doc: "The server's certificate chain in PEM, the server's own certificate first. TLS is enabled by `cert` and `key`, \
              which must be set together.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.cert = Some(path)),
        show: |config| config.server.tls.cert.as_deref().map(text),
    },
    Setting {
        path: "server.tls.key",
        doc: "The private key of that certificate, in PEM.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.key = Some(path)),
        show: |config| config.server.tls.key.as_deref().map(text),
    },
    Setting {
        path: "server.tls.client_ca",
        doc: "Certificate authorities in PEM. If set, each client must present a certificate issued by one of them (mTLS). \
              `auth.grants` can name its URIs and DNS names.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.client_ca = Some(path)),
        show: |config| config.server.tls.client_ca.as_deref().map(text),
    },
];
