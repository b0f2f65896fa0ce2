#![doc = include_str!("../../FAULTS.md")]

use crate::books::AccountSetting;
use domain::message::{AccountId, AnswerCode};
use domain::money::Amount;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// What goes wrong, and what is special.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// After how many postings a new settle day begins, each time; `None` for never.
    pub cut_over_after: Option<u64>,
    /// Whether debits and credits are refused as outside service hours.
    pub closed: bool,
    /// What is special about some accounts.
    #[serde(rename = "account")]
    pub accounts: Vec<AccountSetting>,
    /// The rules, of which the first that fires decides.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// When something goes wrong, and what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What has to arrive for the rule to match.
    pub on: Vec<Occasion>,
    /// Only orders and questions about this account match; `None` for any.
    pub account: Option<AccountId>,
    /// Only orders of this amount match, in minor units; `None` for any.
    pub amount: Option<Amount>,
    /// How many that match pass first.
    #[serde(default)]
    pub skip: u64,
    /// Of the rest, the first of every so many is met; 1 for each.
    #[serde(default = "one")]
    pub every: u64,
    /// Of those, this share is met, by chance, `0.0..=1.0`; `None` for all.
    pub probability: Option<f64>,
    /// How often the rule fires at most; `None` for without end.
    pub times: Option<u64>,
    /// What is done to what it meets.
    #[serde(rename = "do")]
    pub action: Action,
}

fn one() -> u64 {
    1
}

/// What arrives at a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A debit.
    Debit,
    /// A credit.
    Credit,
    /// A reversal.
    Reversal,
    /// A query that only looks.
    Query,
    /// A query that also fences.
    Fence,
    /// A balance query.
    Balance,
    /// An entries query.
    Entries,
    /// A heartbeat of the bridge.
    Heartbeat,
    /// The first message of a sign-on.
    SignOn,
}

impl Occasion {
    /// Its word in a plan.
    pub const fn as_str(self) -> &'static str {
        match self {
            Occasion::Debit => "debit",
            Occasion::Credit => "credit",
            Occasion::Reversal => "reversal",
            Occasion::Query => "query",
            Occasion::Fence => "fence",
            Occasion::Balance => "balance",
            Occasion::Entries => "entries",
            Occasion::Heartbeat => "heartbeat",
            Occasion::SignOn => "sign_on",
        }
    }
}

/// What to do instead of the right thing; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// As if it had never arrived.
    Drop,
    /// Done, never answered.
    NoAnswer,
    /// Done at once, answered after so many milliseconds.
    LateMs(u64),
    /// Answered twice.
    Twice,
    /// Answered "processing", done after so many milliseconds.
    ProcessingMs(u64),
    /// Arrives only after so many milliseconds.
    OnItsWayMs(u64),
    /// Done, answered 402.
    Contradict,
    /// Done, answered by nonsense.
    Garbage,
    /// Done; half an answer, then the connection closes.
    HalfWrite,
    /// The connection closes, nothing is done.
    CloseBefore,
    /// Done, then the connection closes without an answer.
    CloseAfter,
    /// Done; silence for so many milliseconds, then the answer.
    FreezeMs(u64),
    /// Refused with this code.
    Refuse(AnswerCode),
    /// Not done; all sessions are forgotten.
    ForgetSessions,
    /// Not done; all connections close, nobody listens for so many milliseconds.
    RestartMs(u64),
}

/// Why a plan is none.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("fault plan {path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not TOML, or not of this shape.
    #[error("fault plan, line {line}: {}", .source.message().replace('\n', " "))]
    Toml {
        /// Number of the line, from 1.
        line: usize,
        /// What the parser said.
        source: toml::de::Error,
    },
    /// It is not JSON, or not of this shape; the message names the line.
    #[error("fault plan: {0}")]
    Json(#[from] serde_json::Error),
    /// A rule that cannot be meant.
    #[error("fault plan, rule {rule}: {problem}")]
    Rule {
        /// Number of the rule, from 1.
        rule: usize,
        /// What is wrong with the rule, in words.
        problem: String,
    },
    /// An account that cannot be meant, or a cut-over after no posting.
    #[error("fault plan: {0}")]
    Setting(String),
}

impl FaultPlan {
    /// Reads a file: JSON if its name ends in `.json`, otherwise TOML.
    pub fn read(path: &Path) -> Result<FaultPlan, PlanError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PlanError::Read { path: path.to_owned(), source })?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            FaultPlan::from_json(&text)
        } else {
            FaultPlan::from_toml(&text)
        }
    }

    /// A plan in TOML.
    pub fn from_toml(text: &str) -> Result<FaultPlan, PlanError> {
        let plan: FaultPlan = toml::from_str(text).map_err(|source| {
            let before = source.span().and_then(|span| text.get(..span.start));
            PlanError::Toml { line: 1 + before.unwrap_or_default().matches('\n').count(), source }
        })?;
        plan.checked()
    }

    /// A plan in JSON.
    pub fn from_json(text: &str) -> Result<FaultPlan, PlanError> {
        serde_json::from_str::<FaultPlan>(text)?.checked()
    }

    /// The plan, if every rule can be meant; for plans that were not read from a text.
    pub fn checked(self) -> Result<FaultPlan, PlanError> {
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(problem) = rule.problem() {
                return Err(PlanError::Rule { rule: index + 1, problem });
            }
        }
        if self.cut_over_after == Some(0) {
            return Err(PlanError::Setting("`cut_over_after` must be at least 1".to_owned()));
        }
        for (index, setting) in self.accounts.iter().enumerate() {
            if setting.held < 0 {
                let problem = format!("account {}: `held` must not be negative", setting.id);
                return Err(PlanError::Setting(problem));
            }
            if self.accounts[..index].iter().any(|earlier| earlier.id == setting.id) {
                return Err(PlanError::Setting(format!("account {} is twice here", setting.id)));
            }
        }
        Ok(self)
    }
}

impl Rule {
    fn problem(&self) -> Option<String> {
        if self.on.is_empty() {
            return Some("`on` is empty".to_owned());
        }
        if self.every == 0 {
            return Some("`every` must be at least 1".to_owned());
        }
        if self.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Some("`probability` must be 0.0 to 1.0".to_owned());
        }
        let unfit = self.on.iter().find(|occasion| !self.action.fits(**occasion))?;
        Some(format!("`{}` cannot be done on `{}`", self.action.as_str(), unfit.as_str()))
    }
}

impl Action {
    /// Its word in a plan.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Drop => "drop",
            Action::NoAnswer => "no_answer",
            Action::LateMs(_) => "late_ms",
            Action::Twice => "twice",
            Action::ProcessingMs(_) => "processing_ms",
            Action::OnItsWayMs(_) => "on_its_way_ms",
            Action::Contradict => "contradict",
            Action::Garbage => "garbage",
            Action::HalfWrite => "half_write",
            Action::CloseBefore => "close_before",
            Action::CloseAfter => "close_after",
            Action::FreezeMs(_) => "freeze_ms",
            Action::Refuse(_) => "refuse",
            Action::ForgetSessions => "forget_sessions",
            Action::RestartMs(_) => "restart_ms",
        }
    }

    /// Whether it means anything on this occasion.
    fn fits(self, occasion: Occasion) -> bool {
        match self {
            Action::Drop
            | Action::NoAnswer
            | Action::LateMs(_)
            | Action::Twice
            | Action::Garbage
            | Action::HalfWrite
            | Action::CloseBefore
            | Action::CloseAfter
            | Action::FreezeMs(_)
            | Action::ForgetSessions
            | Action::RestartMs(_) => true,
            Action::ProcessingMs(_) | Action::OnItsWayMs(_) | Action::Contradict => {
                matches!(occasion, Occasion::Debit | Occasion::Credit | Occasion::Reversal)
            }
            Action::Refuse(_) => occasion != Occasion::Heartbeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_this_page_and_its_json_twin_are_plans() {
        let page = include_str!("../../FAULTS.md");
        let example: String = page
            .lines()
            .skip_while(|line| *line != "```toml")
            .skip(1)
            .take_while(|line| *line != "```")
            .map(|line| line.to_owned() + "\n")
            .collect();
        let plan = FaultPlan::from_toml(&example).expect("the example is a plan");
        assert_eq!((plan.accounts.len(), plan.rules.len()), (1, 1));
        let json =
            r#"{"rule":[{"on":["debit"],"do":{"refuse":403}},{"on":["fence"],"do":"drop"}]}"#;
        assert_eq!(FaultPlan::from_json(json).expect("a plan").rules.len(), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, expected) in [
            ("[[rule]]\non = []\ndo = 'drop'", "rule 1: `on` is empty"),
            ("[[rule]]\non = ['debit']\nevery = 0\ndo = 'drop'", "`every` must be at least 1"),
            ("[[rule]]\non = ['debit']\nprobability = 1.5\ndo = 'drop'", "0.0 to 1.0"),
            (
                "[[rule]]\non = ['debit', 'query']\ndo = 'contradict'",
                "`contradict` cannot be done on `query`",
            ),
            (
                "[[rule]]\non = ['heartbeat']\ndo = { refuse = 404 }",
                "`refuse` cannot be done on `heartbeat`",
            ),
            ("[[rule]]\non = ['debit']\ndo = 'explode'", "explode"),
            ("[[rule]]\non = ['debit']\ntypo = 1\ndo = 'drop'", "typo"),
            ("[[rule]]\non = ['debit']\ndo = { refuse = 7 }", "100 to 999"),
            ("cut_over_after = 0", "at least 1"),
            ("[[account]]\nid = 'A'\nheld = -1", "negative"),
            ("[[account]]\nid = 'A'\n[[account]]\nid = 'A'", "twice"),
            ("\nseed", "line 2: "),
        ] {
            let error = FaultPlan::from_toml(text).expect_err(text).to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        }
    }

    /// What a message calls them is what a plan calls them.
    #[test]
    fn every_word_of_a_message_is_one_of_a_plan() {
        let read = |on: &str, action: &str| {
            let text = format!("[[rule]]\non = ['{on}']\ndo = {action}");
            FaultPlan::from_toml(&text).map(|plan| plan.rules[0].clone())
        };
        for on in "debit credit reversal query fence balance entries heartbeat sign_on".split(' ') {
            assert_eq!(read(on, "'drop'").expect("a rule").on[0].as_str(), on);
        }
        for action in
            ["drop no_answer twice contradict garbage half_write close_before close_after \
             forget_sessions"]
            .iter()
            .flat_map(|words| words.split_whitespace())
        {
            let rule = read("debit", &format!("'{action}'")).expect("a rule");
            assert_eq!(rule.action.as_str(), action);
        }
        for action in "late_ms processing_ms on_its_way_ms freeze_ms refuse restart_ms".split(' ') {
            let rule = read("debit", &format!("{{ {action} = 300 }}")).expect("a rule");
            assert_eq!(rule.action.as_str(), action);
        }
    }
}
