//! Signed requests over real sockets: the client signs, `api::auth` verifies, and neither has code
//! of the other.

mod pretend;

use api::auth::{Authenticator, Keys, Policy, VerificationKey};
use client::{
    Account, CallError, Client, IdempotencyKey, Key, NewTransfer, Signer, State, TransferFilter,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// Two apps: `shop` signs with HMAC, `bank` with Ed25519. The bridge's address and theirs.
async fn bridge() -> (String, Client, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let private = Key::generate_ed25519();
    let Key::Ed25519(ed25519) = &private else { unreachable!() };
    let public = ed25519.public_pem().expect("a PEM");
    let mut keys = Keys::new();
    keys.insert("shop-1", "shop", VerificationKey::hmac_sha256(SECRET).expect("a key"))
        .and_then(|()| keys.insert("bank-1", "bank", VerificationKey::ed25519_pem(&public)?))
        .expect("keys");
    let policy = Policy { believes_host: true, ..Policy::default() };
    tokio::spawn(pretend::serve(listener, Authenticator::new(keys, policy, 1000)));
    let client = |keyid, key| {
        let signer = Signer::new(keyid, key).expect("a signer");
        Client::new(&format!("http://{address}"), signer).expect("a client")
    };
    let shop = client("shop-1", Key::hmac(SECRET).expect("a key"));
    let bank = client("bank-1", private);
    (address, shop, bank)
}

fn order(amount: i64) -> NewTransfer {
    NewTransfer {
        from: Account::new("securities", "6001"),
        to: Account::new("futures", "88"),
        amount,
        currency: "CNY".into(),
    }
}

fn slug<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(CallError::Refused(problem) | CallError::NotAdmitted(problem)) => {
            format!("{} {}", problem.status, problem.slug())
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn two_apps_order_replay_and_do_not_see_each_other() {
    let (_, shop, bank) = bridge().await;
    let key = IdempotencyKey::random();
    let first = shop.transfer(&order(1), &key, Duration::ZERO).await.expect("an answer");
    assert_eq!(first.transfer.state, State::Completed);
    let again = shop.transfer(&order(1), &key, Duration::ZERO).await.expect("an answer");
    assert_eq!(first, again, "byte for byte");
    let other_body = shop.transfer(&order(2), &key, Duration::ZERO).await;
    assert_eq!(slug(other_body), "422 idempotency_key_reused");
    let of_bank = bank.transfer(&order(2), &key, Duration::ZERO).await.expect("an answer");
    assert_ne!(of_bank.transfer.master_serial, first.transfer.master_serial);

    let serial = &first.transfer.master_serial;
    assert_eq!(shop.show(serial).await.expect("a transfer"), first.transfer);
    assert_eq!(slug(bank.show(serial).await), "403 not_your_transfer");
    assert_eq!(slug(bank.show("1/2?3").await), "404 not_found", "odd paths are signed as sent");
    let filter = TransferFilter { state: Some(State::Completed), ..TransferFilter::default() };
    assert_eq!(shop.list(&filter).await.expect("a page").transfers, vec![first.transfer]);
}

#[tokio::test]
async fn strangers_are_not_let_in() {
    let (address, ..) = bridge().await;
    let client = |keyid, secret| {
        let key = Key::hmac(secret).expect("a key");
        let signer = Signer::new(keyid, key).expect("a signer");
        Client::new(&format!("http://{address}"), signer).expect("a client")
    };
    let key = IdempotencyKey::random();
    let unknown = client("shop-2", SECRET).transfer(&order(1), &key, Duration::ZERO).await;
    assert_eq!(slug(unknown), "401 bad_signature");
    let guessed = client("shop-1", &[0; 32]).transfer(&order(1), &key, Duration::ZERO).await;
    assert_eq!(slug(guessed), "401 bad_signature");
    let long = NewTransfer { currency: "C".repeat(5000), ..order(1) };
    let too_long = client("shop-1", SECRET).transfer(&long, &key, Duration::ZERO).await;
    assert_eq!(slug(too_long), "413 body_too_large");
}

/// Sends bytes and reads until the bridge has answered; `""` if it hangs up.
async fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(bytes).await.expect("a reader");
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer").expect("bytes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn signed_head(address: &str, body: &[u8], more: &str) -> String {
    let signer = Signer::new("shop-1", Key::hmac(SECRET).expect("a key")).expect("a signer");
    let mut headers = http::HeaderMap::new();
    headers.insert("idempotency-key", http::HeaderValue::from_static("raw"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let now_s = i64::try_from(now.as_secs()).expect("a time");
    let target = format!("http://{address}/v1/transfers");
    signer.sign(&http::Method::POST, &target, &mut headers, body, now_s).expect("a signature");
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().expect("text")))
        .collect();
    let lines = lines.concat();
    format!(
        "POST /v1/transfers HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}{lines}\r\n"
    )
}

#[tokio::test]
async fn a_body_in_chunks_is_limited_and_one_that_breaks_off_is_refused() {
    let (address, ..) = bridge().await;
    let small = b"[1,2,3]";
    let chunked = "transfer-encoding: chunked\r\n";
    let whole =
        format!("{}3\r\n[1,\r\n4\r\n2,3]\r\n0\r\n\r\n", signed_head(&address, small, chunked));
    let answer = exchange(&address, whole.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

    let large = vec![b'x'; pretend::LONGEST_BODY + 1];
    let mut bytes = signed_head(&address, &large, chunked).into_bytes();
    bytes.extend_from_slice(format!("{:x}\r\n", large.len()).as_bytes());
    bytes.extend_from_slice(&large);
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = exchange(&address, &bytes).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "{answer}");

    let broken = format!("{}nonsense\r\n", signed_head(&address, small, chunked));
    let answer = exchange(&address, broken.as_bytes()).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn nobodys_body_is_read() {
    let (address, ..) = bridge().await;
    // A long body is announced and never sent; the answer does not wait for it.
    let head = format!(
        "POST /v1/transfers HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: 4096\r\n\r\n"
    );
    let answer = exchange(&address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("missing_signature"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let mut keys = Keys::new();
    keys.insert("shop-1", "shop", VerificationKey::hmac_sha256(SECRET).expect("a key"))
        .expect("a key");
    let auth = Authenticator::new(keys, Policy { believes_host: true, ..Policy::default() }, 64);
    let mut headers = http::HeaderMap::new();
    headers.insert("idempotency-key", http::HeaderValue::from_static("never"));
    let signer = Signer::new("shop-1", Key::hmac(SECRET).expect("a key")).expect("a signer");
    signer.sign(&http::Method::POST, "http://h/x", &mut headers, b"{}", 100).expect("signed");
    headers.insert("host", http::HeaderValue::from_static("h"));
    let never = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let mut request = http::Request::new(axum::body::Body::from_stream(never));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/x");
    *request.headers_mut() = headers;
    let error = auth.admit(request, None, 100, 4096).await.expect_err("no body");
    assert_eq!(error, api::auth::AuthError::BodyUnreadable);
    assert!(auth.nonces().is_empty(), "the nonce is not spent");
}
