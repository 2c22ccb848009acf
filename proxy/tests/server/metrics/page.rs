//! A strict reader of OpenMetrics 1.0 text: a page that breaks a rule of the format fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The type of each family.
    pub(super) families: BTreeMap<String, String>,
    /// The value of each series, by its name and sorted labels.
    series: BTreeMap<(String, Labels), f64>,
}

type Labels = Vec<(String, String)>;

impl Page {
    /// Reads a page.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("the page ends with # EOF");
        let mut page = Self { families: BTreeMap::new(), series: BTreeMap::new() };
        let (mut family, mut kind, mut seen) = (String::new(), String::new(), BTreeSet::new());
        for line in text.lines() {
            assert!(!line.is_empty() && line.trim() == line, "blank: {line:?}");
            let Some(comment) = line.strip_prefix("# ") else {
                page.sample(&family, &kind, line);
                seen.insert("sample".to_owned());
                continue;
            };
            let (keyword, rest) = comment.split_once(' ').expect(line);
            let (name, rest) = rest.split_once(' ').expect(line);
            assert!(is_name(name), "{line}");
            if name != family {
                assert!(!page.families.contains_key(name), "{name} is twice on the page");
                assert!(family.is_empty() || seen.contains("sample"), "{family} has no series");
                name.clone_into(&mut family);
                seen.clear();
            }
            assert!(seen.insert(keyword.to_owned()) && !seen.contains("sample"), "{line}");
            match keyword {
                "HELP" => assert!(!rest.is_empty() && !rest.ends_with('.'), "{line}"),
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    rest.clone_into(&mut kind);
                    page.families.insert(family.clone(), kind.clone());
                }
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
        }
        for name in page.families.keys() {
            for unit in ["seconds", "bytes"] {
                let has_unit = text.contains(&format!("# UNIT {name} {unit}\n"));
                assert_eq!(has_unit, name.ends_with(&format!("_{unit}")), "the unit of {name}");
            }
        }
        page.check_histograms();
        page
    }

    fn sample(&mut self, family: &str, kind: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').expect(line))),
            None => (series, Vec::new()),
        };
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is not of {family}"));
        let allowed: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(allowed.contains(&suffix), "{line} of a {kind}");
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && (kind == "gauge" || value >= 0.0), "{line}");
        let before = self.series.insert((name.to_owned(), labels), value);
        assert_eq!(before, None, "twice: {line}");
    }

    /// The buckets of a histogram are cumulative, and the last is +Inf with the count.
    fn check_histograms(&self) {
        let histograms = self.families.iter().filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            let counts = self.series.iter().filter(|((of, _), _)| *of == format!("{name}_count"));
            for ((_, labels), count) in counts {
                let mut buckets: Vec<_> = self
                    .series
                    .iter()
                    .filter(|((of, _), _)| *of == format!("{name}_bucket"))
                    .filter_map(|((_, of), value)| {
                        let (le, rest): (Vec<_>, Vec<_>) =
                            of.iter().cloned().partition(|(key, _)| key == "le");
                        let bound = le.first().expect("a bucket has a bound").1.parse::<f64>().unwrap();
                        (rest == *labels).then_some((bound, *value))
                    })
                    .collect();
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1),
                    "{name}"
                );
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
                assert!(self.series.contains_key(&(format!("{name}_sum"), labels.clone())), "{name}");
            }
        }
    }

    /// The value of a series; `None`: it is not on the page.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut labels: Labels =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The series of a name.
    pub(super) fn all(&self, name: &str) -> Vec<(&Labels, f64)> {
        let of_name = self.series.iter().filter(|((of, _), _)| of == name);
        of_name.map(|((_, labels), value)| (labels, *value)).collect()
    }

    /// The names of all series.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.series.keys().map(|(name, _)| name.clone()).collect()
    }

    /// The number of series.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads `key="value",…`, sorted.
fn read_labels(text: &str) -> Labels {
    let (mut labels, mut rest) = (Labels::new(), text);
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"").expect(text);
        assert!(is_name(key), "{text}");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect(text) {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().expect(text).1 {
                    'n' => '\n',
                    c @ ('"' | '\\') => c,
                    c => panic!("\\{c} in {text}"),
                }),
                (_, '\n') => panic!("{text}"),
                (_, c) => value.push(c),
            }
        };
        labels.push((key.to_owned(), value));
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels.sort();
    let mut keys: Vec<_> = labels.iter().map(|(key, _)| key).collect();
    keys.dedup();
    assert_eq!(keys.len(), labels.len(), "a label is twice in {text}");
    labels
}
