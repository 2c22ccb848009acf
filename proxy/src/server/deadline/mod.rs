//! Deadlines: the shorter of the method's timeout and the client's `grpc-timeout` (ERR-4).

mod timed;

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use prism_contract::Error;
use prism_wire::status::status;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use self::timed::Timed;
use super::call::Call;

/// Maximum time by which a call ends before its client's deadline; a tenth of the client's timeout if that is less. The
/// framework and the client enforce the client's deadline too, without error details, so the server's response has to come
/// first.
const MARGIN: Duration = Duration::from_millis(50);

/// Applies a deadline to each call of a Prism service. A stream has one deadline for all messages.
#[derive(Debug, Clone)]
pub(super) struct Deadline<S>(pub(super) S);

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Call::of(&request);
        let Some(method) = call.method() else {
            return Box::pin(self.0.call(request));
        };
        let client = client_timeout(request.headers()).map(|time| time.saturating_sub(MARGIN.min(time / 10)));
        let Some(time) = method.options.timeout.into_iter().chain(client).min() else {
            return Box::pin(self.0.call(request));
        };
        let deadline = Instant::now() + time;
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = timeout_at(deadline, answer).await;
            call.set_response_deadline(deadline);
            match answer {
                Ok(Ok(response)) if method.streams => Ok(response.map(|body| Timed::body(body, deadline))),
                Ok(answer) => answer,
                Err(_) => Ok(deadline_exceeded().into_http()),
            }
        })
    }
}

fn deadline_exceeded() -> Status {
    status(&Error::DeadlineExceeded)
}

/// The value of `grpc-timeout`: up to eight digits and a unit. Anything else is ignored.
fn client_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tonic::Code;
    use tower::service_fn;

    use super::*;

    /// The duration and the status of a call to `method` whose handler never returns.
    async fn time_out(method: &str, client: Option<&str>) -> (Duration, Option<Code>) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = format!("/prism.keyvalue.v1.KeyValueService/{method}").parse().unwrap();
        if let Some(time) = client {
            request.headers_mut().insert("grpc-timeout", time.parse().unwrap());
        }
        let never = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, ()>>());
        let started = Instant::now();
        let answer = Deadline(never).call(request).await.unwrap();
        (started.elapsed(), Status::from_header_map(answer.headers()).map(|status| status.code()))
    }

    #[rstest]
    #[case::the_methods("Get", None, 5_000)]
    #[case::the_streams("Scan", None, 30_000)]
    #[case::the_methods_is_less("Put", Some("1H"), 5_000)]
    #[case::the_clients_less_a_tenth("Get", Some("100m"), 90)]
    #[case::the_clients_less_the_margin("Get", Some("4S"), 3_950)]
    #[case::no_time_at_all("Get", Some("0m"), 0)]
    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_the_earlier_deadline_and_before_its_client_times_out(
        #[case] method: &str,
        #[case] client: Option<&str>,
        #[case] millis: u64,
    ) {
        let (took, code) = time_out(method, client).await;
        assert_eq!(code, Some(Code::DeadlineExceeded));
        // A tokio timer may be late by its granularity, and no more.
        let wanted = Duration::from_millis(millis);
        assert!((wanted..=wanted + Duration::from_millis(1)).contains(&took), "{took:?}");
    }

    #[rstest]
    #[case("5S", Some(Duration::from_secs(5)))]
    #[case("100m", Some(Duration::from_millis(100)))]
    #[case("99999999H", Some(Duration::from_hours(99_999_999)))]
    #[case("7u", Some(Duration::from_micros(7)))]
    #[case("123456789m", None)]
    #[case("5", None)]
    #[case("S", None)]
    #[case("+5S", None)]
    #[case("5ß", None)]
    #[case("", None)]
    fn a_client_timeout_is_digits_and_a_unit(#[case] text: &str, #[case] time: Option<Duration>) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_bytes(text.as_bytes()) {
            headers.insert("grpc-timeout", value);
        }
        assert_eq!(client_timeout(&headers), time);
    }
}
