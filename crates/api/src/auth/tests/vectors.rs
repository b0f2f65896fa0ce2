//! The signatures of RFC 9421 appendix B.2 that use our two algorithms. They cover less than this
//! bridge wants, so they test the signature base and the keys, not the rules.

use super::super::{
    Policy, VerificationKey,
    base::{Request, Target, signature_base},
    fields::{self, signature_inputs},
};
use http::{HeaderMap, HeaderValue, Method, Uri};

/// The request of RFC 9421 appendix B.2, and a check of one signature of it.
fn rfc_9421(key: &VerificationKey, input: &str, signature: &str) -> (String, bool) {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let uri = Uri::from_static("/foo?param=Value&Pet=dog");
    let request = Request { method: &Method::POST, uri: &uri, headers: &headers, arrived_at: None };
    let inputs = signature_inputs(input).expect("inputs");
    let policy = Policy { believes_host: true, ..Policy::default() };
    let target =
        Target::of(&request, policy.public_url.as_ref(), policy.believes_host).expect("a target");
    let base = signature_base(&request, &target, &inputs[0]).expect("a base");
    let signature = fields::signature(signature, inputs[0].label).expect("a signature");
    let verifies = key.verifies(base.as_bytes(), &signature);
    assert!(!key.verifies(format!("{base} ").as_bytes(), &signature));
    (base, verifies)
}

#[test]
fn rfc_9421_b_2_5_hmac() {
    let secret = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    )
    .expect("base64");
    let (base, verifies) = rfc_9421(
        &VerificationKey::hmac_sha256(&secret).expect("a key"),
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    );
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"@signature-params\": (\"date\" \"@authority\" \"content-type\")\
         ;created=1618884473;keyid=\"test-shared-secret\""
    );
    assert!(verifies);
}

#[test]
fn rfc_9421_b_2_6_ed25519() {
    let key = VerificationKey::ed25519_pem(
        "-----BEGIN PUBLIC KEY-----\n\
         MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n\
         -----END PUBLIC KEY-----\n",
    );
    let (base, verifies) = rfc_9421(
        &key.expect("a key"),
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    );
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@method\": POST\n\
         \"@path\": /foo\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"content-length\": 18\n\
         \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
         \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
    );
    assert!(verifies);
}
