//! The keyed proof of sign-on: HMAC-SHA256 under a key that both sides hold, over a label for the
//! side that proves, both names, the channel and both nonces, each behind its length, so that no
//! proof can be replayed, reflected or moved to another link.

use crate::conversation::{Nonce, Proof, SignOn};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Which side proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that opened the connection.
    Dialler,
    /// The side that accepted it.
    Acceptor,
}

/// The proof of `side`, over the sign-on and the acceptor's nonce. Keys of any length are taken;
/// configuration asks for at least 32 bytes.
pub fn prove(key: &[u8], side: Side, sign_on: &SignOn, acceptor_nonce: &Nonce) -> Proof {
    mac(key, side, sign_on, acceptor_nonce).finalize().into_bytes().into()
}

/// Whether `proof` is that of `side`, in constant time.
pub fn verify(
    key: &[u8],
    side: Side,
    sign_on: &SignOn,
    acceptor_nonce: &Nonce,
    proof: &Proof,
) -> bool {
    mac(key, side, sign_on, acceptor_nonce).verify_slice(proof).is_ok()
}

/// The bytes that a proof is made over: each of six fields behind its length, which is four bytes,
/// big-endian. The fields are the label of the side, the dialler's name, the acceptor's name, the
/// channel as two bytes, big-endian, the dialler's nonce and the acceptor's nonce.
pub fn input(side: Side, sign_on: &SignOn, acceptor_nonce: &Nonce) -> Vec<u8> {
    let label: &[u8] = match side {
        Side::Dialler => b"counter-bridge sign-on v1 dialler",
        Side::Acceptor => b"counter-bridge sign-on v1 acceptor",
    };
    let fields: [&[u8]; 6] = [
        label,
        sign_on.dialler.as_bytes(),
        sign_on.acceptor.as_bytes(),
        &sign_on.channel.to_be_bytes(),
        &sign_on.nonce,
        acceptor_nonce,
    ];
    let mut input = Vec::new();
    for field in fields {
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(field);
    }
    input
}

fn mac(key: &[u8], side: Side, sign_on: &SignOn, acceptor_nonce: &Nonce) -> Hmac<Sha256> {
    // HMAC takes a key of any length; the error type is there for MACs that do not.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(&input(side, sign_on, acceptor_nonce));
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_on() -> SignOn {
        SignOn {
            version: SignOn::VERSION,
            dialler: "bridge".into(),
            acceptor: "securities".into(),
            channel: 0,
            nonce: [7; 32],
            heartbeat_s: 10,
        }
    }

    #[test]
    fn a_proof_holds_for_its_side_names_channel_nonces_and_key_alone() {
        let key = [1; 32];
        let proof = prove(&key, Side::Dialler, &sign_on(), &[9; 32]);
        assert!(verify(&key, Side::Dialler, &sign_on(), &[9; 32], &proof));
        assert!(!verify(&key, Side::Acceptor, &sign_on(), &[9; 32], &proof), "reflected");
        assert!(!verify(&[2; 32], Side::Dialler, &sign_on(), &[9; 32], &proof));
        assert!(!verify(&key, Side::Dialler, &sign_on(), &[8; 32], &proof), "replayed");
        for other in [
            SignOn { channel: 1, ..sign_on() },
            SignOn { nonce: [8; 32], ..sign_on() },
            SignOn { dialler: "bridges".into(), acceptor: "ecurities".into(), ..sign_on() },
        ] {
            assert!(!verify(&key, Side::Dialler, &other, &[9; 32], &proof), "{other:?}");
        }
    }
}
