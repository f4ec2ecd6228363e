//! Standard Webhooks signatures: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

/// One `whsec_…` secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// The value of `webhook-signature`: one signature for each secret, separated by a space.
pub fn sign(secrets: &[Secret], id: &str, timestamp_seconds: u64, body: &[u8]) -> String {
    let _ = (secrets, id, timestamp_seconds, body);
    String::new()
}
