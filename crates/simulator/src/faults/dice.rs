//! Decides when a rule fires. The same seed and the same arrivals give the same decisions.

use super::plan::{Action, Occasion, Rule};
use domain::message::AccountId;
use domain::money::Amount;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The rules of a plan, and how often each was met.
#[derive(Clone, Debug)]
pub struct Dice {
    rules: Vec<Counted>,
    /// A generator whose numbers are fixed for ever by its name, unlike `StdRng`.
    random: Xoshiro256PlusPlus,
}

#[derive(Clone, Debug)]
struct Counted {
    rule: Rule,
    seen: u64,
    fired: u64,
}

impl Dice {
    /// Dice for a plan's rules.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Dice {
        let rules = rules.into_iter().map(|rule| Counted { rule, seen: 0, fired: 0 }).collect();
        Dice { rules, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Whether no rule can ever fire.
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// What goes wrong with this arrival, if anything; `account` and `amount` are what it is
    /// about, where it is about any. Rules behind the one that fires are not
    /// asked and do not count it.
    pub fn throw(
        &mut self,
        occasion: Occasion,
        account: Option<&AccountId>,
        amount: Option<Amount>,
    ) -> Option<Action> {
        for counted in &mut self.rules {
            let rule = &counted.rule;
            let account_fits = rule.account.is_none() || rule.account.as_ref() == account;
            let amount_fits = rule.amount.is_none() || rule.amount == amount;
            if !rule.on.contains(&occasion) || !account_fits || !amount_fits {
                continue;
            }
            counted.seen += 1;
            let behind_skip = counted.seen > rule.skip;
            let nth = behind_skip && (counted.seen - rule.skip - 1).is_multiple_of(rule.every);
            let exhausted = rule.times.is_some_and(|times| counted.fired >= times);
            if !nth || exhausted {
                continue;
            }
            if rule.probability.is_some_and(|share| !self.random.random_bool(share)) {
                continue;
            }
            counted.fired += 1;
            return Some(rule.action);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultPlan;

    fn dice(plan: &str, seed: u64) -> Dice {
        Dice::new(FaultPlan::from_toml(plan).expect("a plan").rules, seed)
    }

    /// One character for each of `count` debits of 5 on account A: `x` fired, `.` passed.
    fn throws(dice: &mut Dice, count: usize) -> String {
        let account = AccountId::new("A").expect("an account");
        let amount = Amount::new(5).expect("an amount");
        (0..count)
            .map(|_| match dice.throw(Occasion::Debit, Some(&account), Some(amount)) {
                Some(_) => 'x',
                None => '.',
            })
            .collect()
    }

    #[test]
    fn rules_count_what_they_match() {
        for (when, expected) in [
            ("", "xxxxxxxxxx"),
            ("skip = 2", "..xxxxxxxx"),
            ("every = 3", "x..x..x..x"),
            ("skip = 1\nevery = 3", ".x..x..x.."),
            ("every = 2\ntimes = 2", "x.x......."),
            ("account = 'B'", ".........."),
            ("account = 'A'\namount = 5", "xxxxxxxxxx"),
            ("amount = 6", ".........."),
            ("probability = 0.0", ".........."),
            ("probability = 1.0", "xxxxxxxxxx"),
        ] {
            let plan = format!("[[rule]]\non = ['debit']\n{when}\ndo = 'drop'");
            assert_eq!(throws(&mut dice(&plan, 1), 10), expected, "{when}");
        }
        let credits = dice("[[rule]]\non = ['credit']\ndo = 'drop'", 1);
        assert_eq!(throws(&mut credits.clone(), 3), "...");
    }

    #[test]
    fn a_seed_fixes_every_decision() {
        let plan = "[[rule]]\non = ['debit']\nprobability = 0.5\ndo = 'drop'";
        let first = throws(&mut dice(plan, 42), 200);
        assert_eq!(throws(&mut dice(plan, 42), 200), first);
        assert_ne!(throws(&mut dice(plan, 43), 200), first);
        assert!((60..140).contains(&first.matches('x').count()), "{first}");
    }

    #[test]
    fn the_first_rule_that_fires_decides() {
        let mut dice = dice(
            "[[rule]]\non = ['query']\ntimes = 1\ndo = 'drop'\n\
             [[rule]]\non = ['query', 'fence']\ndo = 'twice'",
            1,
        );
        assert_eq!(dice.throw(Occasion::Query, None, None), Some(Action::Drop));
        assert_eq!(dice.throw(Occasion::Query, None, None), Some(Action::Twice));
        assert_eq!(dice.throw(Occasion::Fence, None, None), Some(Action::Twice));
        assert_eq!(dice.throw(Occasion::Heartbeat, None, None), None);
    }
}
