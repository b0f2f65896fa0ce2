//! Requests to what runs on this machine. Every answer is held against the description of the side that
//! gave it: a status, a header or a member that is not described fails the test that saw it.

use client::way::{self, Authorities};
use described::{Answer, Description};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::LazyLock;

/// Of the transfer API.
pub static TRANSFER_API: LazyLock<Description> =
    LazyLock::new(|| Description::new(include_str!("../../docs/openapi.json")));

/// Of the operators' side.
pub static OPERATORS_SIDE: LazyLock<Description> =
    LazyLock::new(|| Description::new(include_str!("../../docs/openapi-operators.json")));

/// A builder of clients that ask this machine directly.
pub fn builder() -> ClientBuilder {
    let here = Url::parse("http://127.0.0.1").expect("a URL");
    way::builder(&here, &Authorities::OfTheSystem)
}

/// A client with nothing set.
pub fn client() -> Client {
    builder().build().expect("a client")
}

/// A client in the name of the operator whose token lies in this file.
pub fn as_operator(token_file: &Path) -> Client {
    let token = std::fs::read_to_string(token_file).expect("a token's file");
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim_end()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer.expect("a token"));
    builder().default_headers(headers).build().expect("a client")
}

/// An answer, whole, as it is described.
#[derive(Debug)]
pub struct Heard {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body's bytes.
    pub body: Vec<u8>,
}

impl Heard {
    /// The body as text.
    pub fn text(self) -> String {
        String::from_utf8(self.body).expect("a text")
    }

    /// The body as JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

/// `GET`.
pub async fn get(url: impl reqwest::IntoUrl) -> reqwest::Result<Heard> {
    send(client().get(url)).await
}

/// `GET` in the name of the operator whose token lies in this file.
pub async fn get_as(token_file: &Path, url: impl reqwest::IntoUrl) -> reqwest::Result<Heard> {
    send(as_operator(token_file).get(url)).await
}

/// Sends a request, and hears the answer to its end.
///
/// # Panics
///
/// If the answer is not as it is described.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Heard> {
    let (client, request) = request.build_split();
    let request = request?;
    let (method, url) = (request.method().clone(), request.url().clone());
    let response = client.execute(request).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let heard = Heard { status, headers, body: response.bytes().await?.to_vec() };
    hold(&method, &url, &heard);
    Ok(heard)
}

/// Holds an answer against the description that has its path: some are of both sides. What is on neither
/// is answered that there is nothing, or is a page.
fn hold(method: &Method, url: &Url, heard: &Heard) {
    let Heard { status, headers, body } = heard;
    let target = url.path();
    let answer = Answer { method, target, status: *status, headers, body };
    let sides = [&*TRANSFER_API, &*OPERATORS_SIDE];
    let is_anywhere = sides.iter().any(|side| side.has(target));
    let differences: Vec<Vec<String>> = sides
        .iter()
        .filter(|side| !is_anywhere || side.has(target))
        .map(|side| side.differences(&answer))
        .collect();
    assert!(
        differences.iter().any(Vec::is_empty),
        "{method} {target} is answered otherwise than described: {differences:?}\n{}",
        String::from_utf8_lossy(body)
    );
}
