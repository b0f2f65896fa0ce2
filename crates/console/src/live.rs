//! What happens, as the operators' API tells it, in the language of whoever looks: each event is passed on as it comes, with
//! its words in that language. Whatever is not known stays as it came.

use crate::asking::{Caller, Refused};
use crate::words::Words;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::TryStreamExt;
use serde_json::Value;

/// Where the API tells it.
const EVENTS: &str = "/ops/v1/events";

/// What happened to a connection.
const LINK: &str = "link";

/// The names of events that are told in words: of the others there is nothing to be said in a language, and so nothing is
/// taken apart, for each browser anew.
const TOLD_IN_WORDS: [&str; 3] = [LINK, "transfer", "lagged"];

/// The state of a connection that a counter has put an end to, in its own words.
const REJECTED: &str = "held: rejected, a person must act";

/// `GET /events`.
pub(crate) async fn follow(caller: Caller) -> Result<Response, Refused> {
    let words = caller.words;
    let response = caller.open(EVENTS).await?;
    if words == Words::default() || !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // Each event is a piece of its own.
    let told = body.into_data_stream().map_ok(move |piece| said(piece, words));
    Ok(Response::from_parts(parts, Body::from_stream(told)))
}

/// The same with its words in a language. What is no event as the API writes them is passed on as it came.
fn said(piece: Bytes, words: Words) -> Bytes {
    let Ok(text) = std::str::from_utf8(&piece) else { return piece };
    let Some(name) = text.lines().find_map(|line| line.strip_prefix("event: ")) else {
        return piece;
    };
    if !TOLD_IN_WORDS.contains(&name) {
        return piece;
    }
    let line = |line: &str| {
        let data = line.strip_prefix("data: ").and_then(|data| {
            let mut data: Value = serde_json::from_str(data).ok()?;
            let told = match name {
                LINK => of_link(&data, words)?,
                _ => words.say(data.get("text")?.as_str()?),
            };
            *data.get_mut("text")? = told.into();
            Some(format!("data: {data}\n"))
        });
        data.unwrap_or_else(|| line.to_owned())
    };
    text.split_inclusive('\n').map(line).collect::<String>().into()
}

/// What happened to a connection: its counter's name first, and what the counter itself says last.
fn of_link(event: &Value, words: Words) -> Option<String> {
    let text = event.get("text")?.as_str()?;
    let counter = event.get("counter").and_then(Value::as_str);
    let own = counter.and_then(|counter| text.strip_prefix(counter)?.strip_prefix(": "));
    let happened = own.unwrap_or(text);
    let kind = event.pointer("/what/kind").and_then(Value::as_str);
    let told = match kind {
        Some("state" | "notice") => {
            let known = |at: usize| words.knows(&happened[..at]);
            match happened.rmatch_indices(": ").find(|(at, _)| known(*at)) {
                Some((at, mark)) if !words.knows(happened) => {
                    let rest = &happened[at + mark.len()..];
                    let is_ours = kind == Some("state") && &happened[..at] != REJECTED;
                    let rest = if is_ours { words.say(rest) } else { rest.to_owned() };
                    format!("{}：{rest}", words.text(&happened[..at]))
                }
                Some(_) | None => words.say(happened),
            }
        }
        _ => words.say(happened),
    };
    Some(match counter.filter(|_| own.is_some()) {
        Some(counter) => format!("{counter}：{told}"),
        None => told,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, data: &Value) -> Bytes {
        format!("event: {name}\nid: 7\nretry: 1000\ndata: {data}\n\n").into()
    }

    #[test]
    fn an_event_is_told_in_the_language_of_the_page_and_nothing_else_of_it_changes() {
        let link = |kind: &str, text: &str| json!({ "number": 7, "at": 9, "counter": "futures", "what": { "kind": kind }, "text": text });
        for (name, data, chinese) in [
            (
                "transfer",
                json!({ "number": 3, "at": 9, "kind": "database", "transfer": null,
                        "text": "the database does not record: disk full" }),
                "数据库无法记录：disk full",
            ),
            (
                "link",
                link("state", "futures: waiting to try again: nothing heard for 7 s"),
                "futures：等待重试：7 秒没有收到任何内容",
            ),
            ("link", link("state", "futures: signed on"), "futures：已签到"),
            (
                "link",
                link("state", "futures: held: rejected, a person must act: bad key"),
                "futures：被拒的连接：须人工处理：bad key",
            ),
            (
                "link",
                link("standing", "futures: open for postings, settle day 20261121"),
                "futures：可记账，清算日 20261121",
            ),
            (
                "link",
                link("unmatched", "futures: a late answer, about 000000000421"),
                "futures：迟到的应答，关于 000000000421",
            ),
            // Their own words, whatever they sound like.
            (
                "link",
                link("state", "futures: held: rejected, a person must act: signed on"),
                "futures：被拒的连接：须人工处理：signed on",
            ),
            (
                "link",
                link("notice", "futures: warning: the database records again"),
                "futures：警告：the database records again",
            ),
            ("lagged", json!({ "text": "the bridge has started anew" }), "系统已重新启动"),
        ] {
            let told = said(event(name, &data), Words::Zh);
            let mut expected = data;
            expected["text"] = chinese.into();
            assert_eq!(told, event(name, &expected), "{name}");
        }
        for other in [
            event("transfers", &json!({ "text": "signed on" })),
            event("counters", &json!([{ "counter": "futures", "text": "signed on" }])),
            event("transfer", &json!({ "number": 3 })),
            Bytes::from_static(b":\n\n"),
            Bytes::from_static(b"event: link\ndata: {\n\n"),
            Bytes::from_static(b"data: \"signed on\"\n\n"),
            Bytes::from_static(b"\xff"),
        ] {
            assert_eq!(said(other.clone(), Words::Zh), other);
        }
    }
}
