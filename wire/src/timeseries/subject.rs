//! The subjects of TimeSeries' requests, for an audit: the series, and the ids of events.

use prism_proto::timeseries::v1 as pb;

use crate::call::HasSubject;
use crate::subject::Subject;

impl HasSubject for pb::AppendRequest {
    /// The series of the events, and the ids that the request gives them. Events of one series name it once.
    fn subject(&self) -> Subject {
        let mut series = self.events.iter().map(|event| event.series.as_str());
        let first = series.next().unwrap_or_default();
        let mut subject = if series.all(|other| other == first) {
            Subject::of_id(first.as_bytes())
        } else {
            let mut subject = Subject::default();
            subject.push("series", self.events.iter().map(|event| &event.series));
            subject
        };
        let events = self.events.iter().filter_map(|event| event.event.as_ref());
        subject.push("ids", events.map(|event| &event.id).filter(|id| !id.is_empty()));
        subject
    }
}

impl HasSubject for pb::QueryRequest {
    fn subject(&self) -> Subject {
        Subject::of_id(self.series.as_bytes())
    }
}

impl HasSubject for pb::TailRequest {
    fn subject(&self) -> Subject {
        Subject::of_id(self.series.as_bytes())
    }
}

impl HasSubject for pb::ListSeriesRequest {
    fn subject(&self) -> Subject {
        let mut subject = Subject::default();
        subject.push("prefix", Some(&self.prefix).filter(|prefix| !prefix.is_empty()));
        subject
    }
}

impl HasSubject for pb::HistogramRequest {
    fn subject(&self) -> Subject {
        Subject::of_id(self.series.as_bytes())
    }
}

impl HasSubject for pb::DeleteEventsRequest {
    fn subject(&self) -> Subject {
        Subject::of_id(self.series.as_bytes())
    }
}

impl HasSubject for pb::DescribeRequest {
    fn subject(&self) -> Subject {
        Subject::default()
    }
}
