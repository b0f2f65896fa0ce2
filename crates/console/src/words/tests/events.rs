//! What is told as it happens is held against the catalogue: each place where the coordinator tells something stands here
//! with what it says, and one that is new, or says something else, is missed.

use super::*;

/// A file of the coordinator, how often it tells something or raises an alarm, and what it says, as it stands there; `{}` for
/// what stands in it.
type Told = (&'static str, usize, &'static [&'static str]);

/// What is said by words that are told elsewhere in this list, or are in the catalogue by themselves.
const TOLD: &[Told] = &[
    // What was said of a counter, with how much more was not.
    (
        "accusations.rs",
        2,
        &[
            "{text} (and one more before that was only counted)",
            "{text} (and {many} more before that were only counted)",
        ],
    ),
    // What shards tell, and that a counter repeats itself.
    ("actor.rs", 3, &[]),
    (
        "alarms.rs",
        5,
        &[
            "an alarm's row was altered, and cannot be read: {damage}",
            "what alarms were open cannot be read ({error}): the bridge goes on without them, and those that are raised from now on are shown without a number; it reads them as soon as that can be done: look at the database, and at its table alarm",
            "alarm {number} is raised: {}: {}",
            "{who} has acknowledged alarm {number}: {note}",
            "{who} has closed alarm {number}: {note}",
            "alarm {number} has closed by itself: {note}",
        ],
    ),
    (
        "comparing.rs",
        4,
        &[
            "{speaker} said more about ended transfers than could be compared with the record: {lost} of its answers were not compared",
            "what {speaker} said of {serial} was not compared: {why}",
            "transfer {master} is open, and not in this process's hands",
            "{speaker} speaks of {serial}, which was never issued",
        ],
    ),
    (
        "conserved.rs",
        2,
        &[
            "money in transit does not add up in {currency}: {} minor units by transfers, less {} paid ahead; by their legs {} debited, {} credited, {} returned; {} transfers differ. This software is wrong: run `counter-bridge audit`, and report it",
        ],
    ),
    (
        "draining.rs",
        2,
        &[
            "it is not known whether {id}, which is drained, is needed: a part of the bridge does not answer; its connections stay as they are",
            "{counter} is drained and stays connected until {} open transfers have ended",
            "{counter} is drained and comes back for what was decided: {} open transfers need it",
            "{counter} is drained: nothing needs it, and its connections are signed off",
        ],
    ),
    (
        "inner.rs",
        2,
        &[
            "one more reason for which {counter} gets no new transfers: {why}",
            "{counter} gets no new transfers: {why}",
        ],
    ),
    (
        "on_hold.rs",
        7,
        &[
            "what is recorded of {counter}'s hold cannot be read ({error}): it gets no new transfers until somebody holds, drains or releases it, which mends that; if it was drained, it signs on until then",
            "it cannot be read which counter a recorded hold is of ({error}): no counter that an operator keeps from new transfers is let go on by itself, and the bridge does not start again before the row of table operator_hold is mended",
            "the database has not said whether it took what was said last of a counter that operators hold or release: what it has recorded is in force as soon as it answers",
            "no operator keeps {counter} from new transfers any more",
            "nothing has changed",
            "{who} holds {counter}, which gets no new transfers: {note}",
            "{who} drains {counter}, which gets no new transfers and is signed off when nothing needs it: {note}",
            "{who} has released {counter}: {note}",
            "{who} has {counter} sign on anew on every connection",
        ],
    ),
    (
        "persons.rs",
        5,
        &[
            "{} has claimed it: {}",
            "{who} claims it no longer",
            "{} proposes {}: another person has to approve it",
            "{who} withdraws what was proposed, {word}",
            "{who} rejects what {} proposed, {word}",
            "{} and {who}: {}",
        ],
    ),
    (
        "readmission.rs",
        3,
        &[
            "{who} proposes to readmit {counter}: another person has to approve it",
            "{who} withdraws the proposal to readmit {counter}",
            "{who} rejects what {} proposed, to readmit {counter}",
            "{} and {who} readmit {counter}: {note}",
        ],
    ),
    (
        "recovery.rs",
        3,
        &[
            "{count} open transfers are taken up again",
            "an open transfer cannot be taken up: {error}; a person has to settle it",
        ],
    ),
    ("shard/broken.rs", 3, &[]),
    (
        "shard/happen.rs",
        2,
        &[
            "all is proven: it ends by itself as {}",
            "the counter repeats itself about the {role}: what more it says unasked is only counted",
            "it contradicted itself about the {role} (while {state})",
            "the counter claims a posting for the {role} that {mismatch}: it proves nothing",
        ],
    ),
    (
        "shard/mod.rs",
        1,
        &[
            "the record refused what was to be written: {error}",
            "{speaker} speaks of what is not its own: {why}",
        ],
    ),
    // That an ending does not balance, in the domain's words, and that it waits for a person.
    ("shard/perform.rs", 2, &[]),
    (
        "shard/persons.rs",
        3,
        &[
            "it would lead to something else by now",
            "more is known now: what {who} proposed, {word}, is void",
            "nobody has approved in time what {} proposed, {}",
        ],
    ),
    (
        "watch.rs",
        6,
        &[
            "{counter} says ({severity}): {}",
            "{counter} sent something unreadable{about}: {error}",
            "whether the record lacks something of {counter} shows only in its answers: it says neither at sign-on nor when it is asked how far it has seen our serials ({why}). It may have seen none yet",
            "the record is behind: {why}; nothing that moves money is sent",
            "the database records again",
            "the database does not record: {why}",
        ],
    ),
];

/// What of these has a word of ours last.
const OF_WORDS: [&str; 4] =
    ["by itself as {}", "{} proposes {}: ", "{} and {who}: {}", "what {} proposed, {}"];

/// A file of the coordinator without its tests, each text in one line.
fn source(file: &str) -> String {
    let source = std::fs::read_to_string(folder("../coordinator/src").join(file));
    let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
    let own = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut pieces = own.split("\\\n");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + piece.trim_start())
}

/// How often something is told there.
fn places(source: &str) -> usize {
    let source: String = source.split_whitespace().collect();
    let marks = ["events.record(", "events.record_of(", "events.raise("];
    let told: usize = marks.iter().map(|mark| source.matches(mark).count()).sum();
    told + source.matches("Output::Alarm{kind:").count()
}

#[test]
fn whatever_is_told_as_it_happens_is_known_here() {
    let all = folder("../coordinator/src");
    let mut files = Vec::new();
    for folder in [all.clone(), all.join("shard")] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(&all).expect("it is there").to_str().expect("a name");
                files.push(name.to_owned());
            }
        }
    }
    let known: BTreeMap<&str, usize> =
        TOLD.iter().map(|(file, places, _)| (*file, *places)).collect();
    let telling: BTreeMap<&str, usize> = files
        .iter()
        // How events and alarms are kept, and no occasion for one; and what only tests are made of.
        .filter(|file| !["events.rs", "shard/tests.rs"].contains(&file.as_str()))
        .map(|file| (file.as_str(), places(&source(file))))
        .filter(|(_, places)| *places > 0)
        .collect();
    assert_eq!(
        telling, known,
        "what is told anew belongs into this list, and into words/zh/events.rs"
    );
    for (file, _, said) in TOLD {
        let source = source(file);
        for text in *said {
            assert!(source.contains(text), "{file} does not say {text:?}");
        }
    }
}

/// With names and numbers in their places, and the words of ours that stand there.
#[test]
fn whatever_is_told_as_it_happens_is_said_in_chinese() {
    let of_ours = |name: &str, text: &str, is_last: bool| match name {
        "role" => "debit".to_owned(),
        "state" => "needs_operator".to_owned(),
        "word" => "completed".to_owned(),
        "mismatch" => "is of another amount".to_owned(),
        "severity" => "warning".to_owned(),
        "text" => "1: it contradicted itself about the credit (while crediting)".to_owned(),
        "about" => " about 1".to_owned(),
        "" if text.contains("is raised") => "database".to_owned(),
        "" if is_last && OF_WORDS.iter().any(|part| text.contains(part)) => "refused".to_owned(),
        _ => "1".to_owned(),
    };
    let mut held = 0;
    for (file, text) in
        TOLD.iter().flat_map(|(file, _, said)| said.iter().map(move |text| (file, text)))
    {
        let mut sentence = String::new();
        let mut pieces = text.split('{');
        sentence.push_str(pieces.next().unwrap_or_default());
        let mut pieces = pieces.peekable();
        while let Some(piece) = pieces.next() {
            let (name, rest) = piece.split_once('}').expect("its end");
            sentence.push_str(&of_ours(name, text, pieces.peek().is_none()));
            sentence.push_str(rest);
        }
        // Whose counter it is comes first where it is told.
        if *file == "shard/happen.rs" && !text.starts_with("all ") {
            sentence.insert_str(0, "1: ");
        }
        let left = left_of(&sentence, &[]);
        assert!(left.is_empty(), "{sentence}: {}: {left}", Words::Zh.say(&sentence));
        held += 1;
    }
    assert!(held >= 45, "{held}");
}

#[test]
fn a_sentence_within_a_sentence_is_said_as_alone_and_others_words_stay() {
    for (english, chinese) in [
        (
            "alarm 7 is raised: contradiction of futures: 2026112100000000042: futures: it contradicted itself about the credit (while crediting)",
            "告警 7 发生：前后矛盾（futures）：2026112100000000042：futures：对入账的说法前后矛盾（当时入账中）",
        ),
        (
            "alarm 8 is raised: database: the database does not record: disk full",
            "告警 8 发生：数据库：数据库无法记录：disk full",
        ),
        (
            "alarm 8 has closed by itself: it is over: the database records",
            "告警 8 自动关闭：情况已结束：数据库恢复记录",
        ),
        (
            "2026112100000000042: the credit's outcome could not be established",
            "2026112100000000042：无法确定入账结果",
        ),
        (
            "futures gets no new transfers: the debit 000000000421 of transfer 2026112100000000042: the counter holds this serial under another mark: its posting belongs to another transfer, which this record does not know",
            "futures 不再接收新转账：转账 2026112100000000042 的出账 000000000421：柜台以另一标记持有该流水号：其记账属于本记录不知道的另一笔转账",
        ),
        (
            "futures claims a posting for the credit that is on another account; the transfer is refused (and 3 more before that were only counted)",
            "futures 所称入账记账在另一账户；该转账已拒绝（此前另有 3 次仅计数）",
        ),
        (
            "2026112100000000042: it was to end by itself as completed, and its money does not add up so: the debit is done, the credit is unknown, the reversal is never sent",
            "2026112100000000042：原将自动终结为已完成，但其资金不平：出账已成功，入账未知，冲正从未发出",
        ),
        // Notes and notices are theirs, whatever they sound like.
        ("li has closed alarm 8: nothing has changed", "li 已关闭告警 8：nothing has changed"),
        (
            "futures says (warning): the database records again",
            "futures 通知（警告）：the database records again",
        ),
        ("42: the database records again", "42: the database records again"),
        (
            "futures says (info): lin and wang: completed",
            "futures 通知（提示）：lin and wang: completed",
        ),
        (
            "li has closed alarm 8: call lin and wang: completed",
            "li 已关闭告警 8：call lin and wang: completed",
        ),
        (
            "li has closed alarm 8: rang them; nothing has changed",
            "li 已关闭告警 8：rang them; nothing has changed",
        ),
        ("futures says (warning): slow; posted", "futures 通知（警告）：slow; posted"),
    ] {
        assert_eq!(Words::Zh.say(english), chinese);
        assert_eq!(Words::En.say(english), english);
    }
}
