//! Compressed messages: one that the server cannot read has no effect, and should be refused in a way that tells what it reads.

use crate::core::Need::Wire;
use crate::core::case;
use crate::core::raw_calls::{
    a_message_in_an_unknown_compression_is_not_done, an_unknown_compression_is_unimplemented,
};
use crate::keyvalue::Case;

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_message_in_an_unknown_compression_is_not_done",
        "A message in a compression that the server does not read is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| { a_message_in_an_unknown_compression_is_not_done(c).await }
    ),
    case!(
        "wire::an_unknown_compression_is_unimplemented",
        "A compression that the server does not read is UNIMPLEMENTED, and the answer lists those it reads.",
        ["ERR-7"],
        [Wire],
        |c| { an_unknown_compression_is_unimplemented(c).await }
    )
    .should(),
];
