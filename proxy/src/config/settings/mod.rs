//! The table of all configuration keys: name, description, allowed values, setter and getter. The file, the environment,
//! `check-config`, the example in `fixtures/config/` and the reference in `docs/` are all driven by it. After a change, run
//! `cargo xtask docs`.

mod access;
mod database;
mod kafka;
mod namespaces;
mod operation;
mod server;

use std::path::Path;

use super::Config;

/// The keys whose values are lists or mappings, each parsed by a module.
pub(super) const BACKENDS: &str = "backends";
pub(super) const RULES: &str = "namespaces.rules";
pub(super) const KEYS: &str = "encryption.keys";
pub(super) const TOKENS: &str = "auth.tokens";
pub(super) const JWT: &str = "auth.jwt";
pub(super) const GRANTS: &str = "auth.grants";

/// A key with a single value.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// Dotted path: `server.listen`.
    pub(super) path: &'static str,
    /// Description in full sentences, used in the example file and in the reference. Code names are in backticks.
    pub(super) doc: &'static str,
    /// Allowed values, phrased to complete "… is not".
    pub(super) allowed: &'static str,
    /// Parses and stores a value; `None` if it is not allowed.
    pub(super) set: fn(&mut Config, &str) -> Option<()>,
    /// The current value; `None` if unset.
    pub(super) show: fn(&Config) -> Option<String>,
}

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }
}

/// The keys whose values are lists or mappings, each with the section behind whose keys it is displayed.
const STRUCTURES: [(&str, &str); 6] = [
    ("database", BACKENDS),
    ("namespaces", RULES),
    ("encryption", KEYS),
    ("auth", TOKENS),
    ("auth", JWT),
    ("auth", GRANTS),
];

/// The paths of the keys whose values are lists or mappings.
pub(super) fn structures() -> impl Iterator<Item = &'static str> {
    STRUCTURES.into_iter().map(|(_, path)| path)
}

/// A key.
pub(super) enum Entry {
    /// With a single value.
    Single(&'static Setting),
    /// With a list or a mapping.
    Structure(&'static str),
}

/// All keys, in display order.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let section = |setting: &Setting| setting.path.split('.').next().unwrap_or_default();
    SETTINGS.iter().enumerate().flat_map(move |(at, setting)| {
        let is_last = SETTINGS.get(at + 1).is_none_or(|next| section(next) != section(setting));
        let behind = STRUCTURES.iter().filter(move |(of, _)| is_last && *of == section(setting));
        std::iter::once(Entry::Single(setting)).chain(behind.map(|(_, path)| Entry::Structure(path)))
    })
}

/// The paths of all keys.
pub(super) fn all_paths() -> impl Iterator<Item = &'static str> {
    entries().map(|entry| match entry {
        Entry::Single(setting) => setting.path,
        Entry::Structure(path) => path,
    })
}

/// The keys that a running server takes up. Lists and mappings are taken up too, but for `backends`.
const RELOADED: &[&str] = &[
    "server.tls.cert",
    "server.tls.key",
    "server.tls.client_ca",
    "namespaces.undeclared",
    "encryption.active",
    "audit.namespaces",
    "auth.mode",
];

/// The keys whose values differ and that a running server does not take up. TLS cannot be turned on or off.
pub(super) fn changed_for_restart(one: &Config, other: &Config) -> Vec<&'static str> {
    let has_tls = |config: &Config| config.server.tls.cert.is_some();
    let differ = |setting: &&Setting| (setting.show)(one) != (setting.show)(other);
    let is_reloaded = |setting: &&Setting| {
        RELOADED.contains(&setting.path)
            && (has_tls(one) == has_tls(other) || !setting.path.starts_with("server.tls."))
    };
    let changed = SETTINGS.iter().filter(differ).filter(|setting| !is_reloaded(setting));
    changed.map(|setting| setting.path).collect()
}

/// The environment variable for the key at `path`: `PRISM_` and the path in upper case, dots replaced by underscores.
pub(super) fn variable(path: &str) -> String {
    format!("PRISM_{}", path.to_ascii_uppercase().replace('.', "_"))
}

const DURATION: &str = "a duration; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const RETENTION: &str = "a duration of 1m or more, such as 1h, 24h or 7d";
const PERIOD: &str =
    "a duration longer than 0; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const TIMEOUT: &str = "a duration longer than 0 and at most 24d, such as 5s";
const SIZE: &str = "a size from 1 byte to 4095MiB; write a whole number and a unit, such as 64MiB or 512KiB";
const BUFFER: &str = "a size from 16MiB to 4095MiB";
const COUNT: &str = "a whole number from 1";
const FILE: &str = "the path of a file";
const DATABASE_FILE: &str =
    "the path of a file; the address of a database goes into database.url or the variable DATABASE_URL";

/// The tables of the sections.
const SECTIONS: [&[Setting]; 6] = [
    server::SETTINGS,
    database::SETTINGS,
    kafka::SETTINGS,
    namespaces::SETTINGS,
    operation::SETTINGS,
    access::SETTINGS,
];

/// The number of keys.
const COUNT_OF_ALL: usize = {
    let (mut count, mut section) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].len();
        section += 1;
    }
    count
};

/// All keys, in display order.
pub(super) const SETTINGS: &[Setting] = &joined();

const fn joined() -> [Setting; COUNT_OF_ALL] {
    let mut all = [server::SETTINGS[0]; COUNT_OF_ALL];
    let (mut count, mut section) = (0, 0);
    while section < SECTIONS.len() {
        let mut at = 0;
        while at < SECTIONS[section].len() {
            all[count] = SECTIONS[section][at];
            count += 1;
            at += 1;
        }
        section += 1;
    }
    all
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_distinct_variable() {
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        variables.extend(structures().map(variable));
        assert!(variables.contains(&"PRISM_SERVER_TLS_CLIENT_CA".to_owned()));
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }

    #[test]
    fn setting_each_shown_default_changes_nothing() {
        for setting in SETTINGS {
            let mut config = Config::default();
            if let Some(shown) = (setting.show)(&config) {
                (setting.set)(&mut config, &shown).unwrap_or_else(|| panic!("{}: {shown}", setting.path));
                assert_eq!(config, Config::default(), "{}", setting.path);
            }
        }
    }
}
