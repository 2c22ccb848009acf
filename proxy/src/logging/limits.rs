//! Rate limit on repeated warnings: a few lines of each kind are logged per time window, then one line with the number of
//! suppressed ones. A filter over all events of the process, from all crates.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The time window, at whose end suppressed lines are reported.
const WINDOW: Duration = Duration::from_secs(10);
/// Maximum kinds distinguished within a window; further ones are counted together.
const MOST_KINDS: usize = 1_024;
/// Maximum bytes of each part of a description.
const MOST_TEXT: usize = 128;

/// Maximum lines per window: of one kind, and of all kinds together. The first line of a kind is always logged, so a flood
/// of one kind does not hide another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quota {
    each: u32,
    all: u32,
}

const WARNINGS: Quota = Quota { each: 20, all: 2_000 };
const FAILURES: Quota = Quota { each: 200, all: 10_000 };

/// Limited events. Anything else passes: every successful call has its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Error,
    Warning,
    /// An INFO event with the field `reason`: a call that failed because of its client.
    Failure,
}

impl Class {
    fn of(metadata: &Metadata<'_>) -> Option<Self> {
        let has = |name| metadata.fields().field(name).is_some();
        match *metadata.level() {
            // The reports of suppressed lines are not limited themselves.
            Level::ERROR | Level::WARN if has("left_out") => None,
            Level::ERROR => Some(Self::Error),
            Level::WARN => Some(Self::Warning),
            Level::INFO if has("reason") && !has("left_out") => Some(Self::Failure),
            _ => None,
        }
    }

    fn quota(self) -> Quota {
        match self {
            Self::Error | Self::Warning => WARNINGS,
            Self::Failure => FAILURES,
        }
    }
}

/// The limits of this process' log. Clones share them.
#[derive(Clone)]
pub(super) struct Limits(Arc<Shared>);

struct Shared {
    window: Mutex<Window>,
    hasher: RandomState,
    /// Notifies the thread that a window has begun.
    begun: SyncSender<()>,
}

#[derive(Default)]
struct Window {
    kinds: HashMap<u64, Kind>,
    warnings: u32,
    failures: u32,
}

/// Lines with the same code location, method, status and reason, by the same caller, or in the same namespace if callers
/// have no names.
struct Kind {
    class: Class,
    lines: u32,
    left_out: u64,
    what: Description,
}

impl Limits {
    /// Limits, and a thread that reports at the end of each window.
    pub(super) fn start() -> io::Result<Self> {
        let (limits, begun) = Self::new();
        let of_thread = limits.clone();
        let thread = thread::Builder::new().name("prism-log-limits".to_owned());
        thread.spawn(move || {
            while begun.recv().is_ok() {
                thread::sleep(WINDOW);
                of_thread.report();
            }
        })?;
        Ok(limits)
    }

    fn new() -> (Self, Receiver<()>) {
        let (begun, receiver) = sync_channel(1);
        let shared = Shared { window: Mutex::default(), hasher: RandomState::new(), begun };
        (Self(Arc::new(shared)), receiver)
    }

    /// Ends the window, and logs the counts of suppressed lines.
    pub(super) fn report(&self) {
        let window = mem::take(&mut *self.lock());
        for kind in window.kinds.into_values().filter(|kind| kind.left_out > 0) {
            kind.report();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.0.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the event is logged; otherwise it is counted.
    fn admit(&self, class: Class, event: &Event<'_>) -> bool {
        let quota = class.quota();
        let key = self.key(event);
        let mut window = self.lock();
        if window.kinds.is_empty() {
            // If the channel is full, the thread has been notified already.
            let _ = self.0.begun.try_send(());
        }
        let full = window.kinds.len() >= MOST_KINDS;
        let Window { kinds, warnings, failures } = &mut *window;
        let kind = if full && !kinds.contains_key(&key) {
            let others =
                || Kind::new(class, Description { of: "others".to_owned(), ..Description::default() });
            kinds.entry(self.0.hasher.hash_one(class)).or_insert_with(others)
        } else {
            match kinds.entry(key) {
                Entry::Occupied(kind) => kind.into_mut(),
                Entry::Vacant(place) => place.insert(Kind::new(class, Description::of(event))),
            }
        };
        let all = if class == Class::Failure { failures } else { warnings };
        if kind.lines > 0 && (kind.lines >= quota.each || *all >= quota.all) {
            kind.left_out += 1;
            return false;
        }
        kind.lines += 1;
        *all += 1;
        true
    }

    fn key(&self, event: &Event<'_>) -> u64 {
        let mut hasher = self.0.hasher.build_hasher();
        event.metadata().callsite().hash(&mut hasher);
        // Clients choose namespaces but not their names, so namespaces distinguish callers only if there are no names.
        let mut part = |field: &'static str, text: &str| (field, text).hash(&mut hasher);
        let mut parts = Parts::default();
        event.record(&mut parts);
        for (field, text) in parts.distinguishing() {
            part(field, text);
        }
        hasher.finish()
    }
}

/// A layer that writes lines, within the limits. It is not a filter of the whole subscriber, which would have every event of
/// every crate ask it; spans are not given to the layer.
pub(super) struct Limited<L> {
    lines: L,
    limits: Limits,
}

impl Limits {
    /// The layer within these limits.
    pub(super) fn limit<L>(&self, lines: L) -> Limited<L> {
        Limited { lines, limits: self.clone() }
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Limited<L> {
    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        if Class::of(event.metadata()).is_none_or(|class| self.limits.admit(class, event)) {
            self.lines.on_event(event, cx);
        }
    }
}

/// The fields of an event that distinguish kinds.
#[derive(Default)]
struct Parts {
    message: String,
    method: String,
    status: String,
    reason: String,
    caller: String,
    namespace: String,
    location: String,
}

impl Parts {
    fn distinguishing(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let tenant =
            if self.caller.is_empty() { ("namespace", &self.namespace) } else { ("caller", &self.caller) };
        let fixed = [
            ("method", &self.method),
            ("status", &self.status),
            ("reason", &self.reason),
            ("location", &self.location),
            tenant,
        ];
        fixed.into_iter().map(|(field, text)| (field, text.as_str()))
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "message" => &mut self.message,
            "method" => &mut self.method,
            "status" => &mut self.status,
            "reason" => &mut self.reason,
            "caller" => &mut self.caller,
            "namespace" => &mut self.namespace,
            "location" => &mut self.location,
            _ => return None,
        })
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(text) = self.field(field.name()) {
            text.push_str(&value[..value.floor_char_boundary(MOST_TEXT)]);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(text) = self.field(field.name()) {
            let _ = write!(text, "{value:?}");
            text.truncate(text.floor_char_boundary(MOST_TEXT));
        }
    }
}

/// The description of a kind, for the report.
#[derive(Default)]
struct Description {
    /// The message of the events.
    of: String,
    method: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    caller: Option<String>,
    namespace: Option<String>,
}

impl Description {
    fn of(event: &Event<'_>) -> Self {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let some = |text: String| (!text.is_empty()).then_some(text);
        // Lines of one caller may concern many namespaces.
        let namespace = if parts.caller.is_empty() { some(parts.namespace) } else { None };
        Self {
            of: parts.message,
            method: some(parts.method),
            status: some(parts.status),
            reason: some(parts.reason),
            caller: some(parts.caller),
            namespace,
        }
    }
}

impl Kind {
    fn new(class: Class, what: Description) -> Self {
        Self { class, lines: 0, left_out: 0, what }
    }

    fn report(&self) {
        /// A macro, since an event's level is a constant.
        macro_rules! report {
            ($level:ident) => {
                tracing::event!(
                    tracing::Level::$level,
                    left_out = self.left_out,
                    within_s = WINDOW.as_secs(),
                    of = self.what.of,
                    method = self.what.method,
                    status = self.what.status,
                    reason = self.what.reason,
                    caller = self.what.caller,
                    namespace = self.what.namespace,
                    "more lines like this were left out"
                )
            };
        }
        match self.class {
            Class::Error => report!(ERROR),
            Class::Warning => report!(WARN),
            Class::Failure => report!(INFO),
        }
    }
}

#[cfg(test)]
mod tests;
