//! Standard Webhooks signatures: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One `whsec_…` secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a text is no secret. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It does not begin as one.
    #[error("a secret begins with whsec_")]
    Prefix,
    /// What follows cannot be decoded.
    #[error("after whsec_ a secret is base64")]
    Base64,
    /// Too little or too much of it.
    #[error("a secret holds {min} to {max} bytes", min = Secret::BYTES_MIN, max = Secret::BYTES_MAX)]
    Length,
}

impl Secret {
    /// The shortest secret of the Standard Webhooks, in bytes.
    pub const BYTES_MIN: usize = 24;
    /// The longest, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// A secret of `whsec_` and base64, with or without padding.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix("whsec_").ok_or(BadSecret::Prefix)?;
        let bytes = LENIENT.decode(encoded).map_err(|_| BadSecret::Base64)?;
        if (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(BadSecret::Length)
        }
    }

    fn sign(&self, id: &str, timestamp_seconds: u64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp_seconds}.").as_bytes());
        mac.update(body);
        Some(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The value of `webhook-signature`: one signature for each secret, separated by a space; empty without secrets.
pub fn sign(secrets: &[Secret], id: &str, timestamp_seconds: u64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| secret.sign(id, timestamp_seconds, body))
        .collect();
    signatures.join(" ")
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn signs_as_the_standard_webhooks_libraries_do() {
        assert_eq!(
            sign(&secrets(&[SECRET]), ID, 1_614_265_330, BODY),
            SIGNATURE
        );
    }

    #[test]
    fn while_a_secret_is_rotated_both_sign() {
        let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
        let both = sign(&secrets(&[other, SECRET]), ID, 1_614_265_330, BODY);
        let (first, second) = both.split_once(' ').unwrap();
        assert!(first.starts_with("v1,") && first != SIGNATURE);
        assert_eq!(second, SIGNATURE);
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        let secrets = secrets(&[SECRET]);
        assert_ne!(sign(&secrets, "msg_2", 1_614_265_330, BODY), SIGNATURE);
        assert_ne!(sign(&secrets, ID, 1_614_265_331, BODY), SIGNATURE);
        assert_ne!(sign(&secrets, ID, 1_614_265_330, b"{}"), SIGNATURE);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_repeating_it() {
        for (text, why) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSecret::Prefix),
            ("whsec_not base64!", BadSecret::Base64),
            ("whsec_", BadSecret::Length),
            ("whsec_AQIDBAUGBwgJCgsM", BadSecret::Length),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err(), why, "{text}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert_eq!(Secret::parse(&long).unwrap_err(), BadSecret::Length);
    }

    #[test]
    fn padding_may_be_left_out() {
        let padded = Secret::parse(&format!("whsec_{}", STANDARD.encode([7; 25]))).unwrap();
        let bare = format!("whsec_{}", STANDARD.encode([7; 25]).trim_end_matches('='));
        assert_eq!(Secret::parse(&bare), Ok(padded));
    }

    #[test]
    fn debug_output_shows_nothing_of_it() {
        let shown = format!("{:?}", Secret::parse(SECRET).unwrap());
        assert_eq!(shown, "Secret(hidden)");
    }

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts
            .iter()
            .map(|text| Secret::parse(text).unwrap())
            .collect()
    }
}
