//! How much of a request is looked at before it is known who sent it. Each limit is some times
//! what an honest client needs, and small enough that a hostile one costs little.

/// Bytes of `Signature-Input`, all its lines together; an honest one has about 250.
pub const SIGNATURE_INPUT: usize = 4096;
/// Bytes of `Signature`, all its lines together; an Ed25519 one has about 100.
pub const SIGNATURE: usize = 2048;
/// Bytes of `Content-Digest`, all its lines together; sha-256 and sha-512 together have about 160.
pub const CONTENT_DIGEST: usize = 1024;
/// Members of `Content-Digest`.
pub const DIGESTS: usize = 8;
/// Labels in `Signature-Input`: the app's own and those of proxies. Of all of them one is verified.
pub const LABELS: usize = 16;
/// Components that one signature covers.
pub const COMPONENTS: usize = 32;
/// Parameters of one signature.
pub const PARAMETERS: usize = 16;
/// Characters of a nonce: 32 random bytes in hexadecimal fit.
pub const NONCE: usize = 64;
/// Characters of a key's id.
pub const KEYID: usize = 128;
/// Bytes of the signature base, the text that is signed.
pub const SIGNATURE_BASE: usize = 16 * 1024;
