//! What the books tell: the fate of a serial, which a fence may decide; balances; entries.

use super::{Books, Fact, Fate, Settled, answer};
use domain::message::{
    Answer, AnswerCode, Balance, BalanceQuery, BalanceReply, EntriesQuery, EntriesReply, Entry,
    Finding, Look, Query, QueryReply, Reply,
};
use domain::serial::Role;

impl Books {
    pub(super) fn answer_query(&mut self, query: &Query, at: i64) -> Settled {
        let key = (query.settle_day, query.serial);
        let told = |finding, answer, posted| Settled {
            reply: Reply::Query(QueryReply {
                serial: query.serial,
                finding,
                answer,
                posted,
                mark: None,
            }),
            line: None,
        };
        if let Some(why) = self.why_unanswerable(query) {
            return told(Finding::Unclear, why, None);
        }
        let fenced = || answer(AnswerCode::FENCED, "fenced: never ran, never will");
        let asked = self.kept(query.mark);
        let bury = match (self.fates.get(&key), query.look) {
            (Some(Fate::Posted(row)), Look::Only | Look::Fence) => {
                let posted = self.posted(*row);
                return told(Finding::Done, answer(AnswerCode::DONE, "posted"), Some(posted));
            }
            (Some(Fate::Fenced(_)), Look::Only | Look::Fence) => {
                return told(Finding::Fenced, fenced(), None);
            }
            // A refusal that does not stick is no promise: a fence makes it one. What is held under
            // another mark is not this one's to bury.
            (Some(Fate::Refused(refused)), Look::Fence)
                if !self.rules.profile.refusals_stick && refused.0.mark == asked =>
            {
                true
            }
            (Some(Fate::Refused(refused)), Look::Only | Look::Fence) => {
                return told(Finding::Refused, refused.1.clone(), None);
            }
            (None, Look::Fence) => self.processing.get(&key).is_none_or(|mark| *mark == asked),
            (None, Look::Only) => false,
        };
        if bury {
            let (settle_day, serial) = (query.settle_day, query.serial);
            let fact = Fact::Fenced { settle_day, serial, mark: asked };
            return match self.state(&fact, at) {
                Ok(line) => Settled { line: Some(line), ..told(Finding::Fenced, fenced(), None) },
                Err(why) => {
                    let text = why.to_string();
                    let words = Answer { code: AnswerCode::OUTCOME_UNKNOWN, text: text.into() };
                    told(Finding::Unclear, words, None)
                }
            };
        }
        if self.processing.contains_key(&key) {
            let words = answer(AnswerCode::PROCESSING, "being worked on");
            told(Finding::Processing, words, None)
        } else {
            // No code says "not found"; one that means "unknown" promises least.
            let words = answer(AnswerCode::OUTCOME_UNKNOWN, "no trace of this serial");
            told(Finding::NotFound, words, None)
        }
    }

    fn why_unanswerable(&self, query: &Query) -> Option<Answer> {
        let profile = &self.rules.profile;
        let age = self.settle_day.unix_days().saturating_sub(query.settle_day.unix_days());
        if !profile.can_query_reversals && query.serial.role == Role::Reversal {
            return Some(answer(AnswerCode::BAD_FORMAT, "reversals are not asked about here"));
        }
        if query.look == Look::Fence && !profile.can_fence {
            return Some(answer(AnswerCode::BAD_FORMAT, "this counter does not fence"));
        }
        if age > u32::from(profile.query_horizon_days) {
            return Some(answer(AnswerCode::OUTCOME_UNKNOWN, "too long ago to be asked about"));
        }
        None
    }

    pub(super) fn balance(&self, query: &BalanceQuery) -> BalanceReply {
        let account = self.account(&query.account).and_then(|account| {
            if account.currency == query.currency {
                Ok(account)
            } else {
                Err(answer(AnswerCode::WRONG_CURRENCY, "not kept in this currency"))
            }
        });
        match account {
            Ok(account) => BalanceReply {
                answer: answer(AnswerCode::DONE, "balance"),
                balance: Some(Balance {
                    account: account.id.clone(),
                    currency: account.currency,
                    available: account.available,
                    withdrawable: account.withdrawable(),
                }),
            },
            Err(answer) => BalanceReply { answer, balance: None },
        }
    }

    pub(super) fn entries(&self, query: &EntriesQuery) -> EntriesReply {
        let refused = |answer| EntriesReply { answer, entries: Vec::new(), more: false };
        if !(1..=EntriesQuery::LONGEST_PAGE).contains(&query.limit) {
            return refused(answer(AnswerCode::BAD_FORMAT, "1 to 500 entries a page"));
        }
        let rows = match &query.account {
            Some(account) => {
                let Some(account) = self.account_index.get(account).copied() else {
                    return refused(answer(AnswerCode::NO_SUCH_ACCOUNT, "no such account"));
                };
                self.pages.get(&(account, query.day))
            }
            None => self.days.get(&query.day),
        };
        let rows = rows.map_or(&[][..], Vec::as_slice);
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX).min(rows.len());
        let end = offset.saturating_add(usize::from(query.limit)).min(rows.len());
        EntriesReply {
            answer: answer(AnswerCode::DONE, "entries"),
            entries: rows[offset..end].iter().map(|row| self.entry(*row)).collect(),
            more: end < rows.len(),
        }
    }

    fn entry(&self, place: usize) -> Entry {
        let row = &self.rows[place];
        Entry {
            kind: row.kind,
            serial: row.serial,
            posted: self.posted(place),
            at_micros: row.at_micros,
            mark: row.mark,
        }
    }
}
