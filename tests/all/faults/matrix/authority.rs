//! Certificates made for the occasion: an authority, what it vouches for, and
//! what nobody should believe.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// The host that certificates are for, where it is not an address. Nobody can
/// ever own the name.
pub(super) const HOST: &str = "api.rescind.invalid";

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    Nothing,
    Expired,
    NotYetValid,
    /// It is for another host.
    OtherHost,
    /// An authority nobody trusts vouches for it.
    UnknownAuthority,
    /// Nobody vouches for it but itself.
    SelfSigned,
}

/// Somebody who vouches for others.
pub(super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// The authority that clients of a test trust.
    pub(super) fn trusted() -> &'static Self {
        static TRUSTED: OnceLock<Authority> = OnceLock::new();
        TRUSTED.get_or_init(|| Self::new("rescind test"))
    }

    /// Its certificate, for `--ca-cert`.
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server's side of TLS for 127.0.0.1 and [`HOST`], flawed as told.
    pub(super) fn acceptor(&self, flaw: Flaw) -> TlsAcceptor {
        let names = match flaw {
            Flaw::OtherHost => vec!["elsewhere.invalid".to_owned()],
            _ => vec!["127.0.0.1".to_owned(), HOST.to_owned()],
        };
        let mut params = CertificateParams::new(names).unwrap();
        let (from, to) = match flaw {
            Flaw::Expired => (2020, 2021),
            Flaw::NotYetValid => (4000, 4001),
            _ => (2020, 4000),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&key),
            Flaw::UnknownAuthority => {
                params.signed_by(&key, &Self::new("nobody knows this one").issuer)
            }
            _ => params.signed_by(&key, &self.issuer),
        };
        acceptor(certificate.unwrap().der().clone(), &key)
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
