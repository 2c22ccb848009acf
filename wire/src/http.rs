//! A tower layer that rejects everything but gRPC requests: POST, with the content type of gRPC in protobuf.
//!
//! gRPC runs over HTTP, and any web page can make a browser send HTTP requests. Those that need no CORS preflight (GET, or
//! POST of `text/plain` or of a form) are therefore refused before they are read, and so are encodings that the server does
//! not support (`application/grpc-web`, `application/grpc+json`).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{Either, MapOk, Ready, TryFutureExt, ready};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service};

/// The prefix of gRPC's media types.
const GRPC: &str = "application/grpc";

/// Wraps a service in [`RequestShape`].
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestShapeLayer;

impl<S> Layer<S> for RequestShapeLayer {
    type Service = RequestShape<S>;

    fn layer(&self, inner: S) -> RequestShape<S> {
        RequestShape(inner)
    }
}

/// A service that only receives gRPC requests (ERR-3). Anything else gets an HTTP status and a line of plain text: 405 for a
/// method other than POST, 415 for a content type other than `application/grpc` and `application/grpc+proto`.
#[derive(Debug, Clone)]
pub struct RequestShape<S>(S);

/// Why a request is not a gRPC call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGrpc {
    /// Its method is not POST: 405.
    Method,
    /// Its content type is not gRPC's: 415.
    ContentType,
}

impl NotGrpc {
    /// Checks a request's method and headers; `None` if it may be a gRPC call.
    pub fn find(method: &Method, headers: &HeaderMap) -> Option<Self> {
        if method != Method::POST {
            return Some(Self::Method);
        }
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let is_grpc = types.next().is_some_and(is_grpc) && types.next().is_none();
        if is_grpc { None } else { Some(Self::ContentType) }
    }

    /// The response: a status and one line of text.
    pub fn answer<B: From<&'static str>>(self) -> Response<B> {
        let (status, text) = match self {
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This is a gRPC server: a call is a POST over HTTP/2 with content-type application/grpc.\n",
            ),
            Self::ContentType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "This is a gRPC server: the content-type of a call is application/grpc or application/grpc+proto.\n",
            ),
        };
        let mut response = Response::new(B::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// Whether this is the media type of gRPC in protobuf. Parameters (`;charset=utf-8`) are ignored.
fn is_grpc(value: &HeaderValue) -> bool {
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Some((start, suffix)) = media_type.split_at_checked(GRPC.len()) else { return false };
    start.eq_ignore_ascii_case(GRPC.as_bytes())
        && (suffix.is_empty() || suffix.eq_ignore_ascii_case(b"+proto"))
}

type Mapped<F, O> = MapOk<F, fn(Response<O>) -> Response<Shaped<O>>>;

impl<S, I, O> Service<Request<I>> for RequestShape<S>
where
    S: Service<Request<I>, Response = Response<O>>,
{
    type Response = Response<Shaped<O>>;
    type Error = S::Error;
    type Future = Either<Mapped<S::Future, O>, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        match NotGrpc::find(request.method(), request.headers()) {
            None => Either::Left(self.0.call(request).map_ok(|response| response.map(Shaped::Call))),
            Some(fault) => Either::Right(ready(Ok(fault.answer()))),
        }
    }
}

/// The body of a call's response, or the text that refuses a request.
#[derive(Debug)]
pub enum Shaped<B> {
    /// Of a call.
    Call(B),
    /// Of a refusal; `None` once it was sent.
    Text(Option<&'static str>),
}

impl<B> From<&'static str> for Shaped<B> {
    fn from(text: &'static str) -> Self {
        Self::Text(Some(text))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Shaped<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Call(body) => Pin::new(body).poll_frame(cx),
            Self::Text(text) => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Call(body) => body.is_end_stream(),
            Self::Text(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Call(body) => body.size_hint(),
            Self::Text(text) => SizeHint::with_exact(text.map_or(0, |text| text.len() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(method: &Method, types: &[&str]) -> Option<NotGrpc> {
        let mut headers = HeaderMap::new();
        for content_type in types {
            headers.append(CONTENT_TYPE, content_type.parse().unwrap());
        }
        NotGrpc::find(method, &headers)
    }

    #[rstest]
    #[case::plain("application/grpc")]
    #[case::proto("application/grpc+proto")]
    #[case::letters_of_any_case("Application/GRPC+Proto")]
    #[case::parameters("application/grpc; charset=utf-8")]
    fn a_post_of_grpc_is_a_call(#[case] content_type: &str) {
        assert_eq!(found(&Method::POST, &[content_type]), None);
    }

    #[rstest]
    #[case::none(&[])]
    #[case::empty(&[""])]
    #[case::text(&["text/plain"])]
    #[case::form(&["application/x-www-form-urlencoded"])]
    #[case::bytes(&["application/octet-stream"])]
    #[case::web(&["application/grpc-web"])]
    #[case::web_proto(&["application/grpc-web+proto"])]
    #[case::json(&["application/grpc+json"])]
    #[case::longer(&["application/grpcx"])]
    #[case::two(&["application/grpc", "text/plain"])]
    #[case::two_in_one(&["text/plain, application/grpc"])]
    fn any_other_content_type_is_refused(#[case] types: &[&str]) {
        assert_eq!(found(&Method::POST, types), Some(NotGrpc::ContentType));
    }

    #[test]
    fn any_method_but_post_is_refused_with_the_one_allowed() {
        for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD, Method::DELETE] {
            assert_eq!(found(&method, &["application/grpc"]), Some(NotGrpc::Method));
        }
        let answer = NotGrpc::Method.answer::<String>();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()[ALLOW], "POST");
    }

    #[test]
    fn a_refusal_names_the_accepted_types() {
        let answer = NotGrpc::ContentType.answer::<String>();
        assert_eq!(answer.status(), 415);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert!(answer.body().contains("application/grpc+proto"), "{}", answer.body());
    }
}
