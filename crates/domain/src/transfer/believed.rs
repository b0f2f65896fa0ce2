//! What may be believed of a leg; what it follows from is in [`super::evidence`].

/// What may be believed of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// It was posted.
    Done,
    /// It was refused.
    Refused,
    /// It never ran and never will.
    NotExecuted,
    /// The counter has no trace of it; it may still be on its way.
    NotFound,
    /// Nothing: no answer, an unreadable one, an unlisted code, "processing".
    Silent,
    /// The request, or the question, never left.
    NotSent,
}

impl Evidence {
    /// All kinds.
    pub const ALL: [Evidence; 6] = [
        Evidence::Done,
        Evidence::Refused,
        Evidence::NotExecuted,
        Evidence::NotFound,
        Evidence::Silent,
        Evidence::NotSent,
    ];

    /// Whether it holds whenever it arrives. What is not proof counts only as the outcome of the
    /// request that is awaited now.
    pub fn is_proof(self) -> bool {
        match self {
            Evidence::Done | Evidence::Refused | Evidence::NotExecuted => true,
            Evidence::NotFound | Evidence::Silent | Evidence::NotSent => false,
        }
    }
}
