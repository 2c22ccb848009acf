//! The JSON report matches `docs/report.schema.json` exactly: no missing and no undescribed properties.

use std::num::NonZero;
use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use prism_contract::keyvalue::{Capabilities, Memory};
use serde_json::Value;

use super::{Report, RuleVerdict, fixture};
use crate::core::Harness;
use crate::core::plan::{Glob, Selection};
use crate::core::run::{Options, suite};
use crate::keyvalue::mutants::{harness as harness_of, mutant_by_name};
use crate::keyvalue::{InProcess, KeyValue};

const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");

/// The schema in strict form: readers must ignore unknown properties, but these tests reject them.
struct Strict(Schemas, SchemaIndex);

impl Strict {
    fn read() -> Self {
        let mut schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        close(&mut schema);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("report", schema).expect("the schema is added");
        let index = compiler.compile("report", &mut schemas).expect("the schema is valid");
        Self(schemas, index)
    }

    fn check(&self, report: &Value) -> Result<(), String> {
        self.0.validate(report, self.1).map_err(|error| format!("{error:#}"))
    }

    #[track_caller]
    fn accepts(&self, report: &Report) {
        let json: Value = serde_json::from_str(&report.to_json()).expect("a report is JSON");
        self.check(&json).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Forbids undescribed properties.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn run(harness: impl Harness<KeyValue>, only: &str) -> Report {
    let selection = Selection { only: vec![Glob::new(only)], ..Selection::default() };
    let jobs = NonZero::<usize>::MIN;
    let details = vec![("address".to_owned(), "none".to_owned())];
    suite(Arc::new(harness), &Options { selection, jobs, details, trace: true, ..Options::default() }).await
}

#[tokio::test]
async fn reports_of_real_runs_match_the_schema() {
    let strict = Strict::read();
    let memory = InProcess::new("memory", || async { Ok(Memory::default()) });
    strict.accepts(&run(memory, "put").await);
    let bare =
        InProcess::new("bare", || async { Ok(Memory::default()) }).with_capabilities(Capabilities::NONE);
    strict.accepts(&run(bare, "capability").await);
    let mutant = mutant_by_name("GetShowsExpiredItems").expect("the mutant exists");
    let failing = run(harness_of(mutant), "expiry").await;
    assert!(failing.counts.failed > 1, "{}", failing.sentence);
    strict.accepts(&failing);
}

#[test]
fn a_report_with_every_outcome_matches_the_schema() {
    Strict::read().accepts(&fixture::report());
}

#[test]
fn missing_and_additional_fields_are_rejected() {
    let (strict, whole) = (Strict::read(), fixture::report().to_json());
    let changed = |change: fn(&mut Value)| {
        let mut report: Value = serde_json::from_str(&whole).expect("a report is JSON");
        change(&mut report);
        strict.check(&report)
    };
    assert_eq!(changed(|_| {}), Ok(()));
    for (change, message) in [
        (
            (|report| drop(report["cases"][0].as_object_mut().map(|case| case.remove("replay"))))
                as fn(&mut Value),
            "missing properties 'replay'",
        ),
        (|report| report["run"]["more"] = 1.into(), "additionalProperties 'more' not allowed"),
        (|report| report["cases"][0]["outcome"] = "fine".into(), "oneOf failed"),
        (|report| report["counts"]["passed"] = (-1).into(), "must be >=0"),
    ] {
        let error = changed(change).expect_err(message);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn every_verdict_about_a_rule_is_in_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let listed = &schema["$defs"]["requirement"]["properties"]["verdict"]["oneOf"];
    let listed: Vec<_> = listed.as_array().into_iter().flatten().map(|one| one["const"].clone()).collect();
    let all = RuleVerdict::ALL.map(|verdict| serde_json::to_value(verdict).expect("a verdict is a string"));
    assert_eq!(listed, all);
}
