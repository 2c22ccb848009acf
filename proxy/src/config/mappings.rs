//! Mappings, and lists of mappings such as tokens and grants: their keys and values, and errors with their locations.

use super::names::shown_key;
use super::node::{Node, Spanned};
use super::tokens::Permission;

/// Errors in a list, each with its node. No message repeats text of the list: any part of it may be a secret.
pub(super) type Mistakes<'a> = Vec<(&'a Spanned<Node>, String)>;

/// The elements of a list of `what`.
pub(super) fn elements<'a>(list: &'a Spanned<Node>, what: &str) -> Result<&'a [Spanned<Node>], Mistakes<'a>> {
    match &list.value {
        Node::List(elements) => Ok(elements),
        other => Err(vec![(list, format!("is {}; a list of {what} is allowed", other.shape()))]),
    }
}

/// The values of a mapping with the keys `names`, in that order; `None` if it is not a mapping.
pub(super) fn values<'a, const N: usize>(
    element: &'a Spanned<Node>,
    what: &str,
    names: [&str; N],
    mistakes: &mut Mistakes<'a>,
) -> Option<[Option<&'a Spanned<Node>>; N]> {
    let allowed = match names.split_last() {
        Some((last, first)) => format!("{} and {last} are allowed", first.join(", ")),
        None => String::new(),
    };
    let Node::Map(entries) = &element.value else {
        let shape = element.value.shape();
        mistakes.push((element, format!("is {shape}; a mapping is allowed, in which {allowed}")));
        return None;
    };
    let mut values = [None; N];
    for (key, value) in entries {
        if let Some(at) = names.iter().position(|name| *name == key.value) {
            values[at] = Some(value);
        } else {
            let shown = shown_key(&key.value, &names);
            mistakes.push((value, format!("{shown} is not a key of {what}; {allowed}")));
        }
    }
    Some(values)
}

/// A single value.
pub(super) fn text<'a>(value: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<&'a str> {
    if let Node::Scalar(text) = &value.value {
        return Some(text);
    }
    mistakes.push((value, format!("is {}; a single value is allowed", value.value.shape())));
    None
}

/// A single value, parsed; `allowed` completes an error.
pub(super) fn one<'a, T>(
    value: &'a Spanned<Node>,
    mistakes: &mut Mistakes<'a>,
    read: impl Fn(&str) -> Option<T>,
    allowed: &str,
) -> Option<T> {
    let read = read(text(value, mistakes)?);
    if read.is_none() {
        mistakes.push((value, format!("the value is not allowed here; {allowed}")));
    }
    read
}

/// A list of single values, each parsed; `allowed` completes an error.
pub(super) fn each<'a, T>(
    value: &'a Spanned<Node>,
    mistakes: &mut Mistakes<'a>,
    read: impl Fn(&str) -> Option<T>,
    allowed: &str,
) -> Option<Vec<T>> {
    let Node::List(elements) = &value.value else {
        mistakes.push((value, format!("is {}; a list is allowed", value.value.shape())));
        return None;
    };
    Some(elements.iter().filter_map(|element| one(element, mistakes, &read, allowed)).collect())
}

/// The key `permissions`.
pub(super) fn permissions<'a>(
    value: &'a Spanned<Node>,
    mistakes: &mut Mistakes<'a>,
) -> Option<Vec<Permission>> {
    each(value, mistakes, Permission::read, "write read, write or admin")
}

/// What the key `namespaces` takes.
pub(super) const NAMESPACES: &str = "write a namespace, or the beginning of some and *, such as orders or orders-*; without the key it is all namespaces";
