//! The rules, through one [`Case`]: an honest request of [`client::Signer`], which shares no code
//! with this module, and one thing changed in it.

mod bodies;
mod garbage;
mod vectors;

use super::*;
use client::{Key, Parameters, Signer};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

const NOW_S: i64 = 1_800_000_000;
const BODY: &[u8] = br#"{"amount":100000}"#;
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const USUAL: [&str; 4] = ["@method", "@target-uri", "content-digest", "idempotency-key"];

fn hmac_signer(keyid: &str) -> Signer {
    Signer::new(keyid, Key::hmac(SECRET).expect("a key")).expect("a signer")
}

/// `shop` has the HMAC key `shop-1`; `bank` the Ed25519 key `bank-1`, whose signer is given back.
fn keys() -> (Keys, Signer) {
    let key = Key::generate_ed25519();
    let Key::Ed25519(private) = &key else { unreachable!() };
    let public = VerificationKey::ed25519_pem(&private.public_pem().expect("a PEM"));
    let mut keys = Keys::new();
    keys.insert("shop-1", "shop", VerificationKey::hmac_sha256(SECRET).expect("a key"))
        .and_then(|()| keys.insert("bank-1", "bank", public?))
        .expect("keys");
    (keys, Signer::new("bank-1", key).expect("a signer"))
}

/// A request on its way.
struct Case {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Case {
    fn unsigned() -> Case {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
        headers.insert("idempotency-key", HeaderValue::from_static("order-7"));
        headers.insert("content-digest", client::signature::content_digest(BODY).expect("digest"));
        let uri = Uri::from_static("/v1/transfers");
        Case { method: Method::POST, uri, headers, body: BODY.to_vec() }
    }

    fn get(path: &'static str) -> Case {
        let mut case =
            Case { method: Method::GET, uri: Uri::from_static(path), ..Case::unsigned() };
        case.headers.remove("idempotency-key");
        case.headers.remove("content-digest");
        case.body.clear();
        case
    }

    fn signed_as(mut self, signer: &Signer, covered: &[&str], parameters: &Parameters) -> Case {
        let target = format!("http://127.0.0.1:8080{}", self.uri);
        signer
            .sign_as(&self.method, &target, &mut self.headers, covered, parameters)
            .expect("a signature");
        self
    }

    fn signed() -> Case {
        let signer = hmac_signer("shop-1");
        let parameters = signer.parameters(NOW_S);
        Case::unsigned().signed_as(&signer, &USUAL, &parameters)
    }

    /// Signed with other parameters.
    fn with(change: impl FnOnce(&mut Parameters)) -> Case {
        let signer = hmac_signer("shop-1");
        let mut parameters = signer.parameters(NOW_S);
        change(&mut parameters);
        Case::unsigned().signed_as(&signer, &USUAL, &parameters)
    }

    /// Signed, covering something else.
    fn covering(self, covered: &[&str]) -> Case {
        let signer = hmac_signer("shop-1");
        let parameters = signer.parameters(NOW_S);
        self.signed_as(&signer, covered, &parameters)
    }

    /// Changed on its way.
    fn header(mut self, name: &'static str, value: &str) -> Case {
        self.headers.insert(name, value.parse().expect("a value"));
        self
    }

    fn without(mut self, name: &'static str) -> Case {
        self.headers.remove(name);
        self
    }

    fn head(&self) -> Request<'_> {
        let Case { method, uri, headers, .. } = self;
        Request { method, uri, headers, arrived_at: None }
    }

    fn verify(&self, keys: &Keys, nonces: &NonceMemory) -> Result<Verified, AuthError> {
        verify(&self.head(), &self.body, keys, &believing(), NOW_S, nonces)
    }

    /// The app, or the slug of the refusal.
    fn outcome(&self) -> String {
        match self.verify(&keys().0, &NonceMemory::new(64, [])) {
            Ok(verified) => verified.app.to_string(),
            Err(error) => error.kind().slug.to_owned(),
        }
    }
}

/// Nobody but this machine can connect.
fn believing() -> Policy {
    Policy { believes_host: true, ..Policy::default() }
}

/// With room for several nonces in each of its shards, whichever they are drawn.
fn roomy() -> NonceMemory {
    NonceMemory::new(64 * 64, [])
}

#[test]
fn honest_requests_are_let_in() {
    let (keys, bank) = keys();
    let nonces = roomy();
    let verified = Case::signed().verify(&keys, &nonces).expect("let in");
    assert_eq!((&*verified.app, &*verified.keyid), ("shop", "shop-1"));
    let parameters = bank.parameters(NOW_S);
    let case = Case::unsigned().signed_as(&bank, &USUAL, &parameters);
    assert_eq!(&*case.verify(&keys, &nonces).expect("let in").app, "bank");
    assert_eq!(Case::with(|parameters| parameters.alg = None).outcome(), "shop");
}

#[test]
fn whatever_is_changed_on_the_way_is_noticed() {
    let mut other_path = Case::signed();
    other_path.uri = Uri::from_static("/v1/transfers?wait");
    let mut other_method = Case::signed();
    other_method.method = Method::PUT;
    let mut other_body = Case::signed();
    other_body.body.push(b' ');
    let mut no_body = Case::signed();
    no_body.body.clear();
    let mut second_key = Case::signed();
    second_key.headers.append("idempotency-key", HeaderValue::from_static("order-8"));
    let other_digest = client::signature::content_digest(b"{}").expect("a digest");
    for (case, slug) in [
        (other_path, "bad_signature"),
        (other_method, "bad_signature"),
        (other_body, "bad_digest"),
        (no_body, "bad_digest"),
        (second_key, "bad_signature"),
        (Case::signed().header("idempotency-key", "order-8"), "bad_signature"),
        (Case::signed().header("host", "127.0.0.1:8081"), "bad_signature"),
        (
            Case::signed().header("content-digest", other_digest.to_str().expect("text")),
            "bad_signature",
        ),
        (Case::signed().without("content-digest"), "bad_signature"),
        (Case::signed().without("idempotency-key"), "missing_idempotency_key"),
        (Case::signed().header("signature", "sig=:AAAA:"), "bad_signature"),
        (Case::signed().header("signature", "sig=::"), "bad_signature"),
        (Case::signed().header("x-more", "is not covered and may change"), "shop"),
    ] {
        assert_eq!(case.outcome(), slug, "{:?}", case.headers);
    }
}

#[test]
fn too_little_coverage_is_refused() {
    for (covered, slug) in [
        (&["@target-uri", "content-digest", "idempotency-key"][..], "insufficient_coverage"),
        (&["@method", "content-digest", "idempotency-key"], "insufficient_coverage"),
        (&["@method", "@query", "content-digest", "idempotency-key"], "insufficient_coverage"),
        (&["@method", "@target-uri", "content-digest"], "insufficient_coverage"),
        (&["@method", "@target-uri", "idempotency-key"], "insufficient_coverage"),
        (
            &["@method", "@request-target", "content-digest", "idempotency-key"],
            "insufficient_coverage",
        ),
        (&[], "insufficient_coverage"),
        (&["@method", "@path", "content-digest", "idempotency-key"], "shop"),
        (
            &[
                "host",
                "@path",
                "@query",
                "@authority",
                "@scheme",
                "@method",
                "@request-target",
                "idempotency-key",
                "content-digest",
            ],
            "shop",
        ),
    ] {
        assert_eq!(Case::unsigned().covering(covered).outcome(), slug, "{covered:?}");
    }
    let bare = Case::unsigned().without("content-digest");
    assert_eq!(
        bare.covering(&["@method", "@target-uri", "idempotency-key"]).outcome(),
        "missing_digest"
    );
}

#[test]
fn a_request_without_a_body_needs_no_digest_and_a_query_is_covered() {
    for (path, covered, slug) in [
        ("/v1/transfers/1", &["@method", "@path"][..], "shop"),
        ("/v1/transfers/1", &["@method", "@target-uri"], "shop"),
        ("/v1/transfers?state=completed", &["@method", "@target-uri"], "shop"),
        ("/v1/transfers?state=completed", &["@method", "@path", "@query"], "shop"),
        ("/v1/transfers?state=completed", &["@method", "@path"], "insufficient_coverage"),
        ("/v1/transfers?", &["@method", "@path"], "insufficient_coverage"),
    ] {
        assert_eq!(Case::get(path).covering(covered).outcome(), slug, "{path} {covered:?}");
    }
    let mut with_body = Case::get("/v1/transfers").covering(&["@method", "@path"]);
    with_body.body.push(b'x');
    assert_eq!(with_body.outcome(), "missing_digest");
}

#[test]
fn the_window_has_edges() {
    for (created, expires, slug) in [
        (NOW_S, NOW_S + 1, "shop"),
        (NOW_S - 1, NOW_S, "expired_signature"),
        (NOW_S - 299, NOW_S + 1, "shop"),
        (NOW_S - 300, NOW_S + 1, "bad_validity"),
        (NOW_S, NOW_S + 300, "shop"),
        (NOW_S, NOW_S + 301, "bad_validity"),
        (NOW_S + 60, NOW_S + 61, "shop"),
        (NOW_S + 61, NOW_S + 62, "expired_signature"),
        (NOW_S, NOW_S, "bad_validity"),
        (NOW_S + 1, NOW_S, "bad_validity"),
        (-999_999_999_999_999, 999_999_999_999_999, "bad_validity"),
        (999_999_999_999_998, 999_999_999_999_999, "expired_signature"),
        (-999_999_999_999_999, -999_999_999_999_998, "expired_signature"),
    ] {
        let case = Case::with(|parameters| {
            parameters.created_s = Some(created);
            parameters.expires_s = Some(expires);
        });
        assert_eq!(case.outcome(), slug, "{created} {expires}");
    }
}

#[test]
fn parameters_must_be_there_and_agree() {
    type Change = fn(&mut Parameters);
    let cases: [(Change, &str); 11] = [
        (|p| p.created_s = None, "missing_signature_parameter"),
        (|p| p.expires_s = None, "missing_signature_parameter"),
        (|p| p.nonce = None, "missing_signature_parameter"),
        (|p| p.keyid = None, "missing_signature_parameter"),
        (|p| p.keyid = Some("shop-2".into()), "bad_signature"),
        (|p| p.keyid = Some("bank-1".into()), "bad_signature"),
        (|p| p.alg = Some("ed25519".into()), "wrong_algorithm"),
        (|p| p.alg = Some("HMAC-SHA256".into()), "wrong_algorithm"),
        (|p| p.nonce = Some(String::new()), "malformed_signature"),
        (|p| p.nonce = Some("n".repeat(64)), "shop"),
        (|p| p.nonce = Some("n".repeat(65)), "malformed_signature"),
    ];
    for (number, (change, slug)) in cases.into_iter().enumerate() {
        assert_eq!(Case::with(change).outcome(), slug, "case {number}");
    }
    // A public key is not a secret: signing with it as if it were does not help.
    let forged = Case::with(|p| (p.keyid, p.alg) = (Some("bank-1".into()), None));
    assert_eq!(forged.outcome(), "bad_signature");
}

/// Whoever has not proven a key is told the same whether it is registered or not, whatever else is wrong.
#[test]
fn nobody_who_has_proven_nothing_learns_which_keys_there_are() {
    type Change = fn(&mut Parameters);
    let (known, nobody) = (keys().0, Keys::new());
    let stranger = Signer::new("shop-1", Key::hmac(&[9; 32]).expect("a key")).expect("a signer");
    let nonces = roomy();
    let changes: [Change; 9] = [
        |_| (),
        |p| p.alg = None,
        |p| p.alg = Some("ed25519".into()),
        |p| p.keyid = Some("bank-1".into()),
        |p| p.nonce = None,
        |p| p.created_s = None,
        |p| p.expires_s = Some(NOW_S - 5),
        |p| p.expires_s = Some(NOW_S + 9999),
        |p| p.nonce = Some("n".repeat(65)),
    ];
    for covered in [&USUAL[..], &["@method"], &["x-absent"], &[]] {
        for change in changes {
            let mut parameters = stranger.parameters(NOW_S);
            change(&mut parameters);
            // The last one has nothing to cover.
            let mut case = Case::unsigned().header("x-absent", "here");
            case = case.signed_as(&stranger, covered, &parameters).without("x-absent");
            let told =
                |keys: &Keys| case.verify(keys, &nonces).expect_err("a stranger").to_string();
            assert_eq!(told(&known), told(&nobody));
            // Nor by another signature beside it.
            for other in [r#"z=("@method");keyid="shop-1""#, r#"z=("@method");keyid="cdn""#] {
                let inputs = case.headers["signature-input"].to_str().expect("text");
                for inputs in [format!("{inputs}, {other}"), format!("{other}, {inputs}")] {
                    let mut case = Case::unsigned();
                    case.headers.insert("signature-input", inputs.parse().expect("a value"));
                    case = case.header("signature", "sig=:AAAA:, z=:AAAA:");
                    let told =
                        |keys| case.verify(keys, &nonces).expect_err("a stranger").to_string();
                    assert_eq!(told(&known), told(&nobody));
                }
            }
        }
    }
}

/// Where others can connect, whoever was given a signature for somebody else could bring it here.
#[test]
fn a_signature_for_another_host_is_refused_where_others_can_connect() {
    let (keys, _) = keys();
    let signer = hmac_signer("shop-1");
    let verified = |target: &str, host: &str, at: &str, covered: &[&str], policy: &Policy| {
        let mut case = Case::unsigned().header("host", host);
        let parameters = signer.parameters(NOW_S);
        signer
            .sign_as(&case.method, target, &mut case.headers, covered, &parameters)
            .expect("signed");
        let request = Request { arrived_at: at.parse().ok(), ..case.head() };
        let result = verify(&request, &case.body, &keys, policy, NOW_S, &NonceMemory::new(64, []));
        result.map_or_else(|error| error.kind().slug.to_owned(), |caller| caller.app.to_string())
    };
    let by_path = ["@method", "@path", "content-digest", "idempotency-key", "host"];
    let (believing, own) = (believing(), Policy::default());
    for (host, at, at_own_address) in [
        ("10.0.0.7:8080", "10.0.0.7:8080", "shop"),
        ("10.0.0.7", "10.0.0.7:80", "shop"),
        ("10.0.0.7:8080", "[::ffff:10.0.0.7]:8080", "shop"),
        ("[fd00::7]:8080", "[fd00::7]:8080", "shop"),
        ("10.0.0.7:8081", "10.0.0.7:8080", "bad_signature"),
        ("evil.example", "10.0.0.7:80", "bad_signature"),
        ("localhost:8080", "127.0.0.1:8080", "bad_signature"),
        ("10.0.0.7:8080", "", "malformed_authority"),
    ] {
        let target = format!("http://{host}/v1/transfers");
        for covered in [&USUAL[..], &by_path] {
            assert_eq!(verified(&target, host, at, covered, &own), at_own_address, "{host} {at}");
            assert_eq!(verified(&target, host, at, covered, &believing), "shop", "{host} {at}");
        }
    }
    let public = Policy { public_url: "https://pay.example".parse().ok(), ..Policy::default() };
    let target = "https://pay.example/v1/transfers";
    assert_eq!(verified(target, "pay.example:443", "", &by_path, &public), "shop");
    assert_eq!(verified(target, "evil.example", "", &by_path, &public), "bad_signature");
}

/// What operators are told of those who were not let in.
#[test]
fn the_named_key_is_that_of_the_signature_that_decides() {
    let keys = keys().0;
    let named = |input: &str| {
        let case = Case::unsigned().header("signature-input", input);
        verify::named_key(&case.headers, &keys)
    };
    assert_eq!(named(r#"a=();keyid="cdn", b=();keyid="shop-1""#).as_deref(), Some("shop-1"));
    assert_eq!(named(r#"a=();keyid=cdn, b=();keyid="else""#).as_deref(), Some("else"));
    for nothing in ["", "a=(", "a=()", "a=();keyid=1"] {
        assert_eq!(named(nothing), None, "{nothing}");
    }
}

#[test]
fn a_nonce_is_spent_once_per_key_and_only_by_a_good_request() {
    let (keys, bank) = keys();
    let nonces = roomy();
    let good = Case::signed();
    let mut altered = Case {
        method: Method::POST,
        uri: good.uri.clone(),
        headers: good.headers.clone(),
        body: good.body.clone(),
    };
    altered.body[0] = b'[';
    assert_eq!(altered.verify(&keys, &nonces), Err(AuthError::BadDigest("sha-256")));
    let forged = Case::signed().header("signature", "sig=:AAAA:");
    assert!(matches!(forged.verify(&keys, &nonces), Err(AuthError::BadSignature { .. })));
    assert!(nonces.is_empty(), "nothing was let in");

    assert!(good.verify(&keys, &nonces).is_ok());
    assert!(!nonces.is_empty());
    assert_eq!(good.verify(&keys, &nonces), Err(AuthError::ReplayedNonce));
    assert_eq!(altered.verify(&keys, &nonces), Err(AuthError::BadDigest("sha-256")));

    let same = |signer: &Signer| {
        let parameters = Parameters { nonce: Some("same".into()), ..signer.parameters(NOW_S) };
        Case::unsigned().signed_as(signer, &USUAL, &parameters)
    };
    assert!(same(&bank).verify(&keys, &nonces).is_ok());
    assert!(same(&hmac_signer("shop-1")).verify(&keys, &nonces).is_ok(), "another key's nonce");
    assert_eq!(same(&bank).verify(&keys, &nonces), Err(AuthError::ReplayedNonce));
}

/// Once the clock is set back, what expires within the skew and the longest validity is refused, and no
/// more. Nonces of one name meet in one place of the memory.
#[test]
fn a_clock_that_is_set_back_costs_the_longest_validity_and_the_skew() {
    const DAY_S: i64 = 86_400;
    let (keys, nonces) = (keys().0, NonceMemory::new(64, []));
    let verified = |created: i64, now_s: i64| {
        let case = Case::with(|parameters| {
            parameters.created_s = Some(created);
            parameters.expires_s = Some(created + 300);
            parameters.nonce = Some("same".into());
        });
        verify(&case.head(), &case.body, &keys, &believing(), now_s, &nonces).map(drop)
    };
    for day in 1..=2 {
        let ahead = NOW_S + day * DAY_S;
        assert_eq!(verified(ahead, ahead), Ok(()));
    }
    assert_eq!(verified(NOW_S + 60, NOW_S), Err(AuthError::Expired { ago_s: 0 }));
    let later = verified(NOW_S + 61, NOW_S + 1);
    assert_eq!(later, Err(AuthError::ReplayedNonce), "not expired, but two days ahead it was used");
}

#[test]
fn a_full_memory_lets_nobody_in() {
    let (keys, _) = keys();
    let nonces = NonceMemory::new(1, []);
    let refused = (0..10_000).find_map(|_| Case::signed().verify(&keys, &nonces).err());
    let error = refused.expect("it fills up");
    assert_eq!(error.kind().status, http::StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.retry_after_s(), Some(60));
}

#[test]
fn of_several_signatures_the_first_of_a_known_key_decides() {
    let signed = Case::signed();
    let text = |name: &str| signed.headers[name].to_str().expect("text").to_owned();
    let (input, signature) = (text("signature-input"), text("signature"));
    let both = |other_input: &str, other_signature: &str, ours_first: bool| {
        let join = |ours: &str, other: &str| {
            if ours_first { format!("{ours}, {other}") } else { format!("{other}, {ours}") }
        };
        let mut case = Case::signed();
        let set = |headers: &mut HeaderMap, name, value: String| {
            headers.insert(HeaderName::from_static(name), value.parse().expect("a value"));
        };
        set(&mut case.headers, "signature-input", join(&input, other_input));
        set(&mut case.headers, "signature", join(&signature, other_signature));
        case.outcome()
    };
    let of_proxy = r#"proxy=("@method");created=1;keyid="proxy""#;
    for ours_first in [true, false] {
        assert_eq!(both(of_proxy, "proxy=:AAAA:", ours_first), "shop");
        assert_eq!(both("proxy=()", "proxy=:AAAA:", ours_first), "shop", "no keyid");
        for odd in [
            r#"x=("@authority";req "cookie";sf);created=1;keyid="cdn""#,
            "x=1",
            "x=();keyid=cdn",
            r#"p1=(), p2=(), p3=();keyid="cdn", p4=(), p4=()"#,
        ] {
            assert_eq!(both(odd, r#"x="no bytes", p1"#, ours_first), "shop", "{odd}");
        }
        // Their signature may even be missing, since nobody looks at it.
        assert_eq!(both(of_proxy, "else=:AAAA:", ours_first), "shop");
    }
    let of_known_key = r#"old=("@method");created=1;expires=2;nonce="n";keyid="bank-1""#;
    assert_eq!(both(of_known_key, "old=:AAAA:", true), "shop");
    assert_eq!(both(of_known_key, "old=:AAAA:", false), "expired_signature");
    assert_eq!(both(r#"sig=();keyid="proxy""#, "x=:AAAA:", true), "malformed_signature");
    let twice = format!("{input}, {input}");
    let twice = Case::signed().header("signature-input", &twice);
    assert_eq!(twice.outcome(), "malformed_signature", "which of the two nobody can tell");

    let lines = Case::signed();
    let mut lines = lines.header("signature-input", of_proxy).header("signature", "proxy=:AAAA:");
    lines.headers.append("signature-input", input.parse().expect("a value"));
    lines.headers.append("signature", signature.parse().expect("a value"));
    assert_eq!(lines.outcome(), "shop", "the same in several lines");
}

#[test]
fn headers_that_are_absent_broken_or_too_long_are_told_apart() {
    let pad =
        |length: usize, filled: &str| format!("{filled}{}", " ".repeat(length - filled.len()));
    let signed = Case::signed();
    let input = signed.headers["signature-input"].to_str().expect("text").to_owned();
    let signature = signed.headers["signature"].to_str().expect("text").to_owned();
    let padded = |input_length: usize, signature_length: usize| {
        let case = Case::signed();
        case.header("signature-input", &pad(input_length, &input))
            .header("signature", &pad(signature_length, &signature))
    };
    for (case, slug) in [
        (Case::unsigned(), "missing_signature"),
        (Case::signed().without("signature"), "missing_signature"),
        (Case::signed().without("signature-input"), "missing_signature"),
        (Case::signed().header("signature", "other=:AAAA:"), "missing_signature"),
        (Case::signed().header("signature-input", ""), "missing_signature"),
        (Case::signed().header("signature-input", "sig"), "malformed_signature"),
        (Case::signed().header("signature-input", "sig=(((("), "malformed_signature"),
        (Case::signed().header("signature", "sig=oh"), "malformed_signature"),
        (Case::signed().header("signature", "sig=:=:"), "malformed_signature"),
        (padded(limits::SIGNATURE_INPUT, limits::SIGNATURE), "shop"),
        (padded(limits::SIGNATURE_INPUT + 1, limits::SIGNATURE), "malformed_signature"),
        (padded(limits::SIGNATURE_INPUT, limits::SIGNATURE + 1), "malformed_signature"),
        (Case::signed().without("host"), "malformed_authority"),
        (Case::signed().header("host", "a b"), "malformed_authority"),
        (
            Case::unsigned()
                .covering(&["@method", "@path", "idempotency-key", "content-digest", "host"])
                .without("host"),
            "malformed_authority",
        ),
    ] {
        assert_eq!(case.outcome(), slug, "{:?}", case.headers);
    }
    let mut opaque = Case::signed();
    opaque
        .headers
        .insert("signature-input", HeaderValue::from_bytes(b"sig=(\"\xff\")").expect("opaque"));
    assert_eq!(opaque.outcome(), "malformed_signature");
}

#[test]
fn behind_a_proxy_the_public_url_counts() {
    let (keys, _) = keys();
    let signer = hmac_signer("shop-1");
    let policy = Policy {
        public_url: Some("https://pay.example.com/bridge".parse().expect("a URL")),
        ..Policy::default()
    };
    let verified = |target: &str| {
        let mut case = Case::unsigned();
        signer.sign(&case.method, target, &mut case.headers, &case.body, NOW_S).expect("signed");
        verify(&case.head(), &case.body, &keys, &policy, NOW_S, &NonceMemory::new(64, []))
    };
    assert!(verified("https://pay.example.com/bridge/v1/transfers").is_ok());
    let error = verified("http://127.0.0.1:8080/v1/transfers").expect_err("another target");
    assert!(
        error.to_string().contains("https://pay.example.com/bridge/v1/transfers"),
        "the caller is told what is taken for the target: {error}"
    );
}
