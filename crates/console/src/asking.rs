//! Whoever asks for a page asks the operators' API through us, in the same process and with the same cookie: what one
//! may see and do is decided there, and nowhere else.

use crate::once::Once;
use crate::words::Words;
use api::server::Visit;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header,
};
use axum::response::Response;
use foreign::ForeignText;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tower::ServiceExt;

/// The longest answer that is read, in bytes: a page of transfers with all that is known of them is far below it.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// What of a request says who asks, from where, by which page, and how far it has followed what happens.
const OF_WHOM: [HeaderName; 7] = [
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-background"),
    HeaderName::from_static("last-event-id"),
];

/// The operators' API, and which forms were sent.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) routes: Router,
    pub(crate) once: Arc<Once>,
}

/// Whoever asks for a page.
pub(crate) struct Caller {
    api: Router,
    /// Which forms were sent that are good for one sending.
    pub(crate) once: Arc<Once>,
    headers: HeaderMap,
    visit: Option<Visit>,
    /// What came with the last answer to a look beside what is sent: by it the API knows, for as long as this page takes,
    /// who asks.
    seen: Mutex<Extensions>,
    /// Whether a page is asked for, and nothing to be done.
    pub(crate) is_look: bool,
    /// What was asked for.
    pub(crate) uri: Uri,
    /// The language of whoever asks.
    pub(crate) words: Words,
}

/// Why a page cannot be shown, or something was not done.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// The last part of the problem's type.
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) detail: ForeignText,
    pub(crate) words: Words,
    /// The address that was asked for, where it is a page's.
    pub(crate) back: Option<String>,
}

/// A problem document, as far as it is shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    r#type: String,
    title: String,
    detail: ForeignText,
}

/// An answer with its headers.
pub(crate) struct Answered {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller, Infallible> {
        let mut headers = HeaderMap::new();
        for name in OF_WHOM {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Caller {
            api: api.routes.clone(),
            once: api.once.clone(),
            headers,
            visit: parts.extensions.get::<Visit>().cloned(),
            seen: Mutex::default(),
            is_look: parts.method == Method::GET,
            uri: parts.uri.clone(),
            words: Words::of(&parts.headers),
        })
    }
}

impl Caller {
    /// Whether the browser says that a page of ours asks. A form of another page needs nobody's leave to be sent, and a
    /// browser always says where it comes from; a program has the API.
    pub(crate) fn is_a_page_of_ours(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        match (site, self.headers.get(header::ORIGIN)) {
            (Some(site), _) => site == b"same-origin",
            // That it is ours, the API holds against the host.
            (None, Some(_)) => true,
            (None, None) => false,
        }
    }

    /// What a cookie says.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
        all.flat_map(|cookies| cookies.split(';')).find_map(|cookie| {
            let (known, value) = cookie.trim().split_once('=')?;
            (known == name).then_some(value)
        })
    }

    /// Whether another site's page led here: a browser shows us none of our cookies then.
    pub(crate) fn is_from_elsewhere(&self) -> bool {
        self.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
    }

    /// The address of the page that was asked for.
    pub(crate) fn address(&self) -> String {
        self.uri.path_and_query().map_or("/", |here| here.as_str()).to_owned()
    }

    /// Asks for something.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        let answered = self.send(Method::GET, path, None).await?;
        self.read(&answered)
    }

    /// Reads what was answered.
    pub(crate) fn read<T: DeserializeOwned>(&self, answered: &Answered) -> Result<T, Refused> {
        serde_json::from_slice(&answered.body).map_err(|error| {
            tracing::error!(%error, "an answer of the operators' API cannot be shown");
            self.refused(StatusCode::INTERNAL_SERVER_ERROR, Document::default())
        })
    }

    /// Asks for something to be done, and takes whatever is answered.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answered, Refused> {
        let mut request = Request::new(match body {
            Some(body) => Body::from(body.to_string()),
            None => Body::empty(),
        });
        *request.headers_mut() = self.headers.clone();
        if method != Method::GET {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        let is_look = method == Method::GET;
        *request.method_mut() = method;
        if is_look {
            request.extensions_mut().clone_from(&self.seen());
        } else {
            // What is done may change who may do what.
            self.seen().clear();
        }
        if let Some(visit) = &self.visit {
            request.extensions_mut().insert(visit.clone());
        }
        let response = self.at(path, request).await?;
        let (mut parts, body) = Response::into_parts(response);
        if is_look {
            *self.seen() = std::mem::take(&mut parts.extensions);
        }
        let Ok(body) = to_bytes(body, LONGEST_ANSWER).await else {
            return Err(self.refused(StatusCode::INTERNAL_SERVER_ERROR, Document::default()));
        };
        if !parts.status.is_success() {
            return Err(
                self.refused(parts.status, serde_json::from_slice(&body).unwrap_or_default())
            );
        }
        Ok(Answered { headers: parts.headers, body: body.into() })
    }

    /// Asks for what goes on for as long as it is read, and hands over whatever is answered.
    pub(crate) async fn open(&self, path: &str) -> Result<Response, Refused> {
        let mut request = Request::new(Body::empty());
        *request.headers_mut() = self.headers.clone();
        if let Some(visit) = &self.visit {
            request.extensions_mut().insert(visit.clone());
        }
        self.at(path, request).await
    }

    async fn at(&self, path: &str, mut request: Request<Body>) -> Result<Response, Refused> {
        let Ok(uri) = path.parse() else {
            return Err(self.refused(StatusCode::NOT_FOUND, Document::default()));
        };
        *request.uri_mut() = uri;
        let Ok(response) = self.api.clone().oneshot(request).await;
        Ok(response)
    }

    // Held for no longer than a moment, and never while something is awaited.
    fn seen(&self) -> MutexGuard<'_, Extensions> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That something is not done.
    fn refused(&self, status: StatusCode, document: Document) -> Refused {
        let Document { r#type, title, detail } = document;
        let slug = r#type.rsplit('/').next().unwrap_or_default().to_owned();
        let title =
            if title.is_empty() { "The bridge cannot answer that now".into() } else { title };
        Refused {
            status,
            slug,
            title,
            detail,
            words: self.words,
            back: self.is_look.then(|| self.address()),
        }
    }

    /// That something is refused here, in words of ours.
    pub(crate) fn refuses(&self, status: StatusCode, title: &'static str) -> Refused {
        self.refused(status, Document { title: title.into(), ..Document::default() })
    }
}

impl Refused {
    /// Whether nobody is signed in who may see this, or somebody who has to change the password first.
    pub(crate) fn is_for_the_door(&self) -> bool {
        ["not_signed_in", "password_to_change"].contains(&self.slug.as_str())
    }

    /// Whether it is not known if what was asked for is done.
    pub(crate) fn is_unclear(&self) -> bool {
        self.slug == "not_confirmed" || self.status.is_server_error()
    }

    /// What it is, in the reader's language; whatever came with it follows as it came.
    pub(crate) fn shown(&self) -> String {
        let title = self.words.say(&self.title);
        if self.detail.is_empty() {
            return title;
        }
        format!("{title}: {}", self.words.say(&self.detail.to_string()))
    }
}
