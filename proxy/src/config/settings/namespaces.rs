//! The keys of `namespaces` and `encryption`.

use super::Setting;
use crate::config::{Undeclared, backends};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "namespaces.undeclared",
        doc: "Whether namespaces without a rule or a definition of the control plane are served: `allow` serves them by the \
              default backend, `refuse` answers NOT_FOUND to callers that may use them.",
        allowed: "a choice; write allow or refuse",
        set: |config, text| Undeclared::read(text).map(|choice| config.namespaces.undeclared = choice),
        show: |config| Some(config.namespaces.undeclared.name().to_owned()),
    },
    Setting {
        path: "namespaces.default_backend",
        doc: "The backend, by its name in `backends`, of namespaces whose rule names none, or that have no rule. It keeps the \
              definitions of the control plane. If unset, the only backend.",
        allowed: "the name of a backend",
        set: |config, text| {
            backends::is_name(text).then(|| config.namespaces.default_backend = Some(text.to_owned()))
        },
        show: |config| config.namespaces.default_backend.clone(),
    },
    Setting {
        path: "encryption.active",
        doc: "The id of the master key that seals new data. If unset, the only key of `encryption.keys`. Data sealed by the \
              others is read, and `prism rekey` seals it again.",
        allowed: "the id of a master key; 1 to 64 bytes of A-Z, a-z, 0-9, '.', '_' and '-'",
        set: |config, text| {
            (!text.is_empty() && text.len() <= 64).then(|| config.encryption.active = Some(text.to_owned()))
        },
        show: |config| config.encryption.active.clone(),
    },
];
