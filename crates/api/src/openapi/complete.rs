//! What holds for every operation of a side, added to what each handler says of itself.

use crate::problem::{Kind, MEDIA_TYPE};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What holds for all of a side.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// For what an operation may be refused, by its id.
    pub refusals: fn(&str) -> Vec<Kind>,
    /// Headers that every answer has.
    pub headers: &'static [&'static str],
    /// How whoever asks is known.
    pub known: Known,
    /// Whom an operation answers, by its id and its first tag.
    pub answers: fn(&str, &str) -> Answers,
}

/// Whom an operation answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Whoever is known.
    Known,
    /// Whoever asks.
    Anybody,
    /// The one or the other, as the bridge is configured.
    AsConfigured,
}

/// How whoever asks is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// An app, by the signature of each request.
    BySignature,
    /// A person by a session, or a program of a person's by a token.
    BySessionOrToken,
}

impl Known {
    /// The headers that a 401 has beyond those of all.
    const fn challenge(self) -> &'static [&'static str] {
        match self {
            Known::BySignature => &["Accept-Signature", "WWW-Authenticate"],
            Known::BySessionOrToken => &["WWW-Authenticate"],
        }
    }

    /// What a request shows: one of the first, with all in it; and what each is.
    fn schemes(self) -> (Value, Value) {
        match self {
            Known::BySignature => (
                json!([{ "signature": [], "signature_input": [] }]),
                json!({
                    "signature": {
                        "type": "apiKey", "in": "header", "name": "Signature",
                        "description": "HTTP Message Signature (RFC 9421): the signature itself",
                    },
                    "signature_input": {
                        "type": "apiKey", "in": "header", "name": "Signature-Input",
                        "description": "HTTP Message Signature (RFC 9421): what is covered, and \
                                        `created`, `expires`, `nonce`, `keyid`",
                    },
                }),
            ),
            Known::BySessionOrToken => (
                json!([{ "token": [] }, { "session": [] }]),
                json!({
                    "token": {
                        "type": "http", "scheme": "bearer",
                        "description": "The token of an operator's program, `cbt_…`",
                    },
                    "session": {
                        "type": "apiKey", "in": "cookie", "name": "__Host-session",
                        "description": "The session of a browser in which an operator is signed in",
                    },
                }),
            ),
        }
    }
}

/// What each header says.
const HEADERS: &[(&str, &str)] = &[
    ("Accept-Signature", "What a signature of such a request has to cover (RFC 9421, section 5.1)"),
    ("Cache-Control", "`no-store`: what is said is of this moment, and for its caller alone"),
    ("Content-Security-Policy", "What a browser may do with the answer"),
    ("Referrer-Policy", "`no-referrer`"),
    ("Retry-After", "When it is worth asking again, in seconds from now"),
    ("WWW-Authenticate", "The scheme by which somebody would be known"),
    ("X-Content-Type-Options", "`nosniff`: it is what its media type says, and nothing else"),
    ("X-Frame-Options", "`DENY`"),
];

/// The headers that a status comes with beyond those of all.
fn headers_of(status: u16, known: Known) -> &'static [&'static str] {
    match status {
        202 | 409 | 429 | 503 => &["Retry-After"],
        401 => known.challenge(),
        _ => &[],
    }
}

/// Adds it.
pub(super) fn complete(document: &mut Value, rules: &Rules) {
    document["servers"] = json!([{ "url": "/", "description": "Where the bridge listens" }]);
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for operation in paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten()) {
        self::operation(operation.1, rules);
    }
    let used = document["paths"].to_string();
    document["components"]["headers"] = HEADERS
        .iter()
        .filter(|(name, _)| used.contains(&reference("headers", name)))
        .map(|(name, about)| {
            let schema = match *name {
                "Retry-After" => json!({ "type": "integer", "minimum": 0 }),
                _ => json!({ "type": "string" }),
            };
            let always = *name != "Retry-After";
            let header = json!({ "description": about, "required": always, "schema": schema });
            ((*name).to_owned(), header)
        })
        .collect();
    let (security, schemes) = rules.known.schemes();
    document["security"] = security;
    document["components"]["securitySchemes"] = schemes;
}

fn operation(operation: &mut Value, rules: &Rules) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in (rules.refusals)(&id) {
        by_status.entry(kind.status.as_u16()).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        add(&mut operation["responses"][status.to_string()], &kinds);
    }
    let responses = operation["responses"].as_object_mut().into_iter().flatten();
    for (status, response) in responses {
        if let Some(location) = response["headers"].get_mut("Location") {
            location["required"] = true.into();
        }
        let own = headers_of(status.parse().unwrap_or_default(), rules.known);
        for name in rules.headers.iter().chain(own) {
            response["headers"][*name] = json!({ "$ref": reference("headers", name) });
        }
    }
    let tag = operation["tags"][0].as_str().unwrap_or_default();
    match (rules.answers)(&id, tag) {
        // As the whole document says.
        Answers::Known => {}
        Answers::Anybody => operation["security"] = json!([]),
        Answers::AsConfigured => {
            let mut any = vec![json!({})];
            any.extend(rules.known.schemes().0.as_array().into_iter().flatten().cloned());
            operation["security"] = any.into();
        }
    }
}

/// Adds all problems that come with one status to what its handler says of it.
fn add(response: &mut Value, kinds: &[Kind]) {
    let types: Vec<String> = kinds.iter().map(|kind| format!("/errors/{}", kind.slug)).collect();
    let told = response["description"].as_str().map(str::to_owned);
    let titles = kinds.iter().map(|kind| format!("`/errors/{}`: {}", kind.slug, kind.title));
    let about: Vec<String> = told.into_iter().chain(titles).collect();
    response["description"] = about.join("\n\n").into();
    response["content"][MEDIA_TYPE] = json!({ "schema": {
        "allOf": [{ "$ref": reference("schemas", "Problem") }],
        "properties": { "type": { "enum": types } },
    }});
}

fn reference(kind: &str, name: &str) -> String {
    format!("#/components/{kind}/{name}")
}
