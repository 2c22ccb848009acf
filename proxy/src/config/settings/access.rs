//! The keys of `audit` and `auth`.

use super::{COUNT, FILE, SIZE, Setting, text};
use crate::config::values::{self, file, show_size};
use crate::config::{AuditFailure, AuditNamespaces, AuditShow, AuditSync, AuthMode};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "audit.file",
        doc: "File of the audit log: a line for each call that reads or writes data, allowed or denied. If unset, there is no \
              audit. It is created if it does not exist; its directory must exist, and only one gateway may write it.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.audit.file = Some(path)),
        show: |config| config.audit.file.as_deref().map(text),
    },
    Setting {
        path: "audit.namespaces",
        doc: "Which namespaces are audited. `all`: all but those whose rule says `audit: false`. `chosen`: those whose rule, or \
              definition of the control plane, says `audit: true`. If unset, `chosen` if any rule has the key `audit`, \
              otherwise `all`.",
        allowed: "a choice; write all or chosen",
        set: |config, text| AuditNamespaces::read(text).map(|choice| config.audit.namespaces = Some(choice)),
        show: |config| config.audit.namespaces.map(|choice| choice.name().to_owned()),
    },
    Setting {
        path: "audit.on_failure",
        doc: "What happens to an audited call whose line cannot be written, as on a full disk. `refuse`: it fails with \
              UNAVAILABLE, and calls are refused before they are executed until a line is written again. `continue`: it is \
              answered, and the lost line is counted and logged.",
        allowed: "an action; write refuse or continue",
        set: |config, text| AuditFailure::read(text).map(|action| config.audit.on_failure = action),
        show: |config| Some(config.audit.on_failure.name().to_owned()),
    },
    Setting {
        path: "audit.sync",
        doc: "When lines are on disk. `none`: when the operating system writes them, so lines of the last seconds may be lost \
              if the machine fails, though not if only the gateway does. `batch`: before the calls are answered, at the cost of \
              a disk flush for each group of concurrent calls.",
        allowed: "a policy; write none or batch",
        set: |config, text| AuditSync::read(text).map(|sync| config.audit.sync = sync),
        show: |config| Some(config.audit.sync.name().to_owned()),
    },
    Setting {
        path: "audit.rotate",
        doc: "Size from which the file is renamed to its name and the time, and a new one is started.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.audit.rotate = size),
        show: |config| Some(show_size(config.audit.rotate)),
    },
    Setting {
        path: "audit.keep",
        doc: "Number of renamed files that are kept. The oldest ones beyond it are deleted: copy them elsewhere before if they \
              must be kept longer.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.audit.keep = count),
        show: |config| Some(config.audit.keep.to_string()),
    },
    Setting {
        path: "audit.show",
        doc: "How ids and keys appear in the audit log. `hashed`: as a SHA-256 with a salt of the file, so that equal ones can \
              be recognized within a file, and one can be compared with a guess. `plain`: as text.",
        allowed: "a form; write hashed or plain",
        set: |config, text| AuditShow::read(text).map(|show| config.audit.show = show),
        show: |config| Some(config.audit.show.name().to_owned()),
    },
    Setting {
        path: "auth.mode",
        doc: "Whether callers must be known. If unset, they must if `auth.tokens` or `auth.grants` has entries; if neither \
              has, the server only listens on loopback. `required`: the server does not start without entries. `insecure`: \
              neither tokens nor grants are checked, even if some are configured, and the server may listen on any address: \
              every client may read and write everything.",
        allowed: "a mode; write required or insecure",
        set: |config, text| AuthMode::read(text).map(|mode| config.auth.mode = Some(mode)),
        show: |config| config.auth.mode.map(|mode| mode.name().to_owned()),
    },
];
