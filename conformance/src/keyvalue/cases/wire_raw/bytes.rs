//! Valid and invalid bytes: no input kills the server, and unknown fields change nothing.

use super::{GET, PUT};
use crate::core::Need::Wire;
use crate::core::StatusCode::InvalidArgument;
use crate::core::case;
use crate::core::raw_calls::protobuf::bytes_field;
use crate::core::raw_calls::{
    an_unknown_method_is_unimplemented, answer_text, bytes_that_are_no_message_are_refused, call, contains,
    no_input_kills_the_server, refused,
};
use crate::keyvalue::{Case, item};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::bytes_that_are_no_message_are_refused",
        "Bytes that are not the method's message are INVALID_ARGUMENT with reason MALFORMED_MESSAGE, and harm nothing.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| { bytes_that_are_no_message_are_refused(c).await }
    ),
    case!(
        "wire::no_input_kills_the_server",
        "Whatever bytes are sent, the server answers INVALID_ARGUMENT, and goes on answering.",
        ["ERR-3"],
        [Wire],
        |c| { no_input_kills_the_server(c).await }
    ),
    case!(
        "wire::a_message_of_over_8_mib_is_refused",
        "A message of over 8 MiB is INVALID_ARGUMENT with reason MESSAGE_TOO_LARGE.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| {
            let value = vec![b'v'; 9 << 20];
            let request = [
                bytes_field(1, c.namespace("")),
                bytes_field(2, "r"),
                bytes_field(3, [bytes_field(1, "k"), bytes_field(2, &value)].concat()),
            ];
            let answer = call(c, PUT, request.concat(), None).await?;
            refused(&answer, InvalidArgument, "MESSAGE_TOO_LARGE")?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "wire::the_largest_put_passes",
        "A Put of 4 MiB of keys and values is taken, whatever its message weighs besides.",
        ["ERR-1", "RT-1"],
        [Wire],
        |c| {
            let key = |n: u8| vec![n; 1_024];
            let value = |n: u8| vec![n; (1 << 20) - 1_024];
            c.put((0..4).map(|n| item(key(n), value(n)))).ok().await?.applied(&[true; 4])?;
            for n in 0..4 {
                c.get().keys([key(n)]).ok().await?.holds(&[(key(n), value(n))])?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::an_unknown_method_is_unimplemented",
        "A method or service that there is not is UNIMPLEMENTED with reason METHOD_NOT_FOUND.",
        ["ERR-3", "ERR-1"],
        [Wire],
        |c| { an_unknown_method_is_unimplemented(c).await }
    ),
    case!(
        "wire::unknown_fields_are_ignored",
        "Fields that the server does not know change nothing.",
        ["ERR-5"],
        [Wire],
        |c| {
            // Field 1000 as a varint, 1001 as bytes, 1002 and 1003 of fixed width.
            let unknown = b"\xc0\x3e\x07\xca\x3e\x03abc\xd1\x3e12345678\xdd\x3e1234".to_vec();
            let item =
                [bytes_field(1, "k"), unknown.clone(), bytes_field(2, "v"), bytes_field(3, unknown.clone())]
                    .concat();
            let put = [
                unknown.clone(),
                bytes_field(1, c.namespace("")),
                bytes_field(2, "r"),
                bytes_field(3, item),
                unknown.clone(),
            ];
            let answer = call(c, PUT, put.concat(), None).await?;
            answer.expect(answer.is_ok(), "OK", answer_text(&answer))?;
            c.get().ok().await?.holds(&[("k", "v")])?;
            let get =
                [unknown.clone(), bytes_field(1, c.namespace("")), bytes_field(2, "r"), unknown].concat();
            let answer = call(c, GET, get, None).await?;
            let item = [bytes_field(1, "k"), bytes_field(2, "v")].concat();
            let holds =
                answer.as_ref().is_ok_and(|messages| messages.iter().any(|message| contains(message, &item)));
            answer.expect(holds, "the item", answer_text(&answer))
        }
    ),
];
