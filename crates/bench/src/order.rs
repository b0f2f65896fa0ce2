//! Signed requests as bytes. What the bridge is asked to verify is a real signature over a fresh
//! nonce; it is made here, by hand, so that the load costs little beside what it loads.

use crate::mix::{Ending, Mix};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::Key;
use domain::message::Place;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use supervise::clock::now_s;

/// Signatures are valid for so long, in seconds: the bridge remembers each nonce until then, and a
/// benchmark makes many.
pub(crate) const VALIDITY_S: u64 = 5;

/// How long the bridge is to wait for the end before it answers, in seconds, where nothing else is
/// meant: as long as it does.
pub(crate) const WAIT_S: u8 = 30;

/// The largest amount, in minor units.
const LARGEST: u32 = 100;

/// Where money is taken from and given to.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// Picked by weight.
    pub(crate) from: Vec<Place>,
    pub(crate) to: Vec<Place>,
    /// Holds nothing: a debit is refused.
    pub(crate) empty: Place,
    /// Is not there: a credit is refused, and the debit reversed.
    pub(crate) missing: Place,
    /// How unevenly the accounts are picked; see [`Weights`].
    pub(crate) skew: f64,
}

/// Everything that a request is made of.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    /// `host:port`.
    pub(crate) authority: String,
    pub(crate) keyid: String,
    pub(crate) key: Key,
    pub(crate) accounts: Accounts,
    pub(crate) mix: Mix,
    /// How long the bridge is to wait for the end before it answers, in seconds.
    pub(crate) wait_s: u8,
    /// How long a signature is valid, in seconds; 300 at most.
    pub(crate) validity_s: u64,
}

/// Picks the n-th of several in proportion to 1/n^skew.
#[derive(Debug)]
struct Weights {
    /// Sums of weights so far; empty if all are equal.
    sums: Vec<f64>,
    count: usize,
}

impl Weights {
    fn new(count: usize, skew: f64) -> Weights {
        let mut sums = Vec::new();
        if skew > 0.0 {
            let mut sum = 0.0;
            let mut number = 0.0;
            for _ in 0..count {
                number += 1.0;
                sum += 1.0 / f64::powf(number, skew);
                sums.push(sum);
            }
        }
        Weights { sums, count }
    }

    fn pick(&self, rng: &mut impl Rng) -> usize {
        match self.sums.last() {
            None => rng.random_range(0..self.count),
            Some(total) => {
                let drawn = rng.random_range(0.0..*total);
                self.sums.partition_point(|sum| *sum <= drawn).min(self.count - 1)
            }
        }
    }
}

/// Writes requests, one after another, into the same memory.
pub(crate) struct Clerk {
    orders: Orders,
    rng: SmallRng,
    from: Weights,
    to: Weights,
    body: String,
    base: String,
    params: String,
    request: String,
    /// Requests that were signed before the load began.
    stock: Vec<(String, Ending)>,
}

impl Clerk {
    pub(crate) fn new(orders: Orders, rng: SmallRng) -> Clerk {
        let Accounts { from, to, skew, .. } = &orders.accounts;
        Clerk {
            from: Weights::new(from.len(), *skew),
            to: Weights::new(to.len(), *skew),
            orders,
            rng,
            body: String::new(),
            base: String::new(),
            params: String::new(),
            request: String::new(),
            stock: Vec::new(),
        }
    }

    /// Signs so many requests now, so that they cost nothing later.
    pub(crate) fn stock_up(&mut self, count: usize) {
        self.stock.reserve_exact(count);
        for _ in 0..count {
            let (_, ending) = self.write();
            self.stock.push((self.request.clone(), ending));
        }
    }

    /// The next request, and how its transfer is to end.
    pub(crate) fn next(&mut self) -> (&str, Ending) {
        match self.stock.pop() {
            Some((request, ending)) => {
                self.request = request;
                (&self.request, ending)
            }
            None => self.write(),
        }
    }

    fn write(&mut self) -> (&str, Ending) {
        let Orders { accounts, mix, .. } = &self.orders;
        let ending = mix.draw(&mut self.rng);
        let from = match ending {
            Ending::Refused => &accounts.empty,
            Ending::Completed | Ending::Reversed => &accounts.from[self.from.pick(&mut self.rng)],
        };
        let to = match ending {
            Ending::Reversed => &accounts.missing,
            Ending::Completed | Ending::Refused => &accounts.to[self.to.pick(&mut self.rng)],
        };
        let amount = self.rng.random_range(1..=LARGEST);
        self.body.clear();
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            self.body,
            r#"{{"from":{{"counter":"{}","account":"{}"}},"to":{{"counter":"{}","account":"{}"}},"amount":{amount},"currency":"CNY"}}"#,
            from.counter, from.account, to.counter, to.account
        );
        let (idempotency_key, nonce) = (self.rng.random::<u128>(), self.rng.random::<u128>());
        self.sign(idempotency_key, nonce);
        (&self.request, ending)
    }

    fn sign(&mut self, idempotency_key: u128, nonce: u128) {
        let Orders { authority, keyid, key, wait_s, validity_s, .. } = &self.orders;
        let created = now_s().cast_unsigned();
        let digest = STANDARD.encode(Sha256::digest(self.body.as_bytes()));
        self.params.clear();
        let _ = write!(
            self.params,
            r#"("@method" "@target-uri" "content-digest" "idempotency-key");created={created};expires={};nonce="{nonce:032x}";keyid="{keyid}";alg="{}""#,
            created + validity_s,
            key.algorithm().as_str(),
        );
        self.base.clear();
        let _ = write!(
            self.base,
            "\"@method\": POST\n\"@target-uri\": http://{authority}/v1/transfers\n\
             \"content-digest\": sha-256=:{digest}:\n\"idempotency-key\": {idempotency_key:032x}\n\
             \"@signature-params\": {}",
            self.params
        );
        let signature = STANDARD.encode(key.sign(self.base.as_bytes()));
        self.request.clear();
        let _ = write!(
            self.request,
            "POST /v1/transfers HTTP/1.1\r\nhost: {authority}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\
             content-digest: sha-256=:{digest}:\r\nidempotency-key: {idempotency_key:032x}\r\n\
             prefer: wait={wait_s}\r\nsignature-input: sig={}\r\nsignature: sig=:{signature}:\r\n\r\n{}",
            self.body.len(),
            self.params,
            self.body
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::auth::{Algorithm, Authenticator, Keys, Policy, VerificationKey};
    use axum::body::Body;
    use rand::SeedableRng;

    fn places(counter: &str, accounts: &[&str]) -> Vec<Place> {
        accounts
            .iter()
            .map(|account| Place {
                counter: counter.parse().expect("a counter"),
                account: account.parse().expect("an account"),
            })
            .collect()
    }

    fn orders(key: Key) -> Orders {
        Orders {
            authority: "127.0.0.1:8080".to_owned(),
            keyid: "bench-key".to_owned(),
            key,
            accounts: Accounts {
                from: places("securities", &["6001", "6002"]),
                to: places("futures", &["8001"]),
                empty: places("securities", &["6000"]).remove(0),
                missing: places("futures", &["8404"]).remove(0),
                skew: 0.0,
            },
            mix: Mix::default(),
            wait_s: super::WAIT_S,
            validity_s: super::VALIDITY_S,
        }
    }

    /// What arrives at the bridge, read back by an HTTP parser that is not ours.
    fn arrived(text: &str) -> axum::extract::Request {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("POST /v1/transfers HTTP/1.1"));
        let mut request = axum::http::Request::builder().method("POST").uri("/v1/transfers");
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            request = request.header(name, value);
        }
        request.body(Body::from(body.to_owned())).expect("a request")
    }

    #[tokio::test]
    async fn the_bridge_admits_what_is_signed_here() {
        let secret = [7; 32];
        let private = Key::generate_ed25519();
        let Key::Ed25519(pair) = &private else { panic!("an Ed25519 key") };
        let public = pair.public_pem().expect("a PEM");
        let cases = [
            (Key::hmac(&secret).expect("a key"), Algorithm::HmacSha256, secret.to_vec()),
            (private.clone(), Algorithm::Ed25519, public.into_bytes()),
        ];
        for (key, algorithm, shared) in cases {
            let verification = VerificationKey::read(algorithm, &shared).expect("a key");
            let mut keys = Keys::default();
            let app = std::sync::Arc::from("bench");
            keys.insert("bench-key", &app, verification).expect("a new key");
            let gate =
                Authenticator::new(keys, Policy { believes_host: true, ..Policy::default() }, 1000);
            let mut clerk = Clerk::new(orders(key), SmallRng::seed_from_u64(1));
            clerk.stock_up(2);
            for _ in 0..4 {
                let (request, ending) = clerk.next();
                assert_eq!(ending, Ending::Completed);
                let admitted =
                    gate.admit(arrived(request), None, now_s(), 4096).await.expect("admitted");
                let body: serde_json::Value =
                    serde_json::from_slice(&admitted.body).expect("a body");
                assert_eq!(body["to"]["account"], "8001");
            }
        }
    }

    #[test]
    fn weights_fall_with_rank() {
        let mut rng = SmallRng::seed_from_u64(3);
        let weights = Weights::new(10, 1.0);
        let mut counts = [0_u32; 10];
        for _ in 0..20_000 {
            counts[weights.pick(&mut rng)] += 1;
        }
        // Harmonic: 34 % for the first, 3.4 % for the last.
        assert!((6400..7300).contains(&counts[0]), "{counts:?}");
        assert!((550..820).contains(&counts[9]), "{counts:?}");
    }
}
