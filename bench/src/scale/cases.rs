//! Scaled dimensions and their values.

use serde::Serialize;

use super::Options;
use crate::load::Step;

/// A scaled dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Stored items.
    Items,
    /// Items per record.
    RecordItems,
    /// Bytes per value.
    ValueBytes,
    /// Connections, with one request in flight on each.
    Connections,
    /// Clients with an open stream that read one message per second.
    SlowScanners,
}

impl Section {
    /// All dimensions.
    pub const ALL: [Self; 5] =
        [Self::Items, Self::RecordItems, Self::ValueBytes, Self::Connections, Self::SlowScanners];
}

/// One point of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) section: Section,
    pub(super) records: u64,
    pub(super) items: u32,
    pub(super) value_bytes: String,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// Its name in the report.
    pub(super) fn name(&self) -> String {
        match self.section {
            Section::Items => format!("{} items", self.records * u64::from(self.items)),
            Section::RecordItems => format!("records of {} items", self.items),
            Section::ValueBytes => format!("values of {} bytes", self.value_bytes),
            Section::Connections => format!("{} connections", self.connections),
            Section::SlowScanners => "slow scanners".to_owned(),
        }
    }
}

/// All cases, in order.
pub(super) fn cases(options: &Options) -> Vec<Case> {
    let base = |section, steps: &[Step]| Case {
        section,
        records: 10_000,
        items: 1,
        value_bytes: "100".to_owned(),
        connections: options.connections,
        in_flight: options.in_flight,
        steps: steps.to_vec(),
    };
    let both = [Step::Read, Step::Update];
    let mut cases = Vec::new();
    for &section in &options.only {
        match section {
            Section::Items => {
                let large = if options.large { Some(10_000_000) } else { None };
                for items in [10_000, 1_000_000].into_iter().chain(large) {
                    cases.push(Case { records: items / 100, items: 100, ..base(section, &both) });
                }
            }
            Section::RecordItems => {
                for items in [1, 100, 10_000, 100_000] {
                    let records = (200_000 / u64::from(items)).clamp(2, 10_000);
                    cases.push(Case { records, items, ..base(section, &[Step::Read, Step::Page]) });
                }
            }
            Section::ValueBytes => {
                for bytes in [16, 1 << 10, 16 << 10, 128 << 10, 1 << 20] {
                    let records = ((64 << 20) / bytes).clamp(16, 10_000);
                    cases.push(Case { records, value_bytes: bytes.to_string(), ..base(section, &both) });
                }
            }
            Section::Connections => {
                for connections in [1, 10, 100, 1_000] {
                    cases.push(Case { connections, in_flight: 1, ..base(section, &both) });
                }
            }
            Section::SlowScanners => {
                cases.push(Case { records: 2_000, items: 100, ..base(section, &[Step::Read]) });
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_items_require_large() {
        let items = |arguments: &[&str]| {
            let options = crate::cli::scale_options(&[&["--only", "items"], arguments].concat());
            cases(&options).iter().map(Case::name).collect::<Vec<_>>()
        };
        assert_eq!(items(&[]), ["10000 items", "1000000 items"]);
        assert_eq!(items(&["--large"]).last().unwrap(), "10000000 items");
    }

    #[test]
    fn every_section_has_cases() {
        let all = cases(&crate::cli::scale_options(&[]));
        assert!(Section::ALL.iter().all(|section| all.iter().any(|case| case.section == *section)));
    }
}
