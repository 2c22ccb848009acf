//! The names of versions in the text of a divergence: those of its transcript.

use super::render::{Placeholders, Scope};
use super::{Outcome, Step, Transcript};
use crate::core::{Divergence, bytes};

/// The start of a version in a text; its number follows.
const VERSION: &str = "version ";

/// The divergence with `v2` for `version 17`, if exactly one key of the step's record has that name for it. The message of
/// the store's own status is left as it is.
pub(super) fn named(transcript: &Transcript, divergence: &Divergence) -> Divergence {
    let placeholders = Placeholders::of(transcript);
    let step = divergence.step.and_then(|step| transcript.steps.get(step));
    let scope = Scope::of(step);
    let name = |text: &str| in_text(&placeholders, scope, text);
    let message = match step {
        Some(Step { outcome: Outcome::Failed(failure), .. }) => failure.message.as_str(),
        Some(_) | None => "",
    };
    let actual = match divergence.actual.split_once(message).filter(|_| !message.is_empty()) {
        Some((before, after)) => format!("{}{message}{}", name(before), name(after)),
        None => name(&divergence.actual),
    };
    Divergence { step: divergence.step, expected: name(&divergence.expected), actual }
}

fn in_text(placeholders: &Placeholders<'_>, scope: Scope<'_>, text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(VERSION) {
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at(digits);
        let named = number.parse().ok().and_then(|version| name_of(placeholders, scope, version, &out));
        match named {
            Some(name) => out.push_str(&name),
            None => out.extend([VERSION, number]),
        }
        rest = after;
    }
    out + rest
}

/// The name of a version that stands after this text: by the last key that the text names, or by the only one that fits.
fn name_of(placeholders: &Placeholders<'_>, scope: Scope<'_>, version: i64, text: &str) -> Option<String> {
    let names = placeholders.names(scope, version);
    let place = |(key, name)| last_key(text, key).map(|at| (at, name));
    if let Some((_, name)) = names.iter().copied().filter_map(place).max() {
        return Some(format!("v{name}"));
    }
    let (_, first) = names.first()?;
    names.iter().all(|(_, name)| name == first).then(|| format!("v{first}"))
}

/// The last place of a key in a text; a value, which follows a `=`, is none.
fn last_key(text: &str, key: &[u8]) -> Option<usize> {
    text.match_indices(&bytes(key)).map(|(at, _)| at).filter(|at| !text[..*at].ends_with('=')).last()
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::PutResult;
    use prism_contract::keyvalue::request::{PutRequest, PutResponse};

    use super::*;
    use crate::core::{Failure, StatusCode};
    use crate::keyvalue::{Action, Request, Response, items};

    /// Puts of `a` and `b` at these versions, then a failed one.
    fn transcript(versions: [[i64; 2]; 2], message: &str) -> Transcript {
        let put = || {
            let (namespace, id) = ("n".to_owned(), "r".to_owned());
            let items = items([("a", "1"), ("b", "2")]);
            Action::Call(Request::Put(PutRequest { namespace, id, items, ..PutRequest::default() }))
        };
        let results = |versions: [i64; 2]| {
            let results = versions.map(|version| PutResult { applied: true, version }).to_vec();
            Outcome::Answered(Response::Put(PutResponse { results }))
        };
        let mut transcript = Transcript::default();
        let [first, second] = versions.map(results);
        let failed = Outcome::Failed(Failure::new(StatusCode::Unknown, message));
        for outcome in [first, second, failed] {
            transcript.steps.push(Step { action: put(), outcome });
        }
        transcript
    }

    fn renamed(transcript: &Transcript, expected: &str, actual: &str) -> (String, String) {
        let (step, expected, actual) = (Some(2), expected.to_owned(), actual.to_owned());
        let divergence = named(transcript, &Divergence { step, expected, actual });
        (divergence.expected, divergence.actual)
    }

    #[test]
    fn a_version_has_the_name_that_it_has_in_the_transcript() {
        let transcript = transcript([[3, 7], [7, 9]], "no");
        let (expected, actual) =
            renamed(&transcript, "\"a\" above version 3, \"b\"=\"a\" version 7", "version 9, version 8");
        assert_eq!(expected, "\"a\" above v1, \"b\"=\"a\" v1");
        assert_eq!(actual, "v2, version 8");
        // Version 7 is the first of b and the second of a: without a key it has no name.
        assert_eq!(renamed(&transcript, "version 7", "the version").0, "version 7");
    }

    #[test]
    fn the_message_of_the_store_is_left_as_it_is() {
        let transcript = transcript([[1, 1], [2, 2]], "row of version 1");
        let actual = "UNKNOWN (row of version 1), after version 2";
        assert_eq!(renamed(&transcript, "OK", actual).1, "UNKNOWN (row of version 1), after v2");
    }
}
