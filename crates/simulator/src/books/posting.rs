//! Whether an order is posted, refused, or was here before.

use super::account::Account;
use super::order::Order;
use super::{Books, Fact, Fate, Settled, answer, posting_reply};
use domain::message::{Answer, AnswerCode, EntryKind};

impl Books {
    pub(super) fn post(&mut self, order: Order, at: i64) -> Settled {
        if let Some(told) = self.told_before(&order) {
            return told;
        }
        let serial = order.serial;
        if let Err(refusal) = self.judge(&order) {
            return self.record_refusal(order, refusal, at);
        }
        match self.state(&Fact::Posted(order), at) {
            Ok(line) => Settled {
                line: Some(line),
                ..posting_reply(
                    serial,
                    answer(AnswerCode::DONE, "posted"),
                    self.rows.len().checked_sub(1).map(|row| self.posted(row)),
                )
            },
            Err(why) => posting_reply(
                serial,
                Answer { code: AnswerCode::OUTCOME_UNKNOWN, text: why.to_string().into() },
                None,
            ),
        }
    }

    /// What a serial that has been here is told; `None` for one that may be decided now.
    fn told_before(&self, order: &Order) -> Option<Settled> {
        if self.processing.contains_key(&order.key()) {
            let words = answer(AnswerCode::PROCESSING, "being worked on");
            return Some(posting_reply(order.serial, words, None));
        }
        let conflict = || {
            let words = answer(AnswerCode::SERIAL_CONFLICT, "this serial was used for another");
            posting_reply(order.serial, words, None)
        };
        match self.fates.get(&order.key())? {
            Fate::Fenced(_) => {
                let words = answer(AnswerCode::FENCED, "this serial is fenced");
                Some(posting_reply(order.serial, words, None))
            }
            Fate::Posted(row) if self.posts_again(*row, order) => None,
            Fate::Posted(row) if self.is_repeat(*row, order) => {
                let words = match order.kind {
                    EntryKind::Debit | EntryKind::Credit => {
                        answer(AnswerCode::DUPLICATE, "posted before")
                    }
                    EntryKind::Reversal => answer(AnswerCode::ALREADY_REVERSED, "reversed before"),
                };
                Some(posting_reply(order.serial, words, Some(self.posted(*row))))
            }
            Fate::Posted(_) => Some(conflict()),
            Fate::Refused(refused) if !refused.0.same_content(order) => Some(conflict()),
            Fate::Refused(refused) if self.rules.profile.refusals_stick => {
                Some(posting_reply(order.serial, refused.1.clone(), None))
            }
            Fate::Refused(_) => None,
        }
    }

    /// Whether the order may be posted now.
    fn judge(&self, order: &Order) -> Result<(), Answer> {
        match order.kind {
            EntryKind::Debit => {
                let account = self.judge_posting(order)?;
                if account.withdrawable() < order.amount.minor() {
                    return Err(answer(AnswerCode::INSUFFICIENT_FUNDS, "insufficient funds"));
                }
                Ok(())
            }
            EntryKind::Credit => {
                let account = self.judge_posting(order)?;
                account
                    .after_credit(order.amount)
                    .map(|_| ())
                    .ok_or_else(|| answer(AnswerCode::OVER_LIMIT, "the account would overflow"))
            }
            EntryKind::Reversal => self.judge_reversal(order),
        }
    }

    fn judge_posting(&self, order: &Order) -> Result<&Account, Answer> {
        if !self.rules.open {
            return Err(answer(AnswerCode::CLOSED, "outside service hours"));
        }
        if order.settle_day != self.settle_day {
            return Err(answer(AnswerCode::CLOSED, "that settle day is not open"));
        }
        let account = self.account(&order.account)?;
        if account.frozen {
            return Err(answer(AnswerCode::ACCOUNT_FROZEN, "the account is frozen"));
        }
        if account.currency != order.currency {
            return Err(answer(AnswerCode::WRONG_CURRENCY, "not kept in this currency"));
        }
        let limits = [self.rules.profile.per_transfer_limit, account.limit];
        if limits.into_iter().flatten().any(|limit| order.amount > limit) {
            return Err(answer(AnswerCode::OVER_LIMIT, "over the limit of one posting"));
        }
        Ok(account)
    }

    fn judge_reversal(&self, order: &Order) -> Result<(), Answer> {
        let refused = |text| Err(answer(AnswerCode::REVERSAL_REFUSED, text));
        let Some(serial) = order.original else {
            return refused("names no original");
        };
        if !self.rules.profile.can_reverse {
            return refused("this counter does not reverse");
        }
        let key = (order.settle_day, serial);
        let row = match self.fates.get(&key) {
            Some(Fate::Posted(row)) => &self.rows[*row],
            Some(Fate::Refused(_) | Fate::Fenced(_)) | None => {
                return Err(answer(AnswerCode::ORIGINAL_NOT_FOUND, "no such posting"));
            }
        };
        if order.settle_day != self.settle_day {
            return refused("the original's settle day has ended");
        }
        let account = &self.accounts[row.account];
        match row.kind {
            EntryKind::Debit => {}
            EntryKind::Credit | EntryKind::Reversal => return refused("only a debit is reversed"),
        }
        if account.id != order.account
            || account.currency != order.currency
            || row.amount != order.amount
            || row.mark != order.mark
        {
            return refused("not the account, the amount and the mark of the original");
        }
        if self.undone.contains_key(&key) {
            return refused("reversed before, by another serial");
        }
        if account.after_credit(order.amount).is_none() {
            return refused("the account would overflow");
        }
        Ok(())
    }

    pub(super) fn record_refusal(&mut self, order: Order, refusal: Answer, at: i64) -> Settled {
        let serial = order.serial;
        match self.state(&Fact::Refused(order, refusal.clone()), at) {
            Ok(line) => Settled { line: Some(line), ..posting_reply(serial, refusal, None) },
            Err(why) => posting_reply(
                serial,
                Answer { code: AnswerCode::OUTCOME_UNKNOWN, text: why.to_string().into() },
                None,
            ),
        }
    }

    /// A counter that does not dedupe posts again: that is what its profile warns of. A reversal is
    /// safe even there, for its original is undone once; and what bears another mark is another's.
    fn posts_again(&self, row: usize, order: &Order) -> bool {
        let is_its_own = self.rows[row].mark == order.mark;
        match order.kind {
            EntryKind::Debit | EntryKind::Credit => is_its_own && !self.rules.profile.dedupes,
            EntryKind::Reversal => false,
        }
    }

    fn is_repeat(&self, row: usize, order: &Order) -> bool {
        let row = &self.rows[row];
        let account = &self.accounts[row.account];
        row.kind == order.kind
            && row.original == order.original
            && row.amount == order.amount
            && account.id == order.account
            && account.currency == order.currency
            && row.mark == order.mark
    }
}
