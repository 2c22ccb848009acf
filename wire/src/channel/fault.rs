//! What went wrong between a client and a server before they could speak gRPC, told from what the layers below report.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// Why a connection is of no use, where that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The endpoint is `http://`, and the server speaks TLS.
    SpeaksTls,
    /// The endpoint is `https://`, and the server does not speak TLS.
    SpeaksPlain,
    /// The server answers in HTTP/1.
    SpeaksHttp1,
    /// The server ended the TLS handshake without a word.
    EndsHandshake,
    /// The server speaks TLS and does not agree to HTTP/2.
    NoHttp2,
    /// The server's certificate is signed by an authority that the client does not trust.
    UnknownAuthority,
    /// The server's certificate is for other names.
    WrongName,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server asks for a certificate, and the client has none.
    WantsCertificate,
    /// The server does not accept the client's certificate.
    RefusesCertificate,
    /// The server took a client without a certificate, and closed the connection before it answered. With TLS 1.3 it refuses such a
    /// client only after the handshake, with an alert that the layers in between do not hand on.
    EndsUnanswered,
    /// The server took the connection and said nothing.
    Silent,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::SpeaksTls,
        Self::SpeaksPlain,
        Self::SpeaksHttp1,
        Self::EndsHandshake,
        Self::NoHttp2,
        Self::UnknownAuthority,
        Self::WrongName,
        Self::Expired,
        Self::NotYetValid,
        Self::WantsCertificate,
        Self::RefusesCertificate,
        Self::EndsUnanswered,
        Self::Silent,
    ];

    /// What the layers below call it: rustls, tonic, and this client's own connection.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Self::SpeaksTls | Self::SpeaksHttp1 | Self::EndsUnanswered | Self::Silent => &[],
            Self::SpeaksPlain => &["received corrupt message of type InvalidContentType"],
            Self::EndsHandshake => &["tls handshake eof"],
            Self::NoHttp2 => &["HTTP/2 was not negotiated", "fatal alert: NoApplicationProtocol"],
            Self::UnknownAuthority => &["invalid peer certificate: UnknownIssuer"],
            Self::WrongName => &["invalid peer certificate: certificate not valid for name"],
            Self::Expired => &["invalid peer certificate: certificate expired"],
            Self::NotYetValid => &["invalid peer certificate: certificate not valid yet"],
            Self::WantsCertificate => &["fatal alert: CertificateRequired"],
            Self::RefusesCertificate => &[
                "fatal alert: UnknownCA",
                "fatal alert: BadCertificate",
                "fatal alert: CertificateUnknown",
                "fatal alert: CertificateExpired",
                "fatal alert: CertificateRevoked",
                "fatal alert: DecryptError",
            ],
        }
    }

    /// What to do about it, with the command line's names of the options.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SpeaksTls => "write the endpoint as https://host:port",
            Self::SpeaksPlain => "write the endpoint as http://host:port",
            Self::SpeaksHttp1 | Self::NoHttp2 => "is it the right port? A gRPC server speaks HTTP/2",
            Self::EndsHandshake => {
                "write the endpoint as http://host:port if the server does not speak TLS; otherwise its log says more"
            }
            Self::UnknownAuthority => "name its certificate authority with --tls-ca FILE",
            Self::WrongName => {
                "name the server as its certificate does, in the endpoint or with --tls-domain NAME"
            }
            Self::Expired => "renew the server's certificate, or set this machine's clock",
            Self::NotYetValid => "set this machine's clock, or wait",
            Self::WantsCertificate => "give one with --tls-cert FILE and --tls-key FILE",
            Self::RefusesCertificate => {
                "give one of an authority that the server trusts with --tls-cert FILE and --tls-key FILE"
            }
            Self::EndsUnanswered => {
                "if the server asks for a certificate, give one with --tls-cert FILE and --tls-key FILE; otherwise try again"
            }
            Self::Silent => "is it the right port, and does the server's log say why?",
        }
    }

    /// Reads it from a line that names all causes of an error.
    pub fn read(line: &str) -> Option<Self> {
        let is_in = |fault: &Self| {
            fault.marks().iter().any(|mark| line.contains(mark)) || line.contains(&fault.to_string())
        };
        Self::ALL.into_iter().find(is_in)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpeaksTls => "the server speaks TLS, and the endpoint is http://",
            Self::SpeaksPlain => "the server does not speak TLS, and the endpoint is https://",
            Self::SpeaksHttp1 => "the server answers in HTTP/1 and not as a gRPC server",
            Self::EndsHandshake => "the server closed the connection within the TLS handshake",
            Self::NoHttp2 => "the server speaks TLS and not HTTP/2",
            Self::UnknownAuthority => {
                "the server's certificate is not of an authority that this client trusts"
            }
            Self::WrongName => "the server's certificate is not for the name in the endpoint",
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WantsCertificate => "the server asks for a client's certificate",
            Self::RefusesCertificate => "the server does not accept this client's certificate",
            Self::EndsUnanswered => {
                "the server closed the TLS connection before it answered, as it does to a client without the certificate that it asks for"
            }
            Self::Silent => "the server took the connection and said nothing",
        })
    }
}

impl Error for Fault {}

/// An error and what lies behind it, in one line.
pub(super) fn reasons(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for error in successors(Some(error), |&error| error.source()) {
        let text = error.to_string();
        // Some errors repeat what lies behind them.
        if !line.ends_with(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_read_from_its_own_words_and_from_nothing_else() {
        for fault in Fault::ALL {
            assert_eq!(Fault::read(&format!("transport error: {fault}")), Some(fault));
            for mark in fault.marks() {
                assert_eq!(Fault::read(mark), Some(fault), "{mark}");
            }
        }
        assert_eq!(Fault::read("transport error: connection refused"), None);
    }
}
