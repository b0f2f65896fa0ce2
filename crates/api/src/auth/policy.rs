//! What may be configured of the rules.

use super::base::PublicUrl;

/// What may be configured of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where callers find the API: to be set wherever a proxy stands in front, or where they call it
    /// by a name. A signature for another host does not fit.
    pub public_url: Option<PublicUrl>,
    /// Without that, whether `@target-uri` is what the `Host` header says: only where nobody but this
    /// machine can connect. Otherwise it is `http://` and the address at which the request arrived,
    /// for whoever is given a signature for another host could pass it on.
    pub believes_host: bool,
    /// How far a caller's clock may be ahead, in seconds; 60 by default.
    pub clock_skew_s: i64,
    /// The longest time from `created` to `expires`, in seconds; 300 by default.
    pub longest_validity_s: i64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { public_url: None, believes_host: false, clock_skew_s: 60, longest_validity_s: 300 }
    }
}
