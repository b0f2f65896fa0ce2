//! Who said it. Whatever a counter says reaches a transfer as [`Words`], and only [`attribute`] makes
//! them: once it has seen that the leg is booked at the counter that speaks (DOMAIN §3 rule 9).
//! [`super::evidence`] believes nothing else.

use super::Transfer;
use crate::message::{CounterId, Finding, Posted, PostingReply, QueryReply, Reply};
use crate::profile::{Meaning, Profile};
use crate::serial::{Role, SubSerial};

/// Characters in a counter's own number of a posting.
const LONGEST_COUNTER_SERIAL: usize = 32;

/// What a leg's own counter says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    role: Role,
    pub(super) said: Said,
}

/// The two ways of speaking about a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// As the answer to the posting.
    Posting(PostingReply),
    /// As the answer to a question about it.
    Query(QueryReply),
}

/// Why what was said is not about a leg of this transfer, or not for the one who said it to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unattributed {
    /// It is about no leg at all.
    #[error("it is about no leg of a transfer")]
    NoLeg,
    /// It is about a leg of another transfer.
    #[error("{0} is a leg of another transfer")]
    OtherTransfer(SubSerial),
    /// The leg is booked at another counter.
    #[error("the {role} {serial} is booked at another counter", role = .0.role, serial = .0)]
    BookedElsewhere(SubSerial),
}

/// Attributes what `speaker` said to a leg of the transfer, if it is the leg's own counter.
pub fn attribute(
    transfer: &Transfer,
    speaker: &CounterId,
    reply: Reply,
) -> Result<Words, Unattributed> {
    let (serial, said) = match reply {
        Reply::Posting(reply) => (reply.serial, Said::Posting(reply)),
        Reply::Query(reply) => (reply.serial, Said::Query(reply)),
        Reply::Balance(_) | Reply::Entries(_) => return Err(Unattributed::NoLeg),
    };
    if serial != transfer.intent.master.leg(serial.role) {
        return Err(Unattributed::OtherTransfer(serial));
    }
    if transfer.place(serial.role).counter != *speaker {
        return Err(Unattributed::BookedElsewhere(serial));
    }
    Ok(Words { role: serial.role, said })
}

/// In what a posting that is claimed for a leg differs from the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The posting is claimed and not shown.
    #[error("does not show it")]
    Missing,
    /// It is on another account.
    #[error("is on another account")]
    Account,
    /// It is of another amount.
    #[error("is of another amount")]
    Amount,
    /// It is in another currency.
    #[error("is in another currency")]
    Currency,
    /// It is on a settle day that the leg was never bound to.
    #[error("is on a settle day that it was never bound to")]
    SettleDay,
    /// It undoes something else, or undoes something where nothing was to be undone.
    #[error("undoes something else")]
    Original,
    /// Its own number at the counter is none.
    #[error("has no number of the counter's own")]
    CounterSerial,
}

impl Words {
    /// The leg that they are about.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The words as they came.
    pub fn into_reply(self) -> Reply {
        match self.said {
            Said::Posting(reply) => Reply::Posting(reply),
            Said::Query(reply) => Reply::Query(reply),
        }
    }

    /// Whether they claim that the leg is posted and yet show no posting that is the leg's. Such a
    /// claim proves nothing, and a person should know of it.
    pub fn mismatch(&self, transfer: &Transfer, profile: &Profile) -> Option<Mismatch> {
        let (claims, posted) = match &self.said {
            Said::Posting(reply) => {
                let claims = match profile.codes.meaning(reply.answer.code) {
                    Meaning::Done | Meaning::Duplicate => true,
                    Meaning::Refused | Meaning::NotExecuted | Meaning::Unknown => false,
                };
                (claims, reply.posted.as_ref())
            }
            Said::Query(reply) => (reply.finding == Finding::Done, reply.posted.as_ref()),
        };
        if claims { compare(transfer, self.role, posted).err() } else { None }
    }
}

/// Compares every field of a posting with what the leg is to be.
pub(super) fn compare(
    transfer: &Transfer,
    role: Role,
    posted: Option<&Posted>,
) -> Result<(), Mismatch> {
    let Some(Posted { counter_serial, settle_day, account, amount, currency, original }) = posted
    else {
        return Err(Mismatch::Missing);
    };
    let undone = match role {
        Role::Debit | Role::Credit => None,
        Role::Reversal => Some(transfer.intent.master.leg(Role::Debit)),
    };
    // Empty where the counter wrote one that cannot be read: that costs only the number.
    let counter_serial = counter_serial.as_received();
    let number_is_one = counter_serial.chars().count() <= LONGEST_COUNTER_SERIAL
        && !counter_serial.chars().any(char::is_control);
    if *account != transfer.place(role).account {
        Err(Mismatch::Account)
    } else if *amount != transfer.intent.order.amount {
        Err(Mismatch::Amount)
    } else if *currency != transfer.intent.order.currency {
        Err(Mismatch::Currency)
    } else if !transfer.may_be_bound_to(role, *settle_day) {
        Err(Mismatch::SettleDay)
    } else if original.is_some() && *original != undone {
        // A counter that does not say what a reversal undid is compared without it.
        Err(Mismatch::Original)
    } else if !number_is_one {
        Err(Mismatch::CounterSerial)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{intent, told};
    use super::super::{Evidence, LegReport, Question, Weight};
    use super::*;
    use crate::message::{AccountId, Answer, AnswerCode};
    use crate::money::Amount;
    use crate::serial::{Day, Sequence};
    use foreign::ForeignText;

    fn counter(name: &str) -> CounterId {
        CounterId::new(name).expect("a counter")
    }

    fn posted(role: Role) -> Posted {
        let posted = told(Evidence::Done, Weight::Answer).posted.expect("a posting");
        let account = Transfer::accepted(intent()).place(role).account.clone();
        let original = (role == Role::Reversal).then(|| intent().master.leg(Role::Debit));
        Posted { account, original, ..posted }
    }

    fn answered(serial: SubSerial, code: u16, posted: Option<Posted>) -> Reply {
        let code = AnswerCode::new(code).expect("a code");
        Reply::Posting(PostingReply {
            serial,
            answer: Answer { code, text: ForeignText::default() },
            posted,
            mark: intent().mark,
        })
    }

    fn found(serial: SubSerial, finding: Finding, posted: Option<Posted>) -> Reply {
        let answer = Answer { code: AnswerCode::DONE, text: ForeignText::default() };
        Reply::Query(QueryReply { serial, finding, answer, posted, mark: intent().mark })
    }

    /// Who may speak about which leg of a transfer from securities to futures.
    #[test]
    fn only_the_counter_of_a_leg_speaks_about_it() {
        let transfer = Transfer::accepted(intent());
        for role in Role::ALL {
            let serial = intent().master.leg(role);
            let own = if role == Role::Credit { "futures" } else { "securities" };
            for speaker in ["securities", "futures", "evil"] {
                for reply in [
                    answered(serial, 200, Some(posted(role))),
                    answered(serial, 402, None),
                    found(serial, Finding::Done, Some(posted(role))),
                    found(serial, Finding::Fenced, None),
                ] {
                    let attributed = attribute(&transfer, &counter(speaker), reply);
                    if speaker == own {
                        assert_eq!(attributed.map(|words| words.role()), Ok(role));
                    } else {
                        assert_eq!(attributed, Err(Unattributed::BookedElsewhere(serial)));
                    }
                }
            }
        }
    }

    /// One counter may be both sides; then the serial's last digit says which leg is meant, and the
    /// posting has to be that leg's.
    #[test]
    fn at_a_counter_that_is_both_sides_the_leg_decides() {
        let mut intent = intent();
        intent.order.to.counter = intent.order.from.counter.clone();
        let transfer = Transfer::accepted(intent.clone());
        for (role, other) in [(Role::Debit, Role::Credit), (Role::Credit, Role::Debit)] {
            let serial = intent.master.leg(role);
            let right = answered(serial, 200, Some(posted(role)));
            let words = attribute(&transfer, &intent.order.from.counter, right).expect("its own");
            assert_eq!(words.mismatch(&transfer, &Profile::default()), None);
            let wrong = answered(serial, 200, Some(posted(other)));
            let words = attribute(&transfer, &intent.order.from.counter, wrong).expect("its own");
            let mismatch = words.mismatch(&transfer, &Profile::default());
            assert_eq!(mismatch, Some(Mismatch::Account));
        }
    }

    #[test]
    fn words_about_another_transfer_or_no_leg_are_not_taken() {
        let transfer = Transfer::accepted(intent());
        let mut other = intent().master;
        other.sequence = Sequence::new(43).expect("a sequence");
        let serial = other.leg(Role::Debit);
        let said = answered(serial, 200, Some(posted(Role::Debit)));
        let refused = Err(Unattributed::OtherTransfer(serial));
        assert_eq!(attribute(&transfer, &counter("securities"), said), refused);
        let answer = Answer { code: AnswerCode::DONE, text: ForeignText::default() };
        let entries = crate::message::EntriesReply { answer, entries: Vec::new(), more: false };
        let said = attribute(&transfer, &counter("securities"), Reply::Entries(entries));
        assert_eq!(said, Err(Unattributed::NoLeg));
    }

    #[test]
    fn every_field_of_a_posting_is_compared() {
        type Change = fn(&mut Posted);
        let transfer = Transfer::accepted(intent());
        let changes: [(Change, Option<Mismatch>); 10] = [
            (|_| {}, None),
            (|it| it.account = AccountId::new("777").expect("one"), Some(Mismatch::Account)),
            (|it| it.amount = Amount::new(99_999).expect("one"), Some(Mismatch::Amount)),
            (|it| it.currency = "USD".parse().expect("one"), Some(Mismatch::Currency)),
            (|it| it.settle_day = Day::new(20_261_122).expect("one"), Some(Mismatch::SettleDay)),
            (|it| it.settle_day = Day::new(20_261_120).expect("one"), Some(Mismatch::SettleDay)),
            (|it| it.original = Some(intent().master.leg(Role::Credit)), Some(Mismatch::Original)),
            (|it| it.counter_serial = ForeignText::default(), None),
            (|it| it.counter_serial = "9".repeat(33).into(), Some(Mismatch::CounterSerial)),
            (|it| it.counter_serial = "a\u{1b}[2J".into(), Some(Mismatch::CounterSerial)),
        ];
        for role in Role::ALL {
            let serial = intent().master.leg(role);
            for (change, expected) in &changes {
                let mut posted = posted(role);
                change(&mut posted);
                for reply in [
                    answered(serial, 200, Some(posted.clone())),
                    answered(serial, 201, Some(posted.clone())),
                    found(serial, Finding::Done, Some(posted.clone())),
                ] {
                    check(&transfer, role, reply, *expected);
                }
            }
            check(&transfer, role, answered(serial, 200, None), Some(Mismatch::Missing));
            check(&transfer, role, found(serial, Finding::Done, None), Some(Mismatch::Missing));
        }
    }

    /// What undoes a debit is not told by every counter; whoever tells it must tell the truth, and
    /// a debit or a credit undoes nothing.
    #[test]
    fn a_reversal_undoes_its_own_debit_and_a_posting_undoes_nothing() {
        let transfer = Transfer::accepted(intent());
        let debit = intent().master.leg(Role::Debit);
        for role in Role::ALL {
            let serial = intent().master.leg(role);
            let untold = Posted { original: None, ..posted(role) };
            check(&transfer, role, answered(serial, 200, Some(untold)), None);
            let undoing = Posted { original: Some(debit), ..posted(role) };
            let expected = (role != Role::Reversal).then_some(Mismatch::Original);
            check(&transfer, role, answered(serial, 200, Some(undoing)), expected);
        }
    }

    #[track_caller]
    fn check(transfer: &Transfer, role: Role, reply: Reply, expected: Option<Mismatch>) {
        let profile = Profile::default();
        let speaker = transfer.place(role).counter.clone();
        let words = attribute(transfer, &speaker, reply).expect("its own leg");
        assert_eq!(words.mismatch(transfer, &profile), expected);
        let told = LegReport::heard(transfer, words, &profile, Question::Look);
        let evidence = if expected.is_none() { Evidence::Done } else { Evidence::Silent };
        assert_eq!(told.evidence, evidence, "{role} {expected:?}");
        assert_eq!(told.posted.is_some(), expected.is_none(), "{role} {expected:?}");
    }
}
