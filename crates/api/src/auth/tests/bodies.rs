//! How long a body may be: what the head says of it is refused before a byte is read, and what comes
//! is counted.

use super::*;
use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use std::io;

/// What is read of a signed request that may be as long as [`BODY`]: its head says `stated`, and its
/// body comes in these pieces, or never ends if there are none.
async fn admitted(stated: Option<usize>, pieces: &[&[u8]]) -> Result<Bytes, AuthError> {
    let case = Case::signed();
    let pieces: Vec<io::Result<Bytes>> =
        pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = if pieces.is_empty() {
        Body::from_stream(stream::pending::<io::Result<Bytes>>())
    } else {
        Body::from_stream(stream::iter(pieces).boxed())
    };
    let mut request = axum::extract::Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (case.method, case.uri);
    *request.headers_mut() = case.headers;
    if let Some(stated) = stated {
        request.headers_mut().insert("content-length", HeaderValue::from(stated));
    }
    let authenticator =
        Authenticator::new(keys().0, Policy { believes_host: true, ..Policy::default() }, 64);
    authenticator.admit(request, None, NOW_S, BODY.len()).await.map(|admitted| admitted.body)
}

#[tokio::test]
async fn a_body_may_be_as_long_as_is_allowed() {
    let (first, rest) = BODY.split_at(5);
    for stated in [None, Some(BODY.len())] {
        for pieces in [&[BODY][..], &[first, rest]] {
            assert_eq!(admitted(stated, pieces).await, Ok(Bytes::from_static(BODY)), "{stated:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_said_to_be_longer_is_not_waited_for() {
    let too_large = Err(AuthError::BodyTooLarge { limit: BODY.len() });
    for stated in [BODY.len() + 1, BODY.len() + 2, usize::MAX] {
        assert_eq!(admitted(Some(stated), &[]).await, too_large, "{stated}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_turns_out_longer_is_read_no_further() {
    let too_large = Err(AuthError::BodyTooLarge { limit: BODY.len() });
    for pieces in [&[BODY, b" "][..], &[&[BODY, b" "].concat()], &[BODY, b"  ", b"never read"]] {
        assert_eq!(admitted(None, pieces).await, too_large);
    }
}
