//! The names in a client's certificate that identify it: URIs and DNS names of its subject alternative name.

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::config::{DNS, URI};

/// Maximum names of a certificate that are considered.
const MAX_NAMES: usize = 16;
/// Maximum length of a name, in bytes; that of a SPIFFE ID.
const MAX_NAME: usize = 2_048;

/// The names: URIs first, then DNS names, each in the certificate's order. The certificate has been verified by TLS.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris = certificate.valid_uri_names().filter(|uri| is_printable(uri)).map(|uri| format!("{URI}{uri}"));
    let names = certificate
        .valid_dns_names()
        // A wildcard is not the name of one client.
        .filter(|name| is_printable(name) && !name.contains('*'))
        .map(|name| format!("{DNS}{}", name.to_ascii_lowercase()));
    uris.chain(names).take(MAX_NAMES).collect()
}

/// A name is written to the log.
fn is_printable(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn names_of(names: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names;
        super::names(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn uris_come_before_dns_names_which_have_no_case() {
        let names =
            names_of(vec![dns("B.example"), uri("spiffe://x/A"), dns("a.example"), uri("spiffe://x/b")]);
        assert_eq!(names, ["uri:spiffe://x/A", "uri:spiffe://x/b", "dns:b.example", "dns:a.example"]);
    }

    #[test]
    fn names_that_identify_no_one_client_or_cannot_be_logged_are_left_out() {
        let address = SanType::IpAddress([127, 0, 0, 1].into());
        let mail = SanType::Rfc822Name("a@example".try_into().unwrap());
        let long = uri(&format!("spiffe://x/{}", "a".repeat(MAX_NAME)));
        assert_eq!(
            names_of(vec![address, mail, dns("*.example"), uri("a b"), uri("a\nb"), long]),
            [] as [&str; 0]
        );
        assert_eq!(names_of(vec![]), [] as [&str; 0]);
        assert_eq!(names_of((0..99).map(|at| uri(&format!("spiffe://x/{at}"))).collect()).len(), MAX_NAMES);
    }
}
