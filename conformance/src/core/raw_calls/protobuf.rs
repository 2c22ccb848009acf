//! Protobuf without generated code: the suite has none of a server's, and checks details byte by byte.

/// A length-delimited protobuf field.
pub(crate) fn bytes_field(field: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [vec![field << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A protobuf field of an integer.
pub(crate) fn number_field(field: u8, number: u64) -> Vec<u8> {
    [vec![field << 3], varint(number)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
    /// Of fixed width.
    Fixed,
}

/// The fields of a message in order, by their numbers; `None`: the bytes are not a message.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (tag, rest) = unvarint(message)?;
        let (value, rest) = match tag & 7 {
            0 => unvarint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
            1 => (Value::Fixed, rest.get(8..)?),
            2 => {
                let (length, rest) = unvarint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Value::Bytes(bytes), rest)
            }
            5 => (Value::Fixed, rest.get(4..)?),
            _ => return None,
        };
        found.push((tag >> 3, value));
        message = rest;
    }
    Some(found)
}

/// The values of a repeated field of messages, strings or bytes; `None`: the bytes are not a message.
pub(crate) fn repeated(message: &[u8], field: u64) -> Option<Vec<&[u8]>> {
    let values = fields(message)?.into_iter().filter_map(|(number, value)| match value {
        Value::Bytes(bytes) if number == field => Some(bytes),
        _ => None,
    });
    Some(values.collect())
}

/// The value of a string field; empty: it is absent.
pub(crate) fn text(message: &[u8], field: u64) -> Option<String> {
    let bytes = repeated(message, field)?.last().copied().unwrap_or_default();
    String::from_utf8(bytes.to_vec()).ok()
}

/// The value of an integer field; 0: it is absent.
pub(crate) fn number(message: &[u8], field: u64) -> Option<u64> {
    let mut values = fields(message)?.into_iter().filter_map(|(number, value)| match value {
        Value::Number(value) if number == field => Some(value),
        _ => None,
    });
    Some(values.next_back().unwrap_or_default())
}

fn unvarint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let message = [number_field(1, 300), bytes_field(2, "ab"), vec![0x1d, 1, 2, 3, 4]].concat();
        let expected = vec![(1, Value::Number(300)), (2, Value::Bytes(b"ab")), (3, Value::Fixed)];
        assert_eq!(fields(&message), Some(expected));
        assert_eq!((number(&message, 1), text(&message, 2)), (Some(300), Some("ab".to_owned())));
        assert_eq!(fields(&message[..message.len() - 1]), None);
    }
}
