//! Where a handshake carries its token.

use serde::Deserialize;

use crate::transport::Hello;

/// `ext.authentication.token`, or the bearer token of the request.
pub(super) fn of(hello: &Hello<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Ext {
        authentication: Authentication,
    }
    #[derive(Deserialize)]
    struct Authentication {
        token: String,
    }
    let ext = hello
        .ext
        .and_then(|ext| serde_json::from_str::<Ext>(ext.get()).ok());
    ext.map(|ext| ext.authentication.token).or_else(|| {
        let (scheme, token) = hello.authorization?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    })
}
