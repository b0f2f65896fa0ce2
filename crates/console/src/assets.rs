//! The few files that pages need, embedded.

use axum::http::{HeaderName, HeaderValue, header};

type Asset = ([(HeaderName, HeaderValue); 1], &'static str);

const fn asset(media_type: &'static str, text: &'static str) -> Asset {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], text)
}

pub(crate) const LIVE: &str = include_str!("../assets/live.js");
pub(crate) const STYLE: &str = include_str!("../assets/page.css");

/// `GET /live.js`: keeps a page as the bridge stands.
pub(crate) async fn live() -> Asset {
    asset("text/javascript; charset=utf-8", LIVE)
}

/// `GET /page.css`.
pub(crate) async fn style() -> Asset {
    asset("text/css; charset=utf-8", STYLE)
}

/// `GET /icon.svg`.
pub(crate) async fn icon() -> Asset {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}
