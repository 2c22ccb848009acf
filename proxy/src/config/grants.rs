//! Grants: which permissions a caller with a JWT or a client certificate has, in which namespaces.

use std::fmt;

use super::Auth;
use super::jwt::issuer_name;
use super::mappings::{Mistakes, NAMESPACES, each, elements, one, permissions, values};
use super::node::{Node, Spanned};
use super::pattern::{NamespaceRule, Pattern};
use super::tokens::Permission;

/// The beginnings of the names of certificates.
pub(crate) const URI: &str = "uri:";
/// See [`URI`].
pub(crate) const DNS: &str = "dns:";
/// Maximum length of a pattern, in bytes.
const MAX_WHO: usize = 2_048;

/// Permissions of the callers that a pattern matches. A caller has those of all its grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The callers.
    pub who: Who,
    /// The namespaces that it is limited to; `None`: all.
    pub namespaces: Option<Vec<NamespaceRule>>,
    /// The permissions.
    pub permissions: Vec<Permission>,
}

/// A pattern of callers. The two kinds never match each other's names, whatever a token or a certificate contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// JWTs, by their claim `sub`.
    Subject {
        /// The pattern of the subject.
        subject: Pattern,
        /// The claim `iss`; `None`: the only issuer.
        issuer: Option<String>,
    },
    /// Client certificates, by a name such as `uri:spiffe://example.org/orders` or `dns:orders.example.org`.
    Certificate(Pattern),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject { subject: pattern, .. } | Self::Certificate(pattern) => pattern.fmt(f),
        }
    }
}

/// Parses the list of grants.
pub(super) fn read(list: &Spanned<Node>) -> Result<Vec<Grant>, Mistakes<'_>> {
    let mut mistakes = Vec::new();
    let grants =
        elements(list, "grants")?.iter().filter_map(|element| grant(element, &mut mistakes)).collect();
    if mistakes.is_empty() { Ok(grants) } else { Err(mistakes) }
}

fn grant<'a>(element: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<Grant> {
    let before = mistakes.len();
    let names = ["who", "issuer", "namespaces", "permissions"];
    let [who, issuer, namespaces, granted] = values(element, "a grant", names, mistakes)?;
    let pattern = who.and_then(|who| {
        one(
            who,
            mistakes,
            pattern,
            "write the subject of a JWT, uri: or dns: and a name of a certificate, or the beginning of some and *, such as \
             svc:orders-*",
        )
    });
    if who.is_none() {
        mistakes.push((element, "needs who; write a caller or the beginning of some and *".to_owned()));
    }
    let named_issuer = issuer
        .and_then(|issuer| one(issuer, mistakes, issuer_name, "write the issuer of an entry of auth.jwt"));
    let namespaces =
        namespaces.and_then(|value| each(value, mistakes, NamespaceRule::read_namespaces, NAMESPACES));
    let granted = granted.and_then(|value| permissions(value, mistakes));
    if granted.as_ref().is_none_or(Vec::is_empty) {
        mistakes.push((element, "needs permissions; write some of [read, write, admin]".to_owned()));
    }
    let who = match pattern? {
        pattern if is_certificate(&pattern) => {
            if issuer.is_some() {
                let message = "issuer is of JWTs, and who is a name of a certificate; leave one of them out";
                mistakes.push((element, message.to_owned()));
            }
            Who::Certificate(pattern)
        }
        subject => Who::Subject { subject, issuer: named_issuer },
    };
    if mistakes.len() > before {
        return None;
    }
    Some(Grant { who, namespaces, permissions: granted? })
}

fn is_certificate(pattern: &Pattern) -> bool {
    [URI, DNS].iter().any(|kind| pattern.name().starts_with(kind))
}

fn pattern(text: &str) -> Option<Pattern> {
    let allowed = (1..=MAX_WHO).contains(&text.len()) && !text.contains(char::is_control);
    // Names of hosts have no case; certificates' are made lower case, too.
    let text = if text.starts_with(DNS) { text.to_ascii_lowercase() } else { text.to_owned() };
    Pattern::read(&text).filter(|pattern| allowed && ![URI, DNS].map(Pattern::exactly).contains(pattern))
}

impl Pattern {
    fn exactly(name: &str) -> Self {
        Self::Exactly(name.to_owned())
    }
}

/// The key of the list of issuers and that of the list of grants, for errors about both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Jwt,
    Grants,
}

/// Contradictions between the issuers, the client CA and the grants.
pub(super) fn contradictions(auth: &Auth, client_ca: bool) -> Vec<(Key, String)> {
    let mut problems = Vec::new();
    let is_subject = |grant: &Grant| matches!(grant.who, Who::Subject { .. });
    if !auth.jwt.is_empty() && !auth.grants.iter().any(is_subject) {
        let message = "auth.jwt is set and no entry of auth.grants has the subject of a JWT as who, so no token of the \
                       issuers would be allowed anything; add a grant";
        problems.push((Key::Jwt, message.to_owned()));
    }
    for (at, grant) in (1..).zip(&auth.grants) {
        let problem = match &grant.who {
            Who::Certificate(_) if !client_ca => {
                "who is a name of a client certificate, and server.tls.client_ca is not set"
            }
            Who::Subject { .. } if auth.jwt.is_empty() => {
                "who is the subject of a JWT, and there is no auth.jwt"
            }
            Who::Subject { issuer: Some(issuer), .. } => {
                if auth.jwt.iter().any(|known| known.issuer == *issuer) {
                    continue;
                }
                "issuer is not the issuer of an entry of auth.jwt"
            }
            // One issuer could otherwise name the callers of another.
            Who::Subject { issuer: None, .. } if auth.jwt.len() > 1 => {
                "auth.jwt has more than one issuer, and the grant does not say whose subject it means; set issuer"
            }
            Who::Certificate(_) | Who::Subject { issuer: None, .. } => continue,
        };
        problems.push((Key::Grants, format!("grant {at}: {problem}")));
    }
    problems
}
