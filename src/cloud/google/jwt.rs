//! What a service account's key signs to be given a token: who it is, for whom, for how long.
//! Source: developers.google.com/identity/protocols/oauth2/service-account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// The right to everything that the account may do: its roles say what that is.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an assertion may be used, in seconds: the most that is taken.
const LIFE: i64 = 3600;
/// How far this machine's clock may be ahead, in seconds: what was signed in the future is not taken.
const AHEAD: i64 = 10;

/// An account and its key.
pub(super) struct Signer<'a> {
    pub(super) email: &'a str,
    pub(super) key_id: Option<&'a str>,
    /// PEM.
    pub(super) key: &'a SecretString,
}

impl Signer<'_> {
    /// An assertion for the place that gives tokens. The error says what is wrong with the key, without any of it.
    pub(super) fn assertion(
        &self,
        audience: &str,
        now: jiff::Timestamp,
    ) -> Result<SecretString, &'static str> {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = self.key_id {
            header["kid"] = id.into();
        }
        let issued = now.as_second() - AHEAD;
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFE,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let der = PrivatePkcs8KeyDer::from_pem_slice(self.key.expose_secret().as_bytes())
            .map_err(|_| "it is no PEM of a private key")?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| "it is no RSA key of PKCS #8")?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            text.as_bytes(),
            &mut signature,
        )
        .map_err(|_| "it cannot sign")?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}
