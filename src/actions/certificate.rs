//! Checks when the certificate of a host expires. Makes a separate TLS handshake, since the HTTP client does not expose the certificate.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use x509_cert::der::Decode as _;

use super::Control;
use super::shortage::AttemptError;
use super::tcp::{DeadlineStream, connect, timeout_failure};
use super::with_deadline::with_deadline;
use crate::clock::{Clock as _, SystemClock};
use crate::run::outcome::{ErrorType, Failure};
use crate::spec::describe::human_duration;

/// Fails if the certificate of the host of `url` expires in less than `days` days.
pub(super) fn valid_for(url: &str, days: u32, time_left: Option<Duration>, control: &Control) -> Result<(), AttemptError> {
    let failure = |message: String| Failure {
        error_type: ErrorType::Tls,
        message,
    };
    let uri: http::Uri = url.parse().map_err(|e| failure(format!("`{url}` is not a URL: {e}")))?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let expiry = with_deadline(time_left, control, move || expiry_of(&host, port, time_left));
    let expiry = expiry.map_err(|error| match error {
        AttemptError::Failed(e) => AttemptError::Failed(Failure {
            message: format!("{} ({url})", e.message),
            ..e
        }),
        short @ AttemptError::Shortage(_) => short,
    })?;
    let Some(expiry) = expiry else {
        return Err(timeout_failure(url, time_left).into());
    };
    let left = (expiry - SystemClock.now()).num_days();
    if left < i64::from(days) {
        let date = expiry.date_naive();
        let limit = human_duration(u128::from(days) * 86_400_000);
        return Err(failure(format!("the certificate of {url} expires on {date}, in less than {limit}")).into());
    }
    Ok(())
}

/// Returns when the certificate that a host presents expires.
fn expiry_of(host: &str, port: u16, limit: Option<Duration>) -> Result<chrono::DateTime<chrono::Utc>, AttemptError> {
    let failure = |e: &dyn std::fmt::Display| Failure {
        error_type: ErrorType::Tls,
        message: format!("cannot read the certificate: {e}"),
    };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| failure(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|e| failure(&e))?;
    let mut client = ClientConnection::new(Arc::new(config), name).map_err(|e| failure(&e))?;
    let mut stream = DeadlineStream::new(connect(host, port, limit)?, limit);
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|e| failure(&e))?;
    }
    client.send_close_notify();
    let _ = client.complete_io(&mut stream);
    let _ = stream.flush();
    let presented = client.peer_certificates().and_then(<[_]>::first);
    let presented = presented.ok_or_else(|| failure(&"the server sent none"))?;
    let certificate = x509_cert::Certificate::from_der(presented).map_err(|e| failure(&e))?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    let end = i64::try_from(end.as_secs())
        .ok()
        .and_then(|s| chrono::DateTime::from_timestamp(s, 0));
    Ok(end.ok_or_else(|| failure(&"its expiry time is out of range"))?)
}

/// Accepts any certificate: the preceding request has already verified the host.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
