//! Messages as they are on the wire, for people.

use domain::message::{CounterId, Posted, Reply};
use port::{Spelled, Spoken};
use wire::codec::{Codec, Parties};
use wire::dialect::Dialect;
use wire::payload::{Payload, RequestId};

/// What stands for a counter's own number that could not be read: nothing of it is kept.
const UNREADABLE: &str = "\u{fffd}";

/// A message between the bridge and a counter, as whichever of the two says it writes it.
pub(crate) fn spelled(
    dialect: &Dialect,
    bridge: &str,
    counter: &CounterId,
    message: Spoken<'_>,
) -> Spelled {
    let (own, peer) = (bridge.to_owned(), counter.as_str().to_owned());
    // The number is the session's own, and does not show.
    let id = RequestId(1);
    let text = match message {
        Spoken::Asked(instruction) => {
            let codec = Codec::new(dialect.clone(), Parties { own, peer });
            codec.spelled(&Payload::Request(id, instruction.clone()))
        }
        Spoken::Answered(reply) => {
            let codec = Codec::new(dialect.clone(), Parties { own: peer, peer: own }).at_counter();
            codec.spelled(&Payload::Response(id, sayable(reply)))
        }
    };
    let dialect = Some(dialect.speech().as_str());
    // What came over this link can be said over it; what another kind of counter once said, by its fields.
    text.map_or_else(|_| message.plainly(), |text| Spelled { dialect, text })
}

/// The same, where the counter's own number could not be read and is none, with a sign that it could not.
fn sayable(reply: &Reply) -> Reply {
    let marked = |posted: &mut Option<Posted>| match posted {
        Some(Posted { counter_serial, .. }) if counter_serial.is_empty() => {
            *counter_serial = UNREADABLE.into();
        }
        Some(_) | None => {}
    };
    let mut reply = reply.clone();
    match &mut reply {
        Reply::Posting(it) => marked(&mut it.posted),
        Reply::Query(it) => marked(&mut it.posted),
        Reply::Balance(_) | Reply::Entries(_) => {}
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::{Answer, AnswerCode, Look, PostingReply, Query};
    use domain::money::{Amount, Currency};
    use domain::serial::{Day, Mark};
    use foreign::ForeignText;
    use wire::dialect::{Details, Speech};

    fn reply(counter_serial: ForeignText) -> Reply {
        Reply::Posting(PostingReply {
            serial: "000000000421".parse().expect("a serial"),
            answer: Answer { code: AnswerCode::DONE, text: "成\u{7}交".into() },
            posted: Some(Posted {
                counter_serial,
                settle_day: Day::new(20_261_121).expect("a day"),
                account: "6001".parse().expect("an account"),
                amount: Amount::new(99_999).expect("an amount"),
                currency: Currency::CNY,
                original: None,
            }),
            mark: Some(Mark(7)),
        })
    }

    #[test]
    fn each_says_it_in_its_own_name_and_what_cannot_be_said_is_shown_by_its_fields() {
        fn say(message: Spoken<'_>) -> Spelled {
            let counter = CounterId::new("far").expect("a name");
            let dialect = Speech::Futures.with(Details::default());
            spelled(&dialect, "bridge", &counter, message)
        }
        let query = domain::message::Instruction::Query(Query {
            serial: "000000000421".parse().expect("a serial"),
            settle_day: Day::new(20_261_121).expect("a day"),
            look: Look::Fence,
            mark: None,
        });
        let asked = say(Spoken::Asked(&query));
        assert_eq!(asked.dialect, Some("futures"));
        assert!(asked.text.contains("<Sender name=\"bridge\" id=\"bridge\" role=\"bridge\"/>"));
        for (number, shown) in [("C1", "content=\"C1\""), ("", "content=\"\u{fffd}\"")] {
            let answered = say(Spoken::Answered(&reply(number.into()))).text;
            assert!(answered.contains("<Sender name=\"far\" id=\"far\" role=\"counter\"/>"));
            assert!(answered.contains("成\u{fffd}交") && answered.contains(shown), "{answered}");
        }
        // Over a link none such arrives.
        let odd = say(Spoken::Answered(&reply("9".repeat(33).as_str().into())));
        assert!(odd.dialect.is_none() && odd.text.contains("settle_day: 20261121"), "{odd:?}");
    }
}
