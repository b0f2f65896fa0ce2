//! What a path names, for handlers.

use crate::problem::{Problem, kind};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// As [`Path`]. A path whose escapes are no text names nothing that there is.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Problem> {
        let named = Path::from_request_parts(parts, state).await;
        let Path(named) =
            named.map_err(|error| Problem::new(kind::NO_SUCH_PATH).detail(error.body_text()))?;
        Ok(Named(named))
    }
}
