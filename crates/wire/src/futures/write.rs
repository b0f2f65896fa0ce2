//! Messages → packets, written straight into the buffer.

use super::figures::{put_number, put_padded, put_time};
use super::group::{Packet, Written};
use super::items::Item;
use super::words::{AnswerKind, Transaction, Word};
use super::{Origin, encoding_name};
use crate::codec::{EncodeError, Encoding, End, FuturesOptions};
use crate::message::{ANSWER_TEXT_LONGEST, Message, WORDS_LONGEST};
use crate::terms::{self, clip, sayable};
use bytes::BytesMut;
use domain::message::{Answer, Instruction, Reply};
use encoding_rs::GB18030;

/// Appends the message's body.
pub(crate) fn write(
    message: &Message,
    options: &FuturesOptions,
    from: &Origin,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut packet = Packet { out, options };
    sayable(packet.document(message, from))?;
    match options.encoding {
        Encoding::Utf8 => Ok(()),
        // GB18030 says ASCII as ASCII does.
        Encoding::Gb18030 if out[start..].is_ascii() => Ok(()),
        Encoding::Gb18030 => {
            let text = std::str::from_utf8(&out[start..])
                .map_err(|_| EncodeError::Unsayable("the packet is not text".to_owned()))?;
            // Whatever GB18030 lacked would become a character reference.
            let (bytes, ..) = GB18030.encode(text);
            let bytes = bytes.into_owned();
            out.truncate(start);
            out.extend_from_slice(&bytes);
            Ok(())
        }
    }
}

impl Packet<'_> {
    fn document(&mut self, message: &Message, from: &Origin) -> Written {
        self.put("<?xml version=\"1.0\" encoding=\"");
        self.put(encoding_name(self.options.encoding));
        self.put("\"?><Payload version=\"1.0\" timestamp=\"");
        put_time(self.out, from.now_micros, self.options.utc_offset_minutes)?;
        self.put("\"><Header>");
        let (own_role, peer_role) = match from.end {
            End::Bridge => ("bridge", "counter"),
            End::Counter => ("counter", "bridge"),
        };
        self.party("<Sender name=\"", &from.parties.own, own_role)?;
        self.party("<Receiver name=\"", &from.parties.peer, peer_role)?;
        self.put("</Header>");
        self.content(message)?;
        self.put("</Payload>");
        Ok(())
    }

    fn party(&mut self, head: &str, name: &str, role: &str) -> Written {
        terms::name("party", name)?;
        self.put(head);
        self.escaped(name);
        self.put("\" id=\"");
        self.escaped(name);
        self.put("\" role=\"");
        self.put(role);
        self.put("\"/>");
        Ok(())
    }

    fn content(&mut self, message: &Message) -> Written {
        match message {
            Message::Request(id, instruction) => {
                self.instruction(terms::request_id(id.0)?.0, instruction)
            }
            Message::Response(id, reply) => self.reply(terms::request_id(id.0)?.0, reply),
            Message::Heartbeat(heartbeat) => self.request(0, Transaction::Heartbeat, |group| {
                group.number(Item::HeartbeatNumber, heartbeat.number);
                Ok(())
            }),
            Message::HeartbeatAck(ack) => self.ok(AnswerKind::HeartbeatAck, 200, |group| {
                group.number(Item::HeartbeatNumber, ack.number);
                if let Some((settle_day, open)) = ack.counter {
                    group.day(settle_day);
                    group.word(Item::Open, open);
                }
                Ok(())
            }),
            Message::SignOn(it) => self.request(0, Transaction::SignOn, |group| group.sign_on(it)),
            Message::Challenge(challenge) => self.ok(AnswerKind::Challenge, 100, |group| {
                group.token(Item::Nonce, &challenge.nonce);
                group.token(Item::Proof, &challenge.proof);
                Ok(())
            }),
            Message::Answer(answer) => self.request(0, Transaction::SignOnProof, |group| {
                group.token(Item::Proof, &answer.proof);
                group.counter_state(answer.counter.as_ref());
                Ok(())
            }),
            Message::Welcome(welcome) => self.ok(AnswerKind::Welcome, 200, |group| {
                group.number(Item::HeartbeatInterval, welcome.heartbeat_s);
                group.counter_state(welcome.counter.as_ref());
                Ok(())
            }),
            Message::Rejected(rejected) => {
                let text = clip(rejected.text.as_received(), WORDS_LONGEST);
                self.response(0, AnswerKind::Rejected, 401, text, |packet| {
                    packet.group(|group| {
                        group.word(Item::RejectReason, rejected.reason);
                        Ok(())
                    })
                })
            }
            Message::SignOff(sign_off) => self.request(0, Transaction::SignOff, |group| {
                group.text(Item::Text, clip(sign_off.text.as_received(), WORDS_LONGEST));
                Ok(())
            }),
            Message::SignOffAck => self.response(0, AnswerKind::SignOffAck, 200, "", |_| Ok(())),
            Message::Notice(notice) => self.request(0, Transaction::Notice, |group| {
                group.word(Item::Severity, notice.severity);
                group.text(Item::Text, clip(notice.text.as_received(), WORDS_LONGEST));
                Ok(())
            }),
        }
    }

    fn instruction(&mut self, id: u64, instruction: &Instruction) -> Written {
        match instruction {
            Instruction::Debit(it) => self.request(id, Transaction::Debit, |group| {
                group.posting(it);
                Ok(())
            }),
            Instruction::Credit(it) => self.request(id, Transaction::Credit, |group| {
                group.posting(it);
                Ok(())
            }),
            Instruction::Reverse(it) => self.request(id, Transaction::Reverse, |group| {
                group.reversal(it);
                Ok(())
            }),
            Instruction::Query(it) => self.request(id, Transaction::ResultQuery, |group| {
                group.query(it);
                Ok(())
            }),
            Instruction::Balance(query) => {
                self.request(id, Transaction::FundBalanceQuery, |group| {
                    group.text(Item::FundAccount, query.account.as_str());
                    group.currency(query.currency);
                    Ok(())
                })
            }
            Instruction::Entries(query) => self.request(id, Transaction::DayDetailQuery, |group| {
                if let Some(account) = &query.account {
                    group.text(Item::FundAccount, account.as_str());
                }
                group.day(query.day);
                group.number(Item::Offset, query.offset);
                group.number(Item::Limit, terms::page(query.limit.into())?);
                Ok(())
            }),
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) -> Written {
        match reply {
            Reply::Posting(reply) => {
                self.answer(id, AnswerKind::Posting, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.serial(Item::SubSerial, reply.serial);
                        reply.posted.as_ref().map_or(Ok(()), |posted| group.posted(posted))?;
                        group.mark(reply.mark);
                        Ok(())
                    })
                })
            }
            Reply::Query(reply) => {
                self.answer(id, AnswerKind::ResultQuery, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.serial(Item::SubSerial, reply.serial);
                        group.word(Item::Finding, reply.finding);
                        reply.posted.as_ref().map_or(Ok(()), |posted| group.posted(posted))?;
                        group.mark(reply.mark);
                        Ok(())
                    })
                })
            }
            Reply::Balance(reply) => {
                self.answer(id, AnswerKind::FundBalance, &reply.answer, |packet| {
                    let Some(balance) = &reply.balance else { return Ok(()) };
                    packet.group(|group| group.balance(balance))
                })
            }
            Reply::Entries(reply) => {
                terms::check_entries(&reply.entries)?;
                self.answer(id, AnswerKind::DayDetail, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.word(Item::More, reply.more);
                        Ok(())
                    })?;
                    reply.entries.iter().try_for_each(|entry| packet.group(|it| it.entry(entry)))
                })
            }
        }
    }

    fn request(
        &mut self,
        id: u64,
        transaction: Transaction,
        items: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.put("<Request id=\"");
        put_number(self.out, id);
        self.put("\"><");
        self.put(transaction.name());
        self.put(" id=\"1\" code=\"");
        self.put(transaction.code());
        self.put("\" initiator=\"");
        self.put(transaction.initiator());
        self.put("\">");
        self.group(items)?;
        self.put("</");
        self.put(transaction.name());
        self.put("></Request>");
        Ok(())
    }

    /// An answer of the conversation's own, without words.
    fn ok(
        &mut self,
        kind: AnswerKind,
        code: u16,
        items: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.response(0, kind, code, "", |packet| packet.group(items))
    }

    fn answer(
        &mut self,
        id: u64,
        kind: AnswerKind,
        answer: &Answer,
        groups: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        let text = clip(answer.text.as_received(), ANSWER_TEXT_LONGEST);
        self.response(id, kind, answer.code.number(), text, groups)
    }

    fn response(
        &mut self,
        id: u64,
        kind: AnswerKind,
        code: u16,
        text: &str,
        groups: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.put("<Response id=\"");
        put_number(self.out, id);
        self.put("\"><Answer kind=\"");
        self.put(kind.word());
        self.put("\" code=\"");
        put_padded(self.out, code.into(), 3);
        self.put("\" description=\"");
        self.escaped(text);
        self.put("\" requestId=\"");
        put_number(self.out, id);
        self.put("\" messageId=\"1\">");
        groups(self)?;
        self.put("</Answer></Response>");
        Ok(())
    }

    fn group(&mut self, items: impl FnOnce(&mut Packet) -> Written) -> Written {
        self.put("<DataGroup>");
        items(self)?;
        self.put("</DataGroup>");
        Ok(())
    }
}
