//! Case selection: globs, a profile, and the reason why each other case is omitted.

use std::fmt;

use wildmatch::WildMatch;

use super::{Abstraction, Case, Need};

/// A glob pattern: `*` matches any run of characters, `?` any single one, everything else itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Glob(WildMatch);

impl Eq for Glob {}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: impl AsRef<str>) -> Self {
        Self(WildMatch::new(pattern.as_ref()))
    }

    /// Whether the pattern matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// Whether the pattern matches a part of `text`.
    pub fn is_within(&self, text: &str) -> bool {
        Self::new(format!("*{self}*")).matches(text)
    }

    /// Whether the pattern matches this case's id, its group, or a rule that it proves.
    pub fn names<A: Abstraction>(&self, case: &Case<A>) -> bool {
        let group = case.id.split("::").next().unwrap_or_default();
        self.matches(case.id) || self.matches(group) || case.proves.iter().any(|rule| self.matches(rule))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of the contract that a run covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The cases that need no declared capability.
    Core,
    /// All cases.
    #[default]
    Full,
}

/// The selected part of the suite.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Include patterns; empty: all cases.
    pub only: Vec<Glob>,
    /// Exclude patterns.
    pub skip: Vec<Glob>,
    /// The part of the contract.
    pub profile: Profile,
}

/// A reason why a runnable case is omitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Omission {
    /// No include pattern matches it.
    NotSelected,
    /// This exclude pattern matches it.
    Skipped(Glob),
    /// It needs a declared capability, and the profile is core.
    OutsideProfile,
    /// The run ended after this number of failures.
    MaxFailures(usize),
    /// The run was aborted after this number of consecutive cases without a response.
    Silence(usize),
}

impl Omission {
    /// The text in the list of skipped cases.
    pub fn reason(&self) -> String {
        match self {
            Self::NotSelected => "not selected by --only".to_owned(),
            Self::Skipped(glob) => format!("skipped by --skip '{glob}'"),
            Self::OutsideProfile => "outside the core profile".to_owned(),
            Self::MaxFailures(most) => {
                format!("not run: it was the run's limit to end after {most} failures")
            }
            Self::Silence(cases) => format!("not run: {cases} consecutive cases got no response"),
        }
    }
}

impl Selection {
    /// Why `case` is omitted; `None`: it is selected.
    pub fn omits<A: Abstraction>(&self, case: &Case<A>) -> Option<Omission> {
        if !self.only.is_empty() && !self.only.iter().any(|glob| glob.names(case)) {
            return Some(Omission::NotSelected);
        }
        if let Some(glob) = self.skip.iter().find(|glob| glob.names(case)) {
            return Some(Omission::Skipped(glob.clone()));
        }
        let capabilities = case.needs.iter().any(|need| matches!(need, Need::Declares(_)));
        (self.profile == Profile::Core && capabilities).then_some(Omission::OutsideProfile)
    }

    /// The patterns that match no case at all, most likely typos.
    pub fn idle<A: Abstraction>(&self) -> impl Iterator<Item = &Glob> {
        self.only.iter().chain(&self.skip).filter(|glob| !A::cases().any(|case| glob.names(case)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::{KeyValue, cases};

    #[test]
    fn a_star_matches_any_run_and_a_question_mark_one_character() {
        for (pattern, text) in [
            ("put::*", "put::replaces"),
            ("*", ""),
            ("*::a*b", "x::aab"),
            ("p?t", "pät"),
            ("a**b", "ab"),
            ("*aab*", "aaab!"),
        ] {
            assert!(Glob::new(pattern).matches(text), "{pattern} does not match {text}");
        }
        for (pattern, text) in [("put", "puts"), ("?", ""), ("a*b", "abc"), ("", "a"), ("*a?", "a")] {
            assert!(!Glob::new(pattern).matches(text), "{pattern} matches {text}");
        }
        assert!(Glob::new("lost * items").is_within("it lost 3 items today"));
    }

    #[test]
    fn a_pattern_matches_a_case_s_id_group_or_rule() {
        let case = cases::by_id("put::refuses_a_key_named_twice").expect("a case of the suite");
        for pattern in ["put", "put::*", "*twice", "PUT-4", "PUT-?"] {
            assert!(Glob::new(pattern).names(case), "{pattern}");
        }
        for pattern in ["put::", "PUT-1", "get", "twice"] {
            assert!(!Glob::new(pattern).names(case), "{pattern}");
        }
    }

    #[test]
    fn skip_takes_precedence_over_only() {
        let case = cases::by_id("put::leaves_other_items_alone").expect("a case of the suite");
        let only = |only: &str| Selection { only: vec![Glob::new(only)], ..Selection::default() };
        assert_eq!(Selection::default().omits(case), None);
        assert_eq!(only("put").omits(case), None);
        assert_eq!(only("get").omits(case), Some(Omission::NotSelected));
        let skip = Selection { skip: vec![Glob::new("PUT-2")], ..only("put") };
        assert_eq!(skip.omits(case), Some(Omission::Skipped(Glob::new("PUT-2"))));
    }

    #[test]
    fn the_core_profile_omits_exactly_the_cases_that_need_a_claim() {
        let core = Selection { profile: Profile::Core, ..Selection::default() };
        for case in cases::all() {
            let capabilities = case.needs.iter().any(|need| matches!(need, Need::Declares(_)));
            assert_eq!(core.omits(case), capabilities.then_some(Omission::OutsideProfile), "{}", case.id);
        }
    }

    #[test]
    fn a_pattern_without_a_match_is_idle() {
        let selection = Selection {
            only: vec![Glob::new("put"), Glob::new("putt")],
            skip: vec![Glob::new("nothing*")],
            ..Selection::default()
        };
        let idle: Vec<_> = selection.idle::<KeyValue>().map(Glob::to_string).collect();
        assert_eq!(idle, ["putt", "nothing*"]);
    }
}
