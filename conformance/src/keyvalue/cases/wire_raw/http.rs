//! HTTP requests: one that is not a gRPC call, or not exactly one whole message, has no effect.

use crate::core::Need::Wire;
use crate::core::case;
use crate::core::raw_calls::{
    a_request_that_does_not_end_is_not_done, a_request_that_is_not_one_message_is_refused,
    what_is_no_post_of_grpc_is_refused,
};
use crate::keyvalue::Case;

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_request_that_is_not_one_message_is_refused",
        "A request of no message, of two, or of one that is cut short is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { a_request_that_is_not_one_message_is_refused(c).await }
    ),
    case!(
        "wire::a_request_that_does_not_end_is_not_done",
        "A write whose request does not end, or breaks off, is not done, however much of it came.",
        ["ERR-3", "ERR-4"],
        [Wire],
        |c| { a_request_that_does_not_end_is_not_done(c).await }
    ),
    case!(
        "wire::what_is_no_post_of_grpc_is_refused",
        "Another HTTP method than POST is 405, another content type than gRPC's is 415, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { what_is_no_post_of_grpc_is_refused(c).await }
    ),
];
