//! Which cases a run takes: globs, a profile, and why each other case is left out.

use std::fmt;

use wildmatch::WildMatch;

use super::{Abstraction, Case, Need};

/// A pattern over names: `*` is any run of characters, `?` is any one, everything else is itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Glob(WildMatch);

impl Eq for Glob {}

impl Glob {
    /// A pattern of this text.
    pub fn new(pattern: impl AsRef<str>) -> Self {
        Self(WildMatch::new(pattern.as_ref()))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// Whether some part of `text` matches.
    pub fn is_within(&self, text: &str) -> bool {
        Self::new(format!("*{self}*")).matches(text)
    }

    /// Whether it names this case: by its id, by its group, or by a rule that it proves.
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

/// How much of the suite is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The cases that need no claim.
    Core,
    /// Every case.
    #[default]
    Full,
}

/// The part of the suite that a run takes.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Nothing but what one of these names; empty: everything.
    pub only: Vec<Glob>,
    /// Nothing that one of these names.
    pub skip: Vec<Glob>,
    /// The part of the contract.
    pub profile: Profile,
}

/// Why a case is left out though it could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Omission {
    /// The run asked for others only.
    NotSelected,
    /// This pattern asked to skip it.
    Skipped(Glob),
    /// It needs a claim, and the core profile asks for none.
    OutsideProfile,
    /// So many cases in a row before it had got no answer.
    Silence(usize),
}

impl Omission {
    /// In words, for the list of skipped cases.
    pub fn reason(&self) -> String {
        match self {
            Self::NotSelected => "not selected by --only".to_owned(),
            Self::Skipped(glob) => format!("skipped by --skip '{glob}'"),
            Self::OutsideProfile => "outside the core profile".to_owned(),
            Self::Silence(cases) => format!("not run: {cases} cases in a row had got no answer"),
        }
    }
}

impl Selection {
    /// Why `case` is left out; `None`: it is taken.
    pub fn omits<A: Abstraction>(&self, case: &Case<A>) -> Option<Omission> {
        if !self.only.is_empty() && !self.only.iter().any(|glob| glob.names(case)) {
            return Some(Omission::NotSelected);
        }
        if let Some(glob) = self.skip.iter().find(|glob| glob.names(case)) {
            return Some(Omission::Skipped(glob.clone()));
        }
        let claims = case.needs.iter().any(|need| matches!(need, Need::Claim(_)));
        (self.profile == Profile::Core && claims).then_some(Omission::OutsideProfile)
    }

    /// The patterns that name no case at all, which are surely typing errors.
    pub fn idle<A: Abstraction>(&self) -> impl Iterator<Item = &Glob> {
        self.only.iter().chain(&self.skip).filter(|glob| !A::cases().any(|case| glob.names(case)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::{KeyValue, cases};

    #[test]
    fn a_star_is_any_run_and_a_question_mark_any_one() {
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
    fn a_case_is_named_by_its_id_its_group_or_a_rule_it_proves() {
        let case = cases::by_id("put::refuses_a_key_named_twice").expect("a case of the suite");
        for pattern in ["put", "put::*", "*twice", "PUT-4", "PUT-?"] {
            assert!(Glob::new(pattern).names(case), "{pattern}");
        }
        for pattern in ["put::", "PUT-1", "get", "twice"] {
            assert!(!Glob::new(pattern).names(case), "{pattern}");
        }
    }

    #[test]
    fn each_omission_has_its_reason_and_skip_wins_over_only() {
        let case = cases::by_id("put::leaves_other_items_alone").expect("a case of the suite");
        let only = |only: &str| Selection { only: vec![Glob::new(only)], ..Selection::default() };
        assert_eq!(Selection::default().omits(case), None);
        assert_eq!(only("put").omits(case), None);
        assert_eq!(only("get").omits(case), Some(Omission::NotSelected));
        let skip = Selection { skip: vec![Glob::new("PUT-2")], ..only("put") };
        assert_eq!(skip.omits(case), Some(Omission::Skipped(Glob::new("PUT-2"))));
    }

    #[test]
    fn the_core_profile_leaves_out_exactly_the_cases_that_need_a_claim() {
        let core = Selection { profile: Profile::Core, ..Selection::default() };
        for case in cases::all() {
            let claims = case.needs.iter().any(|need| matches!(need, Need::Claim(_)));
            assert_eq!(core.omits(case), claims.then_some(Omission::OutsideProfile), "{}", case.id);
        }
    }

    #[test]
    fn a_pattern_that_names_nothing_is_told() {
        let selection = Selection {
            only: vec![Glob::new("put"), Glob::new("putt")],
            skip: vec![Glob::new("nothing*")],
            ..Selection::default()
        };
        let idle: Vec<_> = selection.idle::<KeyValue>().map(Glob::to_string).collect();
        assert_eq!(idle, ["putt", "nothing*"]);
    }
}
