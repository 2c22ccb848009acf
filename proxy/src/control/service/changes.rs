//! The stream of `WatchNamespaces`: every change once, in the order of the versions.

use std::collections::VecDeque;

use futures::{Stream, stream};
use prism_contract::Error;
use prism_mutants::seeded;
use prism_proto::common::ErrorReason;
use prism_proto::control::v1::{Change, ChangeKind, WatchNamespacesResponse};
use prism_wire::call::{CallNotes, NamespaceGuard};
use tokio::sync::watch;
use tonic::{Code, Status};

use super::super::{Control, Fault, PAGE};
use super::Service;
use crate::server::Shutdown;

impl Service {
    /// The changes after version `from` that `guard` allows; from 0, all definitions.
    pub(in super::super) async fn watch(
        &self,
        from: i64,
        guard: Option<NamespaceGuard>,
    ) -> Result<Changes, Fault> {
        let inner = &self.control.0;
        if from < 0 {
            return Err(Error::invalid("from_version", "is negative; 0 or a version is allowed").into());
        }
        self.control.refresh().await?;
        let changed = inner.version.subscribe();
        let head = inner.store.head(inner.clock.now()).await?;
        let mut changes = Changes {
            control: self.control.clone(),
            shutdown: self.shutdown.clone(),
            guard,
            version: from,
            waiting: VecDeque::new(),
            changed,
        };
        if from > head.last || (from + 1 < head.first && from != 0) {
            let kept = format!("changes after the versions {} to {} are kept", head.first - 1, head.last);
            return Err(Fault::status(Code::OutOfRange, ErrorReason::VersionOutOfRange, &kept));
        }
        if from + 1 < head.first {
            let mut all = inner.store.all(inner.clock.now()).await?;
            all.retain(|namespace| namespace.version <= head.last);
            all.sort_by_key(|namespace| namespace.version);
            let created = |namespace| Change { kind: ChangeKind::Created.into(), namespace: Some(namespace) };
            changes.waiting = all.into_iter().map(created).collect();
            changes.version = head.last;
        }
        Ok(changes)
    }
}

/// The changes of a stream.
pub(in super::super) struct Changes {
    control: Control,
    shutdown: Shutdown,
    guard: Option<NamespaceGuard>,
    /// The version of the last change that was sent or left out.
    version: i64,
    /// Changes to be sent before those after `version`.
    waiting: VecDeque<Change>,
    changed: watch::Receiver<i64>,
}

impl Changes {
    pub(super) fn messages(
        self,
        notes: CallNotes,
    ) -> impl Stream<Item = Result<WatchNamespacesResponse, Status>> + Send {
        stream::unfold(Some(self), move |changes| {
            let notes = notes.clone();
            async move {
                let mut changes = changes?;
                match changes.next().await {
                    Ok(message) => Some((Ok(message), Some(changes))),
                    Err(fault) => Some((Err(fault.into_status(&notes)), None)),
                }
            }
        })
    }

    /// The next message; waits for it.
    pub(in super::super) async fn next(&mut self) -> Result<WatchNamespacesResponse, Fault> {
        loop {
            let changes =
                if self.waiting.is_empty() { self.read().await? } else { self.waiting.drain(..).collect() };
            if let Some(last) = changes.iter().rev().find_map(|change| change.namespace.as_ref()) {
                self.version = self.version.max(last.version);
            }
            if seeded("control/repeats-a-change") && self.version % 2 == 1 {
                self.version -= 1;
            }
            let lost = usize::from(changes.len() > 1 && seeded("control/loses-a-change"));
            let changes: Vec<_> =
                changes.into_iter().skip(lost).filter(|change| self.is_seen(change)).collect();
            if !changes.is_empty() {
                return Ok(WatchNamespacesResponse { changes, version: self.version });
            }
            if *self.changed.borrow_and_update() > self.version {
                continue;
            }
            tokio::select! {
                () = self.shutdown.draining() => return Err(Error::unavailable("the server is shutting down").into()),
                changed = self.changed.changed() => {
                    changed.map_err(|_| Error::unavailable("the server is shutting down"))?;
                }
            }
        }
    }

    /// The next changes; none if there are none yet.
    async fn read(&self) -> Result<Vec<Change>, Fault> {
        let inner = &self.control.0;
        let changes = inner.store.changes(self.version, PAGE, inner.clock.now()).await?;
        let first = changes.first().and_then(|change| change.namespace.as_ref());
        if first.is_some_and(|first| first.version != self.version + 1) {
            let why = "the next changes are not kept any more";
            return Err(Fault::status(Code::OutOfRange, ErrorReason::VersionOutOfRange, why));
        }
        Ok(changes)
    }

    fn is_seen(&self, change: &Change) -> bool {
        let name = change.namespace.as_ref().map_or("", |namespace| &namespace.name);
        let guard = self.guard.as_ref().filter(|_| !seeded("control/shows-all-changes-to-a-limited-admin"));
        guard.is_none_or(|guard| guard.allows(name))
    }
}
