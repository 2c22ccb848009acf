//! The metrics of a gateway, read from its admin endpoint.

use std::collections::BTreeMap;

use http::Uri;
use tokio::time::Instant;

use crate::exit::{Exit, ExitError};
use crate::fetch::{FetchError, fetch};

/// Maximum size of the page: that of 1,000 namespaces is a few MiB.
const MAX_PAGE: usize = 64 << 20;

/// The metrics at one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) at: Instant,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads the metrics at this address.
    pub(super) async fn read(address: &Uri) -> Result<Self, ExitError> {
        let failed = |why: String| format!("{}: {why}", address.to_string().trim_end_matches("/metrics"));
        let page = fetch(address, MAX_PAGE).await.map_err(|why| match why {
            FetchError::Connect(_) | FetchError::Timeout => {
                let hint = "is the gateway running, and is this its admin.listen?";
                ExitError::new(Exit::Unavailable, failed(format!("{why}; {hint}")))
            }
            _ => ExitError::failed(failed(why.to_string())),
        })?;
        let at = Instant::now();
        let samples = std::str::from_utf8(&page).ok().and_then(parse).ok_or_else(|| {
            ExitError::failed(failed("the answer is not a page of metrics of Prism".to_owned()))
        })?;
        Ok(Self { at, samples })
    }

    fn of<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample, (key, value): &(&str, &str)| {
            sample.labels.get(*key).is_some_and(|of| of == value)
        };
        self.samples
            .iter()
            .filter(move |sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
    }

    /// The sum of a metric over all series that have these labels; `None`: there is none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut series = self.of(name, labels).peekable();
        series.peek().is_some().then(|| series.map(|sample| sample.value).sum())
    }

    /// The largest value of a metric.
    pub(super) fn max(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of(name, labels).map(|sample| sample.value).max_by(f64::total_cmp)
    }

    /// The values of a label, each once, in order.
    pub(super) fn values(&self, name: &str, label: &str, labels: &[(&str, &str)]) -> Vec<String> {
        let mut values: Vec<_> =
            self.of(name, labels).filter_map(|sample| sample.labels.get(label)).cloned().collect();
        values.sort();
        values.dedup();
        values
    }
}

/// Two scrapes, for rates.
pub(super) struct Between<'a> {
    pub(super) before: &'a Scrape,
    pub(super) now: &'a Scrape,
}

impl Between<'_> {
    /// The growth of a counter per second. A counter that has begun again has grown by its value.
    pub(super) fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let seconds = self.now.at.duration_since(self.before.at).as_secs_f64();
        if seconds > 0.0 { self.growth(name, labels) / seconds } else { 0.0 }
    }

    fn growth(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let now = self.now.sum(name, labels).unwrap_or(0.0);
        let before = self.before.sum(name, labels).unwrap_or(0.0);
        if now >= before { now - before } else { now }
    }

    /// The bound below which this share of a histogram's values between the scrapes lies; `None`: there are no values, or the
    /// bound is above all.
    pub(super) fn quantile(&self, name: &str, labels: &[(&str, &str)], share: f64) -> Option<f64> {
        let buckets = format!("{name}_bucket");
        let mut bounds: Vec<(f64, String)> = self
            .now
            .values(&buckets, "le", labels)
            .into_iter()
            .filter_map(|bound| Some((bound.parse().ok()?, bound)))
            .collect();
        bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let count = self.growth(&format!("{name}_count"), labels);
        let reached = |(_, bound): &&(f64, String)| {
            let labels = [labels, &[("le", bound.as_str())]].concat();
            self.growth(&buckets, &labels) >= count * share
        };
        let bound = bounds.iter().find(reached).filter(|_| count > 0.0)?.0;
        bound.is_finite().then_some(bound)
    }
}

/// Reads a page of metrics as the gateway writes it; `None`: it is none.
fn parse(page: &str) -> Option<Vec<Sample>> {
    let page = page.strip_suffix("# EOF\n")?;
    page.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, mut rest)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    let mut labels = BTreeMap::new();
    while rest != "}" {
        let (key, after) = rest.split_once("=\"")?;
        let (label, after) = quoted(after)?;
        labels.insert(key.trim_start_matches(',').to_owned(), label);
        rest = after;
    }
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to a quotation mark that is not escaped, and what comes behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            (_, plain) => value.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scrape(after: Duration, page: &str) -> Scrape {
        Scrape { at: Instant::now() + after, samples: parse(page).unwrap() }
    }

    #[test]
    fn labels_are_read_with_their_escapes() {
        let scrape = scrape(Duration::ZERO, "a{x=\"1\",y=\"\\\"}\\\\ \\n\"} 2\n# EOF\n");
        assert_eq!(scrape.values("a", "y", &[("x", "1")]), ["\"}\\ \n"]);
        assert_eq!((scrape.sum("a", &[]), scrape.sum("a", &[("x", "2")])), (Some(2.0), None));
    }

    #[test]
    fn what_is_no_page_is_not_read() {
        for page in ["", "<html>", "a 1\n", "a{x=\"1\" 1\n# EOF\n", "a x\n# EOF\n"] {
            assert!(parse(page).is_none(), "{page}");
        }
    }

    #[test]
    fn rates_and_quantiles_are_those_between_the_scrapes() {
        let page = |counts: [u64; 3]| {
            let [one, two, all] = counts;
            format!(
                "t_bucket{{le=\"0.1\"}} {one}\nt_bucket{{le=\"0.2\"}} {two}\nt_bucket{{le=\"+Inf\"}} {all}\nt_count {all}\n# EOF\n"
            )
        };
        let before = scrape(Duration::ZERO, &page([100, 100, 100]));
        let now = scrape(Duration::from_secs(2), &page([150, 190, 200]));
        let between = Between { before: &before, now: &now };
        let rate = between.rate("t_count", &[]);
        assert!((49.0..=50.0).contains(&rate), "{rate}");
        assert_eq!(between.quantile("t", &[], 0.5), Some(0.1));
        assert_eq!(between.quantile("t", &[], 0.9), Some(0.2));
        assert_eq!(between.quantile("t", &[], 0.99), None, "above all bounds");
        let again = Between { before: &now, now: &before };
        assert!((again.growth("t_count", &[]) - 100.0).abs() < 0.1, "the gateway was restarted");
    }
}
