//! The data that an audited call names: an id, and lists of keys, bounded in number and size.

/// Maximum values recorded of a list; the rest is counted.
pub const MOST_VALUES: usize = 100;
/// Maximum bytes recorded of an id or a value. Only an invalid request has longer ones.
pub const MOST_BYTES: usize = 1_025;

/// The data that a request names, before it is validated. The bytes are copies: a slice of the request would keep the whole
/// request in memory until the call has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The id; empty if the request names none.
    pub id: Box<[u8]>,
    /// Lists by name, such as `keys`.
    pub lists: Vec<List>,
}

/// A named list of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its name in the audit.
    pub name: &'static str,
    /// The first values, in request order.
    pub values: Vec<Box<[u8]>>,
    /// The number of further values.
    pub omitted: usize,
}

impl Subject {
    /// A subject that names an id only.
    pub fn of_id(id: &[u8]) -> Self {
        Self { id: bounded(id), lists: Vec::new() }
    }

    /// Adds a list, unless it is empty.
    pub fn push<V: AsRef<[u8]>>(&mut self, name: &'static str, values: impl IntoIterator<Item = V>) {
        let mut values = values.into_iter();
        let first: Vec<_> = values.by_ref().take(MOST_VALUES).map(|value| bounded(value.as_ref())).collect();
        if !first.is_empty() {
            self.lists.push(List { name, values: first, omitted: values.count() });
        }
    }
}

fn bounded(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(MOST_BYTES)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_limits_are_counted_and_long_ones_are_cut() {
        let mut subject = Subject::of_id(&[b'i'; 2_000]);
        subject.push("keys", (0..250).map(|at| format!("{at:0>2000}")));
        subject.push("preconditions", [""; 0]);
        assert_eq!(subject.id.len(), MOST_BYTES);
        let [keys] = &subject.lists[..] else { panic!("{:?}", subject.lists) };
        assert_eq!((keys.name, keys.values.len(), keys.omitted), ("keys", MOST_VALUES, 150));
        assert!(keys.values.iter().all(|key| key.len() == MOST_BYTES));
    }
}
