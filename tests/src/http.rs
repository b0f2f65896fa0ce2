//! Requests to what runs on this machine.

use client::way::{self, Authorities};
use reqwest::{Client, ClientBuilder, Response, Url};

/// A builder of clients that ask this machine directly.
pub fn builder() -> ClientBuilder {
    let here = Url::parse("http://127.0.0.1").expect("a URL");
    way::builder(&here, &Authorities::OfTheSystem)
}

/// A client with nothing set.
pub fn client() -> Client {
    builder().build().expect("a client")
}

/// `GET`.
pub async fn get(url: impl reqwest::IntoUrl) -> reqwest::Result<Response> {
    client().get(url).send().await
}
