//! What is told as it happens, as events and as alarms.

/// What is said around other sentences, and what a shorter sentence would fit too, which are said first: `{~}` for a sentence of ours, `{!}` for words of ours without
/// which it is something else, and `{*}` for others' words to the end of the text; all else as in [`SENTENCES`](super::SENTENCES).
pub(super) const AROUND: &[(&str, &str)] = &[
    ("{~} (and one more before that was only counted)", "{0}（此前另有一次仅计数）"),
    ("{~} (and {} more before that were only counted)", "{0}（此前另有 {1} 次仅计数）"),
    ("{~} ({} more since the last that was told)", "{0}（自上次告知以来另有 {1} 次）"),
    ("{} and {}: {!}", "{0} 与 {1} 裁定：{2}"),
    (
        "{} proposes to readmit {}: another person has to approve it",
        "{0} 提议恢复柜台 {1}：须由另一人批准",
    ),
    ("alarm {} is raised: {!} of {}: {~}", "告警 {0} 发生：{1}（{2}）：{3}"),
    ("alarm {} is raised: {!}: {~}", "告警 {0} 发生：{1}：{2}"),
    ("alarm {} has closed by itself: {~}", "告警 {0} 自动关闭：{1}"),
    ("the database has answered what it took of holds: {~}", "数据库已答复其对暂停的记录：{0}"),
    ("not kept: {~}", "未保存：{0}"),
    (
        "it was to end {=} as {=}, and its money does not add up so: the debit is {=}, the credit is {=}, the reversal is {=}",
        "原将{0}终结为{1}，但其资金不平：出账{2}，入账{3}，冲正{4}",
    ),
];

/// Sentences of events and alarms.
pub(super) const EVENTS: &[(&str, &str)] = &[
    // What persons do.
    ("{} has acknowledged alarm {}: {*}", "{0} 已确认告警 {1}：{2}"),
    ("{} has closed alarm {}: {*}", "{0} 已关闭告警 {1}：{2}"),
    ("{} withdraws what was proposed, {=}", "{0} 撤回提议（{1}）"),
    ("{} rejects what {} proposed, to readmit {}", "{0} 否决 {1} 恢复柜台 {2} 的提议"),
    ("{} rejects what {} proposed, {=}", "{0} 否决 {1} 的提议（{2}）"),
    ("nobody has approved in time what {} proposed, {=}", "{0} 的提议（{1}）逾时无人批准"),
    ("more is known now: what {} proposed, {=}, is void", "情况已有新进展：{0} 的提议（{1}）作废"),
    (
        "it would lead to something else by now: what {} proposed, {=}, is void",
        "现在会有不同的结果：{0} 的提议（{1}）作废",
    ),
    ("all is proven: it ends by itself as {=}", "均已确证：自动终结为{0}"),
    ("{} withdraws the proposal to readmit {}", "{0} 撤回恢复柜台 {1} 的提议"),
    ("{} and {} readmit {}: {}", "{0} 与 {1} 恢复柜台 {2}：{3}"),
    // Counters that are held, drained and let go on.
    ("{} holds {}, which gets no new transfers: {*}", "{0} 暂停 {1}，不再接收新转账：{2}"),
    (
        "{} drains {}, which gets no new transfers and is signed off when nothing needs it: {*}",
        "{0} 排空 {1}，不再接收新转账，无事可做后签退：{2}",
    ),
    ("{} drains {}, which gets no new transfers: {*}", "{0} 排空 {1}，不再接收新转账：{2}"),
    ("{} has released {}: {*}", "{0} 已解除 {1}：{2}"),
    ("{} has {} sign on anew on every connection", "{0} 要求 {1} 在全部连接上重新签到"),
    ("no operator keeps {} from new transfers any more", "已无操作员暂停 {0}"),
    (
        "{} is drained and stays connected until {} open transfers have ended",
        "{0} 正在排空，待 {1} 笔未完成转账终结前保持连接",
    ),
    (
        "{} is drained and comes back for what was decided: {} open transfers need it",
        "{0} 已排空，因裁定而恢复连接：{1} 笔未完成转账需要它",
    ),
    (
        "{} is drained: nothing needs it, and its connections are signed off",
        "{0} 已排空：无事可做，连接已签退",
    ),
    (
        "it is not known whether {}, which is drained, is needed: a part of the bridge does not answer",
        "不知道是否需要已排空的 {0}：系统的一部分没有应答",
    ),
    (
        "the database has not said whether it took what was said last of a counter that operators hold or release: what it has recorded is in force as soon as it answers",
        "数据库没有确认操作员对柜台的最后一次暂停或解除：一旦应答即以其记录为准",
    ),
    (
        "what is recorded of {}'s hold cannot be read ({}): it gets no new transfers until somebody holds, drains or releases it, which mends that",
        "{0} 的暂停记录无法读取（{1}）：有人对其暂停、排空或解除之前，不再接收新转账；这样做即可修复",
    ),
    (
        "it cannot be read which counter a recorded hold is of ({}): no counter that an operator keeps from new transfers is let go on by itself, and the bridge does not start again before the row of table operator_hold is mended",
        "无法读取某条暂停记录属于哪个柜台（{0}）：不自动解除任何人工暂停，且在修复表 `operator_hold` 的该行之前系统不能重新启动",
    ),
    (
        "one more reason for which {} gets no new transfers: {~}",
        "{0} 不再接收新转账的又一原因：{1}",
    ),
    ("{} gets no new transfers: {~}", "{0} 不再接收新转账：{1}"),
    (
        "it says that it has seen the sub serial {}, of the transfer with the sequence {}, and this record has given out none from {} on: the record lacks something, or the counter is mistaken",
        "柜台称见过子流水号 {0}（转账序号 {1}），而本记录自 {2} 起未发出过：账本记录有缺，或柜台有误",
    ),
    (
        "the {=} {} of transfer {}, the third such within an hour: {~}",
        "转账 {2} 的{0} {1}，一小时内第三次：{3}",
    ),
    ("the {=} {} of transfer {}: {~}", "转账 {2} 的{0} {1}：{3}"),
    // What counters say.
    ("{}: it contradicted itself about the {=} (while {=})", "{0}：对{1}的说法前后矛盾（当时{2}）"),
    (
        "{}: the counter claims a posting for the {=} that {=}: it proves nothing",
        "{0}：柜台所称{1}记账{2}，不证明任何事",
    ),
    (
        "{}: the counter repeats itself about the {=}: what more it says unasked is only counted",
        "{0}：柜台反复说及{1}，此后主动所言仅计数",
    ),
    ("{} speaks of what is not its own: {~}", "{0} 说及不属于它的内容：{1}"),
    ("{} is a leg of another transfer", "{0} 是另一笔转账的单边"),
    ("the {=} {} is booked at another counter", "{0} {1} 记在另一柜台"),
    ("{} speaks of {}, which was never issued", "{0} 说及从未发出的 {1}"),
    ("{} speaks of the {=}, but {~}", "{0} 说及{1}，但{2}"),
    ("{} claims a posting for the {=} that {=}", "{0} 所称{1}记账{2}"),
    ("{} says that the {=} is {=}, but the transfer is {=}", "{0} 称{1}{2}，而该转账{3}"),
    ("the transfer is {=}", "该转账{0}"),
    (
        "{} said more about ended transfers than could be compared with the record: {} of its answers were not compared",
        "{0} 就已终结转账所言过多，来不及与账本核对：有 {1} 条应答未核对",
    ),
    ("what {} said of {} was not compared: {~}", "{0} 关于 {1} 所言未核对：{2}"),
    ("transfer {} is open, and not in this process's hands", "转账 {0} 未完成，且不由本进程处理"),
    ("{} says ({=}): {*}", "{0} 通知（{1}）：{2}"),
    ("{} sent something unreadable about {}: {*}", "{0} 发来关于 {1} 的无法解析的内容：{2}"),
    ("{} sent something unreadable: {*}", "{0} 发来无法解析的内容：{1}"),
    (
        "whether the record lacks something of {} shows only in its answers: it says neither at sign-on nor when it is asked how far it has seen our serials ({}). It may have seen none yet",
        "账本记录是否缺少 {0} 的内容，只能从其应答看出：签到和询问时均未说明所见我方流水号到哪里（{1}）。可能尚未见过",
    ),
    // The record, and this software.
    ("{} open transfers are taken up again", "重新接手 {0} 笔未完成转账"),
    ("an open transfer cannot be taken up: {}", "有未完成转账无法接手：{0}"),
    (
        "the record is behind: {} have all seen serials that this record never gave out",
        "账本记录落后：{0} 均见过本记录从未发出的流水号",
    ),
    ("the record is behind: {}", "账本记录落后：{0}"),
    ("the database does not record: {}", "数据库无法记录：{0}"),
    ("the record refused what was to be written: {}", "账本记录拒绝写入：{0}"),
    ("this software failed while it worked on the transfer: {}", "本软件处理该转账时出错：{0}"),
    ("an alarm's row was altered, and cannot be read: {}", "有告警的记录被改动，无法读取：{0}"),
    (
        "what alarms were open cannot be read ({}): the bridge goes on without them, and those that are raised from now on are shown without a number",
        "无法读取此前未关闭的告警（{0}）：系统在没有它们的情况下继续运行，此后发生的告警以无编号形式显示",
    ),
    ("more than {} alarms about single transfers are open", "针对单笔转账的未关闭告警超过 {0} 个"),
    (
        "money in transit does not add up in {}: {} minor units by transfers, less {} paid ahead",
        "{0} 在途资金不平：按转账为 {1} 分，减去先行付出的 {2} 分",
    ),
    ("by their legs {} debited, {} credited, {} returned", "按单边为出账 {0}、入账 {1}、退回 {2}"),
    (
        "{} transfers differ. This software is wrong: run `counter-bridge audit`, and report it",
        "{0} 笔转账说法不一。本软件有错：请运行 `counter-bridge audit` 并报告",
    ),
    // What happens to connections.
    ("open for postings, settle day {}", "可记账，清算日 {0}"),
    ("closed for postings, settle day {}", "不可记账，清算日 {0}"),
    ("a late answer, about {=}", "迟到的应答，关于 {0}"),
    ("an answer that nobody waited for, about {=}", "无人等待的应答，关于 {0}"),
    ("sent something unreadable: {*}", "发来无法解析的内容：{0}"),
    (
        "the {=} in {} of its messages, which is only for people, could not be read",
        "其 {1} 条报文中仅供人看的{0}无法识别",
    ),
    ("somebody at {} was not let in: {~}", "来自 {0} 的来连者被拒：{1}"),
];

/// Words that stand in them, and sentences without any: English, Chinese.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("needs_operator", "待人工处理"),
    ("counter_held", "柜台存疑"),
    ("not_compared", "未能比对"),
    ("record_behind", "账本记录落后"),
    ("too_many", "告警过多"),
    ("it would lead to something else by now", "现在会有不同的结果"),
    ("some events of connections were missed", "遗漏了一些连接事件"),
    ("some events of transfers were missed", "遗漏了一些转账事件"),
    ("the bridge has started anew", "系统已重新启动"),
    ("the database records again", "数据库恢复记录"),
    (
        "it reads them as soon as that can be done: look at the database, and at its table alarm",
        "一旦可读即会读取：请检查数据库及其中的表 `alarm`",
    ),
    ("by itself", "自动"),
    ("by a person's decision", "按人工裁定"),
    ("nothing that moves money is sent", "不发送任何动账指令"),
    ("a person has to settle it", "须由人工处理"),
    ("if it was drained, it signs on until then", "若曾排空，其间会签到"),
    ("and the record is behind", "且账本记录落后"),
    ("nothing has changed", "没有变化"),
    ("its connections stay as they are", "其连接保持不变"),
    ("it is about no leg of a transfer", "它不涉及任何转账的单边"),
    ("does not show it", "未列明"),
    ("is on another account", "在另一账户"),
    ("is of another amount", "金额不同"),
    ("is in another currency", "币种不同"),
    ("is on a settle day that it was never bound to", "清算日从未与其绑定"),
    ("undoes something else", "冲正的是另一笔"),
    ("has no number of the counter's own", "没有柜台自己的流水号"),
    ("posted", "已记账"),
    ("proven never to run", "确证从未执行"),
    ("info", "提示"),
    ("warning", "警告"),
    ("error", "错误"),
    ("something", "某事"),
    ("all else was", "其余均可识别"),
];
