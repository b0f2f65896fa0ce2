//! A call that finds the bridge out of reach or busy is sent again: under the same idempotency
//! key, with a signature of its own. Against a peer that answers by a script over real sockets.

use client::{
    Account, CallError, Client, EntryFilter, IdempotencyKey, Key, NewTransfer, Retry, Role, Signer,
    State,
};
use std::{collections::HashSet, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

const TRANSFER: &str = r#"{"master_serial":"2026112100000000042","state":"completed","legs":[],
    "created_at":"2026-11-21T10:00:00Z","updated_at":"2026-11-21T10:00:01Z"}"#;

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

/// Answers one connection after the other by the script (`""`: hangs up without a word), then
/// stops listening and gives back the requests it saw.
async fn peer(script: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in script {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0; 1];
            while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).await.unwrap_or(0) == 1
            {
                request.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&request).into_owned();
            let length: usize =
                header(&head, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            socket.read_exact(&mut body).await.expect("a body");
            seen.push(head);
            socket.write_all(answer.as_bytes()).await.expect("a reader");
        }
        seen
    });
    (url, seen)
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn client(url: &str) -> Client {
    let key = Key::generate_ed25519();
    Client::new(url, Signer::new("app-1", key).expect("a signer")).expect("a client")
}

fn patient(url: &str) -> Client {
    client(url).with_retry(Retry {
        give_up_after: Duration::from_secs(20),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
    })
}

fn order() -> NewTransfer {
    NewTransfer {
        from: Account::new("securities", "6001"),
        to: Account::new("futures", "88"),
        amount: 100_000,
        currency: "CNY".into(),
    }
}

#[tokio::test]
async fn the_same_order_is_sent_until_it_is_answered() {
    let (url, seen) = peer(vec![
        String::new(),
        answer("503 Service Unavailable", "retry-after: 0\r\n", "{}"),
        answer("500 Internal Server Error", "", "oh"),
        answer("201 Created", "location: /v1/transfers/2026112100000000042\r\n", "{not json"),
        answer("201 Created", "location: /v1/transfers/2026112100000000042\r\n", TRANSFER),
    ])
    .await;
    let key = IdempotencyKey::random();
    let posted =
        patient(&url).transfer(&order(), &key, Duration::from_secs(7)).await.expect("an answer");
    assert!(posted.is_final());
    assert_eq!(posted.transfer.state, State::Completed);
    assert_eq!(posted.body, TRANSFER.as_bytes());
    assert_eq!(posted.location.as_deref(), Some("/v1/transfers/2026112100000000042"));

    let seen = seen.await.expect("the peer");
    assert_eq!(seen.len(), 5);
    let of = |name| seen.iter().map(|head| header(head, name)).collect::<HashSet<_>>();
    assert_eq!(of("idempotency-key"), HashSet::from([Some(key.to_string())]));
    assert_eq!(of("prefer"), HashSet::from([Some("wait=7".to_owned())]));
    assert_eq!(of("signature-input").len(), 5, "every try has a nonce of its own");
    assert_eq!(of("content-digest").len(), 1);
}

#[tokio::test]
async fn without_being_asked_to_nothing_is_repeated() {
    let (url, seen) = peer(vec![
        String::new(),
        answer("409 Conflict", "retry-after: 2\r\n", r#"{"type":"/errors/in_progress"}"#),
        answer("202 Accepted", "retry-after: 3\r\n", TRANSFER),
    ])
    .await;
    let (client, key) = (client(&url), IdempotencyKey::random());
    let lost = client.transfer(&order(), &key, Duration::ZERO).await;
    assert!(matches!(lost, Err(CallError::Unreachable { .. })), "{lost:?}");
    let busy = client.transfer(&order(), &key, Duration::ZERO).await;
    let Err(CallError::NotFinished { ask_again_after, problem }) = busy else { panic!("{busy:?}") };
    assert_eq!((ask_again_after, problem.slug()), (Duration::from_secs(2), "in_progress"));
    let open = client.transfer(&order(), &key, Duration::ZERO).await.expect("an answer");
    assert_eq!(open.ask_again_after, Some(Duration::from_secs(3)));
    assert_eq!(seen.await.expect("the peer").len(), 3);

    let gone = client.transfer(&order(), &key, Duration::ZERO).await;
    assert!(matches!(gone, Err(CallError::Unreachable { .. })), "nobody listens: {gone:?}");
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let problem = r#"{"type":"/errors/key_reused","title":"t","status":422,"field":"amount"}"#;
    let (url, seen) = peer(vec![answer("422 Unprocessable Content", "", problem)]).await;
    let refused = patient(&url).transfer(&order(), &IdempotencyKey::random(), Duration::ZERO).await;
    let Err(CallError::Refused(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.slug(), "key_reused");
    assert_eq!(problem.more["field"], "amount");
    assert_eq!(seen.await.expect("the peer").len(), 1);
}

#[tokio::test]
async fn an_open_transfer_is_asked_for_until_it_is_final() {
    let open = TRANSFER.replace("completed", "crediting");
    let (url, seen) = peer(vec![answer("200 OK", "", &open), answer("200 OK", "", TRANSFER)]).await;
    let serial = "2026112100000000042";
    let client = client(&url);
    let ended = client.wait_until_final(serial, Duration::from_secs(9)).await.expect("an answer");
    assert_eq!(ended.state, State::Completed);
    let seen = seen.await.expect("the peer");
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with("GET /v1/transfers/2026112100000000042 HTTP/1.1"));
    let prefer = header(&seen[0], "prefer");
    assert!(prefer.as_deref().is_some_and(|wait| wait != "wait=0"), "{prefer:?}");

    let (url, seen) = peer(vec![answer("200 OK", "", &open)]).await;
    let open = self::client(&url).wait_until_final(serial, Duration::ZERO).await;
    assert_eq!(open.expect("an answer").state, State::Crediting, "patience is at its end");
    assert_eq!(seen.await.expect("the peer").len(), 1);
}

#[tokio::test]
async fn balances_and_entries_are_asked_for_and_read() {
    let (url, seen) = peer(vec![
        answer(
            "200 OK",
            "",
            r#"{"counter":"futures","account":"88","currency":"CNY","available":5,"withdrawable":3}"#,
        ),
        answer(
            "200 OK",
            "",
            r#"{"entries":[{"kind":"credit","sub_serial":"000000000422","original":null,
                "counter_serial":"F7","settle_day":"20261121","account":"88","amount":100000,
                "currency":"CNY","at":"2026-11-21T10:00:00Z"}],"more":true}"#,
        ),
    ])
    .await;
    let client = client(&url);
    let balance = client.balance("futures", "88", Some("CNY")).await.expect("a balance");
    assert_eq!((balance.available, balance.withdrawable), (5, 3));
    let filter =
        EntryFilter { date: Some("2026-11-21".into()), limit: Some(1), ..EntryFilter::default() };
    let entries = client.entries("futures", "88", &filter).await.expect("entries");
    assert!(entries.more);
    assert_eq!(entries.entries[0].kind, Role::Credit);
    let seen = seen.await.expect("the peer");
    assert!(seen[0].starts_with("GET /v1/counters/futures/accounts/88/balance?currency=CNY HTTP"));
    assert!(
        seen[1]
            .starts_with("GET /v1/counters/futures/accounts/88/entries?date=2026-11-21&limit=1 H")
    );
}
