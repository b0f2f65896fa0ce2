//! The signature of a whole request for a transfer: head, body and nonce.

use crate::{Bench, Operation};
use anyhow::{Context, Result};
use api::auth::{self, Keys, NonceMemory, Policy, Request, VerificationKey};
use client::{Key, Parameters, Signer};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::hint::black_box;

/// When requests are signed and verified, in seconds since 1970.
const NOW_S: i64 = 1_795_224_600;
/// What is asked for; as long as a real one.
const BODY: &[u8] = br#"{"from":{"counter":"securities","account":"60000123"},"to":{"counter":"futures","account":"80000456"},"amount":123456,"currency":"CNY"}"#;
const KEY_ID: &str = "app-key-1";
/// Known to everybody, and good for nothing but counting.
const SECRET: [u8; 32] = [7; 32];
/// Likewise: the private key of RFC 8410's example.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench {
            name: "signature.hmac",
            what: "a signed request verified",
            iterations: 200,
            prepare: |count| {
                verify(count, Key::hmac(&SECRET)?, VerificationKey::hmac_sha256(&SECRET)?)
            },
        },
        Bench {
            name: "signature.ed25519",
            what: "a signed request verified",
            iterations: 50,
            prepare: |count| {
                let private = Key::ed25519_pem(PRIVATE)?;
                let Key::Ed25519(pair) = &private else { anyhow::bail!("another kind of key") };
                let public = VerificationKey::ed25519_pem(&pair.public_pem()?)?;
                verify(count, private, public)
            },
        },
    ]
}

/// So many requests, each with a nonce and a key of its own.
fn verify(count: u32, private: Key, public: VerificationKey) -> Result<Operation> {
    let signer = Signer::new(KEY_ID, private)?;
    let uri = Uri::from_static("/v1/transfers");
    let mut requests = Vec::new();
    for number in 0..count {
        requests.push(signed(&signer, number)?);
    }
    let mut requests = requests.into_iter();
    let mut keys = Keys::new();
    keys.insert(KEY_ID, "broker-app", public)?;
    let policy = Policy { believes_host: true, ..Policy::default() };
    let nonces = NonceMemory::new(1_000_000, []);
    Ok(Box::new(move || {
        let headers = requests.next().context("no more requests")?;
        let request =
            Request { method: &Method::POST, uri: &uri, headers: &headers, arrived_at: None };
        let caller = auth::verify(black_box(&request), BODY, &keys, &policy, NOW_S, &nonces)?;
        black_box(caller);
        Ok(())
    }))
}

fn signed(signer: &Signer, number: u32) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("bridge.example:8080"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("content-length", HeaderValue::from(BODY.len()));
    headers.insert("prefer", HeaderValue::from_static("wait=30"));
    headers.insert("idempotency-key", HeaderValue::try_from(format!("{number:032x}"))?);
    headers.insert("content-digest", client::signature::content_digest(BODY)?);
    let parameters = Parameters {
        created_s: Some(NOW_S),
        expires_s: Some(NOW_S + 60),
        nonce: Some(format!("{number:032x}")),
        keyid: Some(KEY_ID.to_owned()),
        alg: Some(signer.algorithm().as_str().to_owned()),
    };
    signer.sign_as(
        &Method::POST,
        "http://bridge.example:8080/v1/transfers",
        &mut headers,
        &["@method", "@target-uri", "content-digest", "idempotency-key"],
        &parameters,
    )?;
    Ok(headers)
}
