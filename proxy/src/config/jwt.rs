//! Issuers of JWTs: whose tokens are accepted, for which audience, and where their keys are.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::mappings::{Mistakes, elements, one, values};
use super::node::{Node, Spanned};
use super::values as parse;

/// Leeway where none is configured.
pub(crate) const LEEWAY: Duration = Duration::from_secs(30);
/// Maximum leeway. A longer one would be a longer life of every token.
const MAX_LEEWAY: Duration = Duration::from_mins(10);
/// Maximum length of an issuer and of an audience, in bytes.
const MAX_NAME: usize = 512;

/// An issuer of JWTs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtIssuer {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// The value that the claim `aud` must have, or contain.
    pub audience: String,
    /// Its public keys.
    pub jwks: JwksSource,
    /// Tolerated difference between its clock and this machine's.
    pub leeway: Duration,
}

/// Where a JSON Web Key Set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A file.
    File(PathBuf),
    /// An https URL, or an http URL of this machine.
    Url(Uri),
}

impl JwksSource {
    fn read(text: &str) -> Option<Self> {
        if !text.contains("://") {
            return parse::file(text).map(Self::File);
        }
        let url: Uri = text.parse().ok()?;
        let host = url.host()?;
        let is_plain = match url.scheme_str()? {
            "https" => false,
            "http" => true,
            _ => return None,
        };
        // Keys that arrive in plain text could be replaced on their way. User information would be a secret.
        let allowed = !url.authority()?.as_str().contains('@')
            && (!is_plain || parse::is_loopback(&format!("{host}:0")) == Some(true));
        allowed.then_some(Self::Url(url))
    }

    /// The source as printed. The query of a URL is masked: it may hold a secret.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => match url.to_string().split_once('?') {
                Some((before, _)) => format!("{before}?***"),
                None => url.to_string(),
            },
        }
    }
}

/// Parses the list of issuers.
pub(super) fn read(list: &Spanned<Node>) -> Result<Vec<JwtIssuer>, Mistakes<'_>> {
    let (mut issuers, mut mistakes) = (Vec::<JwtIssuer>::new(), Vec::new());
    for element in elements(list, "issuers")? {
        let Some(issuer) = issuer(element, &mut mistakes) else { continue };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            mistakes.push((element, "has the issuer of another entry".to_owned()));
        }
        issuers.push(issuer);
    }
    if mistakes.is_empty() { Ok(issuers) } else { Err(mistakes) }
}

fn issuer<'a>(element: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<JwtIssuer> {
    const NAMES: [&str; 4] = ["issuer", "audience", "jwks", "leeway"];
    let before = mistakes.len();
    let given = values(element, "an issuer", NAMES, mistakes)?;
    for (name, value) in NAMES[..3].iter().zip(given) {
        if value.is_none() {
            mistakes.push((element, format!("needs {name}; issuer, audience and jwks are required")));
        }
    }
    let [issuer, audience, jwks, leeway] = given;
    let issuer = one(
        issuer?,
        mistakes,
        issuer_name,
        "write the claim iss of the tokens, such as https://login.example, without # and white space",
    );
    let audience = one(audience?, mistakes, name, "write the claim aud of the tokens, such as prism");
    let jwks = one(
        jwks?,
        mistakes,
        JwksSource::read,
        "write the path of a file or an https URL without a password (http only on loopback)",
    );
    let leeway = match leeway {
        None => Some(LEEWAY),
        Some(value) => one(
            value,
            mistakes,
            |text| parse::duration(text).filter(|leeway| *leeway <= MAX_LEEWAY),
            "write a duration of at most 10m, such as 30s",
        ),
    };
    if mistakes.len() > before {
        return None;
    }
    Some(JwtIssuer { issuer: issuer?, audience: audience?, jwks: jwks?, leeway: leeway? })
}

fn name(text: &str) -> Option<String> {
    let allowed = (1..=MAX_NAME).contains(&text.len()) && !text.contains(char::is_control);
    allowed.then(|| text.to_owned())
}

/// An issuer. A `#` separates it from the subject in the name of a caller.
pub(super) fn issuer_name(text: &str) -> Option<String> {
    name(text).filter(|issuer| !issuer.contains('#') && !issuer.contains(char::is_whitespace))
}
