//! The subjects of KeyValue's requests, for an audit.

use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_predicate::Predicate;

use crate::call::HasSubject;
use crate::subject::Subject;

impl HasSubject for pb::PutRequest {
    fn subject(&self) -> Subject {
        let mut subject = Subject::of_id(self.id.as_bytes());
        subject.push("keys", self.items.iter().map(|item| &item.key));
        push_preconditions(&mut subject, &self.preconditions);
        subject
    }
}

impl HasSubject for pb::GetRequest {
    fn subject(&self) -> Subject {
        selected(&self.id, self.predicate.as_ref())
    }
}

impl HasSubject for pb::DeleteRequest {
    fn subject(&self) -> Subject {
        let mut subject = selected(&self.id, self.predicate.as_ref());
        push_preconditions(&mut subject, &self.preconditions);
        subject
    }
}

impl HasSubject for pb::ScanRequest {
    fn subject(&self) -> Subject {
        selected(&self.id, self.predicate.as_ref())
    }
}

impl HasSubject for pb::DescribeRequest {
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// A record, or what a predicate selects of it. No list: all of it.
fn selected(id: &str, predicate: Option<&pb::KeyPredicate>) -> Subject {
    let mut subject = Subject::of_id(id.as_bytes());
    match predicate.and_then(|predicate| predicate.predicate.as_ref()) {
        Some(Predicate::MatchKeys(only)) => subject.push("keys", &only.keys),
        Some(Predicate::MatchRange(range)) => subject.push("range", [&range.start, &range.end]),
        Some(Predicate::MatchPrefix(with)) => subject.push("prefix", [&with.prefix]),
        Some(Predicate::MatchAll(_)) | None => {}
    }
    subject
}

fn push_preconditions(subject: &mut Subject, preconditions: &[pb::Precondition]) {
    subject.push("preconditions", preconditions.iter().map(|precondition| &precondition.key));
}
