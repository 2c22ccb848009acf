//! Diagnosis of faults between a client and a server below gRPC, from the errors of the lower layers.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// The diagnosed fault of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The endpoint is `http://`, and the server speaks TLS.
    SpeaksTls,
    /// The endpoint is `https://`, and the server does not speak TLS.
    SpeaksPlain,
    /// The server answers in HTTP/1.
    SpeaksHttp1,
    /// The server closed the connection during the TLS handshake without an alert.
    EndsHandshake,
    /// The server speaks TLS and does not negotiate HTTP/2.
    NoHttp2,
    /// The server's certificate is issued by an authority that the client does not trust.
    UnknownAuthority,
    /// The server's certificate is for other names.
    WrongName,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server requires a client certificate, and the client has none.
    RequiresCertificate,
    /// The server rejects the client's certificate.
    RejectsCertificate,
    /// The server accepted a client without a certificate, and closed the connection before it answered. With TLS 1.3 such a
    /// client is rejected only after the handshake, with an alert that the layers in between do not pass on.
    EndsUnanswered,
    /// The server accepted the connection and sent nothing.
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
        Self::RequiresCertificate,
        Self::RejectsCertificate,
        Self::EndsUnanswered,
        Self::Silent,
    ];

    /// The error texts of the lower layers for it: rustls, tonic, and this client's socket.
    fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::SpeaksTls | Self::SpeaksHttp1 | Self::EndsUnanswered | Self::Silent => &[],
            Self::SpeaksPlain => &["received corrupt message of type InvalidContentType"],
            Self::EndsHandshake => &["tls handshake eof"],
            Self::NoHttp2 => &["HTTP/2 was not negotiated", "fatal alert: NoApplicationProtocol"],
            Self::UnknownAuthority => &["invalid peer certificate: UnknownIssuer"],
            Self::WrongName => &["invalid peer certificate: certificate not valid for name"],
            Self::Expired => &["invalid peer certificate: certificate expired"],
            Self::NotYetValid => &["invalid peer certificate: certificate not valid yet"],
            Self::RequiresCertificate => &["fatal alert: CertificateRequired"],
            Self::RejectsCertificate => &[
                "fatal alert: UnknownCA",
                "fatal alert: BadCertificate",
                "fatal alert: CertificateUnknown",
                "fatal alert: CertificateExpired",
                "fatal alert: CertificateRevoked",
                "fatal alert: DecryptError",
            ],
        }
    }

    /// The remedy, in terms of command line options.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SpeaksTls => "write the endpoint as https://host:port",
            Self::SpeaksPlain => "write the endpoint as http://host:port",
            Self::SpeaksHttp1 | Self::NoHttp2 => "check the port: a gRPC server speaks HTTP/2",
            Self::EndsHandshake => {
                "write the endpoint as http://host:port if the server does not speak TLS; otherwise try again, or check its log"
            }
            Self::UnknownAuthority => "name its certificate authority with --tls-ca FILE",
            Self::WrongName => {
                "use a name that is in its certificate, in the endpoint or with --tls-domain NAME"
            }
            Self::Expired => "renew the server's certificate, or set this machine's clock",
            Self::NotYetValid => "set this machine's clock, or wait",
            Self::RequiresCertificate => "give one with --tls-cert FILE and --tls-key FILE",
            Self::RejectsCertificate => {
                "give one issued by an authority that the server trusts with --tls-cert FILE and --tls-key FILE"
            }
            Self::EndsUnanswered => {
                "if the server requires a certificate, give one with --tls-cert FILE and --tls-key FILE; otherwise try again"
            }
            Self::Silent => "check the port and the server's log",
        }
    }

    /// Whether it stays until the command line, a certificate, a clock or the server's configuration is changed, so that
    /// another attempt is pointless. A connection that merely ended may have ended for a reason that passes.
    pub fn is_permanent(self) -> bool {
        match self {
            Self::SpeaksTls
            | Self::SpeaksPlain
            | Self::SpeaksHttp1
            | Self::NoHttp2
            | Self::UnknownAuthority
            | Self::WrongName
            | Self::Expired
            | Self::NotYetValid
            | Self::RequiresCertificate
            | Self::RejectsCertificate => true,
            Self::EndsHandshake | Self::EndsUnanswered | Self::Silent => false,
        }
    }

    /// Finds the fault in a line with all causes of an error.
    pub fn read(line: &str) -> Option<Self> {
        let is_in = |fault: &Self| {
            fault.patterns().iter().any(|pattern| line.contains(pattern)) || line.contains(&fault.to_string())
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
            Self::EndsHandshake => "the server closed the connection during the TLS handshake",
            Self::NoHttp2 => "the server speaks TLS and not HTTP/2",
            Self::UnknownAuthority => {
                "the server's certificate is not issued by an authority that this client trusts"
            }
            Self::WrongName => "the server's certificate is not for the name in the endpoint",
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::RequiresCertificate => "the server requires a client certificate",
            Self::RejectsCertificate => "the server does not accept this client's certificate",
            Self::EndsUnanswered => {
                "the server closed the TLS connection before it answered, as it does if it requires a client certificate and gets none"
            }
            Self::Silent => "the server accepted the connection and sent nothing",
        })
    }
}

impl Error for Fault {}

/// An error and its causes in one line.
pub(super) fn reasons(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for error in successors(Some(error), |&error| error.source()) {
        let text = error.to_string();
        // Some errors repeat their cause.
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
    fn each_fault_is_found_in_its_own_texts_only() {
        for fault in Fault::ALL {
            assert_eq!(Fault::read(&format!("transport error: {fault}")), Some(fault));
            for pattern in fault.patterns() {
                assert_eq!(Fault::read(pattern), Some(fault), "{pattern}");
            }
        }
        assert_eq!(Fault::read("transport error: connection refused"), None);
    }
}
