//! Errors as people are told of them.

use client::CallError;
use link::TlsError;
use std::error::Error;

/// What went wrong, from what was wanted down to why it was not to be had, in one line.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    let mut all: Vec<String> = Vec::new();
    for cause in error.chain() {
        let said = cause.to_string();
        // Some errors end with the words of their source.
        if !all.last().is_some_and(|before| before.ends_with(&said)) {
            all.push(said);
        }
        if says_all(cause) {
            break;
        }
    }
    all.join(": ")
}

/// Whether what is beneath an error is for programs: it says in words of its own what that says.
fn says_all(error: &(dyn Error + 'static)) -> bool {
    error.is::<CallError>() || error.is::<TlsError>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn what_is_beneath_an_error_that_says_all_is_left_out() {
        let cause = || Some("os error 111, in many words".into());
        let call = CallError::Unreachable { why: "nobody is there".to_owned(), source: cause() };
        let error = Err::<(), _>(call).context("the balance").expect_err("an error");
        assert_eq!(in_one_line(&error), "the balance: no usable answer: nobody is there");
        let tls = TlsError { file: "a.pem".into(), what: "no key".to_owned(), source: cause() };
        assert_eq!(in_one_line(&anyhow::Error::from(tls)), "a.pem: no key");
        assert_eq!(in_one_line(&anyhow!("why").context("what")), "what: why");
        assert_eq!(in_one_line(&anyhow!("why").context("what: why")), "what: why", "said once");
    }
}
