//! A signed request.

use api::auth::{Keys, NonceMemory, Policy, Request, VerificationKey, verify};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::sync::LazyLock;

const HEADERS: [&str; 5] =
    ["signature-input", "signature", "content-digest", "idempotency-key", "host"];

/// 2026-11-21, when the vectors of the corpus were made.
const NOW_S: i64 = 1_795_219_200;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    // Made anew for each run: no corpus holds a signature of it.
    let secret = [std::process::id().to_le_bytes().repeat(4), b"nobody knows it!".to_vec()];
    let mut keys = Keys::new();
    let key = VerificationKey::hmac_sha256(&secret.concat()).expect("long enough");
    keys.insert("shop-1", "shop", key).expect("the first");
    keys
});

/// Everything about a signed request that comes before its key has spoken, and what follows: a line
/// each for target, Signature-Input, Signature, Content-Digest, Idempotency-Key and Host, then the
/// body. Nobody here knows a key, so nobody may be let in.
pub fn signature(bytes: &[u8]) {
    let mut lines = bytes.splitn(HEADERS.len() + 2, |byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let (method, target) = match target.strip_prefix(b"GET ") {
        Some(target) => (Method::GET, target),
        None => (Method::POST, target),
    };
    let Ok(uri) = Uri::try_from(target) else { return };
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        let value = lines.next().unwrap_or_default();
        // A tab in a line is a header that stands twice.
        for value in value.split(|byte| *byte == b'\t').filter(|value| !value.is_empty()) {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
    let body = lines.next().unwrap_or_default();
    let request = Request { method: &method, uri: &uri, headers: &headers, arrived_at: None };
    let nonces = NonceMemory::new(64, []);
    for public_url in [None, "https://bridge.example/money".parse().ok()] {
        let policy = Policy { public_url, believes_host: true, ..Policy::default() };
        let refused = verify(&request, body, &KEYS, &policy, NOW_S, &nonces)
            .expect_err("a forged signature was let in");
        assert!(refused.to_string().len() < 1000, "an error that grows with its request");
    }
}
