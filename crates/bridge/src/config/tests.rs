//! Configurations that are right at every edge, and those that are wrong in every place at once.

mod approval;
mod changes;
mod database;
mod example;
mod keys;
mod metrics;

use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A key of 32 bytes as an editor leaves it.
const KEY: &str = "0123456789abcdef0123456789abcdef\n";

/// Files that exist, with their content.
fn files(path: &Path) -> io::Result<Content> {
    let public = "-----BEGIN PUBLIC KEY-----\n\
                  MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n\
                  -----END PUBLIC KEY-----\n";
    let content: io::Result<Vec<u8>> = match path.to_str() {
        Some("/keys/good" | "/etc/bridge/good" | "good") => Ok(KEY.into()),
        Some("/keys/short") => Ok(vec![b'k'; 31]),
        Some("/keys/32") => Ok(vec![b'k'; 32]),
        Some("/keys/public") => Ok(public.into()),
        Some("/keys/long") => Ok(vec![b'k'; LONGEST_KEY + 1]),
        Some("/keys/holidays" | "holidays.txt") => Ok("2026-10-01 # off\n".into()),
        Some("/keys/most-days") => {
            Ok([b"#".repeat(LONGEST_KEY - 11), b"\n2026-10-01".to_vec()].concat())
        }
        Some("/keys/no-days") => Ok("2026-10-01\n2026-10-32\n".into()),
        Some("/keys/password") => Ok(b"p@ss\n".into()),
        Some(other) if other.starts_with("/keys/good-") || other.ends_with(".next.key") => {
            Ok(format!("{other} {KEY}").into())
        }
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    content.map(Content::from)
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<Mistake>> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::from_text(text, Path::new("/etc/bridge"), variables, &files)
}

fn read(text: &str) -> Result<Config, Vec<Mistake>> {
    read_with(text, &[])
}

/// All mistakes as people see them.
fn told(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mistakes = read_with(text, variables).expect_err(text);
    mistakes.iter().map(|mistake| mistake.shown("b.toml")).collect()
}

/// A counter, with more keys in it.
fn counter(more: &str) -> String {
    format!(
        "[[counter]]\nid = 'c'\ndialect = 'futures'\naddresses = ['127.0.0.1:1']\nkey_file = 'good'\n{more}\n"
    )
}

#[test]
fn every_default_works() {
    let config = read("").expect("nothing is wrong with nothing");
    assert_eq!(config.name, "bridge");
    assert_eq!(config.database.expose_secret(), "sqlite://data/counter-bridge.sqlite");
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.operators.listen.to_string(), "127.0.0.1:8081");
    assert_eq!((config.api.longest_body, config.api.nonces), (16_384, 1_000_000));
    let loopback = api::auth::Policy { believes_host: true, ..api::auth::Policy::default() };
    assert_eq!(config.api.policy, loopback);
    assert_eq!(config.coordinator, coordinator::Config::default());
    assert_eq!(config.drain_budget, Duration::from_secs(20));
    assert!(config.apps.is_empty() && config.counters.is_empty() && config.notes.is_empty());

    let config = read(&counter("")).expect("a counter");
    let [link] = &config.links(&History::default())[..] else { panic!("one link") };
    assert_eq!(link.timers, link::Timers::default());
    assert_eq!(link.bounds, port::Bounds::default());
    assert_eq!(link.profile, domain::profile::Profile::default());
    assert_eq!(link.own_name, "bridge");
    assert!(!link.keys.replace(&KEY.trim_end().as_bytes().to_vec().into()), "it is that key");
}

/// A key, its least and its most value, and where it stands.
const LIMITS: &[(&str, &str, i64, i64)] = &[
    ("[api]", "longest_body", 256, 1_048_576),
    ("[api]", "clock_skew_s", 0, 3600),
    ("[api]", "longest_validity_s", 1, 86_400),
    ("[api]", "nonces", 64, 100_000_000),
    ("[api]", "connections", 8, 1_000_000),
    ("[api]", "connections_per_address", 1, 1_000_000),
    ("[api]", "longest_head", 8192, 1_048_576),
    ("[api]", "head_ms", 100, 600_000),
    ("[api]", "body_ms", 100, 600_000),
    ("[api]", "idle_ms", 100, 86_400_000),
    ("[api]", "unread_ms", 100, 600_000),
    ("[operators]", "connections", 8, 1_000_000),
    ("[operators]", "feeds_per_address", 1, 256),
    ("[coordinator]", "shards", 1, 256),
    ("[coordinator]", "transfer_deadline_s", 1, 86_400),
    ("[coordinator]", "posting_deadline_ms", 1, 600_000),
    ("[coordinator]", "query_deadline_ms", 1, 600_000),
    ("[coordinator]", "patience", 1, 10_000),
    ("[coordinator]\nlongest_pause_ms = 60000", "first_pause_ms", 1, 60_000),
    ("[coordinator]\nfirst_pause_ms = 1", "longest_pause_ms", 1, 3_600_000),
    ("[coordinator]", "parked_pause_s", 1, 86_400),
    ("[coordinator]", "most_callers", 1, 1_000_000),
    ("[coordinator]", "most_open", 1, 10_000_000),
    ("[coordinator]", "serial_block", 1, 1_000_000),
    ("[drain]", "budget_s", 0, 600),
    ("COUNTER", "heartbeat_s", 0, 120),
    ("COUNTER", "connections", 1, 64),
    ("COUNTER", "utc_offset_minutes", -720, 840),
    ("COUNTER[counter.profile]", "query_horizon_days", 0, 3650),
    ("COUNTER[counter.profile]", "in_flight_limit_ms", 0, 86_400_000),
    ("COUNTER[counter.profile]", "max_in_flight", 1, 4096),
    ("COUNTER[counter.profile]", "cut_over_s", 0, 86_399),
    ("COUNTER[counter.profile]", "per_transfer_limit", 1, 999_999_999_999),
    ("COUNTER[counter.timers]\nattempt_ms = 600000", "connect_ms", 1, 600_000),
    ("COUNTER[counter.timers]\nattempt_ms = 600000", "sign_on_ms", 1, 600_000),
    (
        "COUNTER[counter.timers]\nconnect_ms = 1\nsign_on_ms = 1\ntls_ms = 1",
        "attempt_ms",
        1,
        600_000,
    ),
    ("COUNTER[counter.timers]\nattempt_ms = 600000", "tls_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "early_probe_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "fail_back_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "renewal_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "write_progress_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "sync_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "drain_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "sign_off_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "close_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "tcp_user_timeout_ms", 1, 600_000),
    ("COUNTER[counter.timers]", "keepalive_idle_s", 1, 7200),
    ("COUNTER[counter.timers]", "keepalive_interval_s", 1, 7200),
    ("COUNTER[counter.timers]", "keepalive_count", 1, 127),
    ("COUNTER[counter.bounds]", "in_flight", 1, 4096),
    ("COUNTER[counter.bounds]", "queued", 1, 65_536),
];

#[test]
fn every_number_is_taken_at_its_edges_and_refused_beyond_them() {
    for (section, key, least, most) in LIMITS {
        let text = |number: i64| {
            let section = section.replace("COUNTER", &counter(""));
            format!("{section}\n{key} = {number}\n")
        };
        for number in [*least, *most] {
            let wrong = read(&text(number)).err();
            assert!(wrong.is_none(), "{key} = {number}: {wrong:?}");
        }
        for number in [least - 1, most + 1, i64::MIN, i64::MAX] {
            let [mistake] = &told(&text(number), &[])[..] else { panic!("{key} = {number}") };
            let what = format!(": must be {least} to {most}, not {number}");
            assert!(mistake.ends_with(&what), "{mistake}");
        }
    }
}

#[test]
fn names_are_taken_at_their_edges_and_refused_beyond_them() {
    let app = |name: &str| {
        format!(
            "[[app]]\nname = '{name}'\n[[app.key]]\nid = 'k'\nalgorithm = 'hmac-sha256'\n\
             secret_file = 'good'\n"
        )
    };
    let key = |id: &str| app("a").replace("'k'", &format!("'{id}'"));
    let of = |length: usize| "x".repeat(length);
    for good in [
        format!("name = '{}'", of(1)),
        format!("name = '{}'", of(64)),
        app(&of(64)),
        key(&of(128)),
        counter("").replace("'c'", &format!("'{}'", of(32))),
        counter("").replace("'good'", "'/keys/32'"),
        counter("").replace("['127.0.0.1:1']", "['localhost:1', '127.0.0.1:65535', '[::1]:1']"),
    ] {
        let wrong = read(&good).err();
        assert!(wrong.is_none(), "{good}: {wrong:?}");
    }
    for (bad, word) in [
        (format!("name = '{}'", of(0)), "1 to 64"),
        (format!("name = '{}'", of(65)), "1 to 64"),
        ("name = 'a b'".to_owned(), "visible"),
        (app(&of(0)), "1 to 64"),
        (app(&of(65)), "1 to 64"),
        (key(&of(129)), "1 to 128"),
        (key(""), "1 to 128"),
        (counter("").replace("'c'", &format!("'{}'", of(33))), "1 to 32"),
        (counter("").replace("'c'", "'C'"), "a-z"),
        (counter("").replace("'good'", "'/keys/short'"), "at least 32 bytes, not 31"),
        (counter("").replace("'good'", "'/keys/long'"), "too long for a key"),
        (counter("").replace("['127.0.0.1:1']", "[]"), "at least one"),
        (counter("").replace("['127.0.0.1:1']", "['h:0']"), "host:port"),
        (counter("").replace("['127.0.0.1:1']", "['h:65536']"), "host:port"),
    ] {
        let mistakes = told(&bad, &[]);
        assert!(mistakes.len() == 1 && mistakes[0].contains(word), "{bad}: {mistakes:?}");
    }
}

/// Signatures for other hosts count only where nobody else can bring them; and whoever looks at a
/// listener that others reach is told what counts there.
#[test]
fn who_is_believed_follows_from_where_it_listens() {
    let believed = |api: &str| {
        let config = read(&format!("[api]\n{api}\n")).expect(api);
        (config.api.policy.believes_host, config.notes.len())
    };
    assert_eq!(believed("listen = '127.0.0.1:1'"), (true, 0));
    assert_eq!(believed("listen = '[::1]:1'"), (true, 0));
    assert_eq!(believed("listen = '0.0.0.0:1'"), (false, 1));
    assert_eq!(believed("listen = '10.0.0.7:1'\npublic_url = 'https://pay.example'"), (false, 0));

    let named = read("[operators]\nnames = ['bridge.internal', 'Ops']\n").expect("names");
    assert!(named.operators.names.know(Some("ops:8081")));
    assert!(!named.operators.names.know(Some("other:8081")));
    for bad in ["", "a b", "a:80", "http://a", &"a".repeat(254)] {
        let mistakes = told(&format!("[operators]\nnames = ['{bad}']\n"), &[]);
        assert!(mistakes.len() == 1 && mistakes[0].contains("host's name"), "{bad}: {mistakes:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_mistake_is_named_at_once_with_its_line() {
    let text = "\
database = 'postgres://me:geheim@h/x'
nmae = 'bridge'
[api]
listen = 'localhost:8080'
public_url = 'ftp://h'
longest_body = '16 KiB'
[operators]
listen = 8081
[coordinator]
first_pause_ms = 500
longest_pause_ms = 499
patience = 1.5
[drane]
budget_s = 3
[[app]]
counters = ['futurs', 7]
[[app.key]]
algorithm = 'hmac-sha512'
[[app]]
name = 'two'
[[app]]
name = 'two'
[[app.key]]
id = 'k'
algorithm = 'ed25519'
secret_file = '/keys/good'
[[app]]
name = 'four'
[[app.key]]
id = 'k'
algorithm = 'ed25519'
public_key_file = '/keys/good'
[[counter]]
id = 'futures'
dialect = 'securities'
addresses = ['here']
key = 'this one stands in the file, alas'
heartbeat_s = 121
encoding = 'utf-8'
profile = { amount_unit = 'major', dedupes = 'yes' }
codes = { 99 = 'done', 301 = 'no', 402 = 'refused' }
[counter.timers]
connect_ms = 16000
sing_on_ms = 1
[[counter]]
id = 'futures'
";
    let expected = "\
b.toml:1: database: a password must not stand here: write database_password_file or \
database_password_env beside it
b.toml:1: database: database URL \"postgres://me@h/x\": it begins with neither sqlite:// nor mysql://
b.toml:2: nmae: there is no such key (did you mean name?)
b.toml:4: api.listen: must be an IP address and a port, such as 127.0.0.1:8080, not \"localhost:8080\"
b.toml:5: api.public_url: must be http:// or https:// with a host and perhaps a path, not \"ftp://h\"
b.toml:6: api.longest_body: must be 256 to 1048576, not \"16 KiB\"
b.toml:8: operators.listen: must be an IP address and a port, such as 127.0.0.1:8080, not 8081
b.toml:11: coordinator.longest_pause_ms: the first pause (500 ms) is longer than the longest (499 ms)
b.toml:12: coordinator.patience: must be 1 to 10000, not a number with a fraction
b.toml:13: drane: there is no such key (did you mean drain?)
b.toml:15: app.name: is missing: what the app is called
b.toml:16: app.counters: must be a text in quotes, not 7
b.toml:16: app.counters: no counter \"futurs\" is configured (did you mean futures?)
b.toml:17: app.key.id: is missing: the key's id, as signatures name it
b.toml:18: app.key.algorithm: must be \"hmac-sha256\" or \"ed25519\", not \"hmac-sha512\" (did you mean hmac-sha256?)
b.toml:19: app.key: is missing: without a key the app cannot call; write [[app.key]]
b.toml:22: app.name: two apps have the name \"two\"
b.toml:23: app.key.public_key_file: is missing: for ed25519 write public_key_file
b.toml:26: app.key.secret_file: there is no such key; there are id, algorithm, public_key_file
b.toml:32: app.key.public_key_file: not an Ed25519 public key in PEM
b.toml:36: counter.addresses: must be host:port, not \"here\"
b.toml:37: counter.key: a secret must not stand here: write key_file or key_env instead
b.toml:38: counter.heartbeat_s: must be 0 to 120, not 121
b.toml:39: counter.encoding: is for the futures dialect only
b.toml:40: counter.profile.amount_unit: must be \"minor\": the securities dialect has no other
b.toml:40: counter.profile.dedupes: must be true or false, not \"yes\"
b.toml:41: counter.codes: no code means \"done\": nothing would ever be posted
b.toml:41: counter.codes.301: must be one of done, duplicate, refused, not_executed, unknown, not \"no\"
b.toml:41: counter.codes.99: a code is 100 to 999, not \"99\"
b.toml:42: counter.timers.attempt_ms: a whole attempt (15000 ms) is shorter than one part of it (16000 ms)
b.toml:44: counter.timers.sing_on_ms: there is no such key (did you mean sign_on_ms?)
b.toml:45: counter.addresses: is missing: where the counter is: [\"host:port\"]
b.toml:45: counter.dialect: is missing: \"securities\" or \"futures\"
b.toml:45: counter.key_file: is missing: write key_file or key_env
b.toml:46: counter.id: two counters have the id \"futures\"";
    let told = told(text, &[]).join("\n");
    assert_eq!(told, expected, "\n--- told:\n{told}\n");
}

#[test]
fn a_text_that_is_not_toml_is_said_with_its_lines() {
    let told = told("a = \n[api\nlisten = 'x'\n", &[]);
    assert!(told.iter().any(|line| line.starts_with("b.toml:1: not TOML: ")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("b.toml:2: not TOML: ")), "{told:?}");
}

#[test]
fn variables_go_before_the_file_and_may_stand_alone() {
    let text = counter("heartbeat_s = 500\n[api]\nlisten = 'wrong'");
    let config = read_with(
        &text,
        &[
            ("COUNTER_BRIDGE__API__LISTEN", "0.0.0.0:1"),
            ("COUNTER_BRIDGE__COORDINATOR__PATIENCE", "7"),
            ("COUNTER_BRIDGE__COUNTER__0__HEARTBEAT_S", "0"),
            ("COUNTER_BRIDGE__COUNTER__0__ADDRESSES", "localhost:1, 127.0.0.2:2"),
            ("COUNTER_BRIDGE__COUNTER__0__PROFILE__CAN_FENCE", "false"),
            ("COUNTER_BRIDGE__COUNTER__0__CODES__200", "done"),
            ("COUNTER_BRIDGE__COUNTER__1__ID", "d"),
            ("COUNTER_BRIDGE__COUNTER__1__DIALECT", "securities"),
            ("COUNTER_BRIDGE__COUNTER__1__ADDRESSES__0", "[::1]:3"),
            ("COUNTER_BRIDGE__COUNTER__1__KEY_ENV", "D_KEY"),
            ("D_KEY", "a key of its own, with no less than 32 bytes"),
            ("COUNTER_BRIDGE__APP__0__NAME", "app"),
            ("COUNTER_BRIDGE__APP__0__COUNTERS", "d"),
            ("COUNTER_BRIDGE__APP__0__KEY__0__ID", "k"),
            ("COUNTER_BRIDGE__APP__0__KEY__0__ALGORITHM", "ed25519"),
            ("COUNTER_BRIDGE__APP__0__KEY__0__PUBLIC_KEY_FILE", "/keys/public"),
            ("COUNTER_BRIDGE_URL", "not ours"),
        ],
    )
    .expect("a configuration");
    assert_eq!(config.api.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.coordinator.patience, 7);
    let [first, second] = &config.counters[..] else { panic!("two counters") };
    assert_eq!(first.timers.heartbeat_s, 0);
    assert_eq!(first.addresses, ["localhost:1", "127.0.0.2:2"]);
    assert!(!first.profile.can_fence);
    assert_eq!(first.profile.codes.rows().count(), 1);
    assert_eq!((second.id.as_str(), &second.addresses[..]), ("d", &["[::1]:3".to_owned()][..]));
    assert!(
        !second.keys.replace(&b"a key of its own, with no less than 32 bytes".to_vec().into()),
        "that key"
    );
    assert_eq!(config.keys.len(), 1);
    assert_eq!(config.apps[0].rights.counters.as_ref().map(BTreeSet::len), Some(1));
}

#[test]
fn what_an_app_may_is_read_and_a_mistake_in_it_allows_nothing() {
    let app = |rights: &str| {
        format!(
            "{}[[app]]\nname = 'shop'\n{rights}\n[[app.key]]\nid = 'k'\nalgorithm = 'ed25519'\npublic_key_file = '/keys/public'\n",
            counter("")
        )
    };
    let all = read(&app(
        "counters = ['c']\naccounts = ['c:6*']\ndirections = ['c->c']\nlargest_transfer = 5\nrequests_per_s = 9\ntransfers_a_day = 3\nsum_a_day = 8",
    ))
    .expect("rights");
    let said = crate::check::told(&all, "b.toml");
    let shop = said.lines().nth(1).expect("a line");
    assert_eq!(
        shop,
        "shop: only counters c; accounts c:6*; directions c->c; at most 5 minor units in one transfer; \
         at most 3 transfers in a day; at most 8 minor units of a currency in a day; at most 9 requests in a second"
    );
    let none = read(&app("accounts = []")).expect("no rights");
    assert!(crate::check::told(&none, "b.toml").contains("\nshop: only no accounts\n"));
    let every = read(&app("")).expect("every right");
    assert!(crate::check::told(&every, "b.toml").contains("\nshop: may do everything\n"));
    for (rights, word) in [
        ("accounts = ['6*']", "a counter, a colon and an account"),
        ("accounts = ['d:6*']", "no counter \"d\" is configured"),
        ("directions = ['c']", "two counters with ->"),
        ("directions = ['c->d']", "no counter \"d\" is configured"),
        ("directions = ['d->c']", "no counter \"d\" is configured"),
        ("largest_transfer = 0", "must be 1 to 999999999999"),
        ("largest_transfer = 1000000000000", "must be 1 to 999999999999"),
        ("transfers_a_day = 0", "must be 1 to 1000000000"),
        ("transfers_a_day = 1000000001", "must be 1 to 1000000000"),
        ("sum_a_day = 0", "must be 1 to 9223372036854775807"),
        ("requests_per_s = 0", "must be 1 to 1000000"),
        ("requests_per_s = 1000001", "must be 1 to 1000000"),
    ] {
        let mistakes = told(&app(rights), &[]);
        assert!(mistakes.len() == 1 && mistakes[0].contains(word), "{rights}: {mistakes:?}");
    }
}

#[test]
fn mistakes_in_variables_are_named_by_the_variable() {
    let told = told(
        &counter(""),
        &[
            ("COUNTER_BRIDGE__COUNTER__0__HEARTBEAT_S", "500"),
            ("COUNTER_BRIDGE__COUNTER__2__ID", "x"),
            ("COUNTER_BRIDGE__APP__1__NAME", "x"),
            ("COUNTER_BRIDGE__API__LISTN", "x"),
            ("COUNTER_BRIDGE__COUNTER__0__KEY", "geheim"),
            ("COUNTER_BRIDGE__NAME__X", "x"),
            ("COUNTER_BRIDGE__NAME", "x y"),
        ],
    );
    for line in [
        "environment COUNTER_BRIDGE__COUNTER__0__HEARTBEAT_S: must be 0 to 120, not \"500\"",
        "environment COUNTER_BRIDGE__COUNTER__2__ID: there is no element 2; the next one is 1",
        "environment COUNTER_BRIDGE__APP__1__NAME: there is no element 1; the next one is 0",
        "environment COUNTER_BRIDGE__API__LISTN: there is no such key (did you mean listen?)",
        "environment COUNTER_BRIDGE__COUNTER__0__KEY: a secret must not stand here: write key_file \
         or key_env instead",
        "environment COUNTER_BRIDGE__NAME__X: name is one value: nothing stands under it",
        "environment COUNTER_BRIDGE__NAME: must be 1 to 64 visible ASCII characters",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} is not among {told:#?}");
    }
    assert!(told.iter().all(|told| !told.contains("geheim")), "{told:?}");
}

#[test]
fn paths_in_the_file_start_in_its_folder_and_those_in_variables_do_not() {
    read(&counter("")).expect("found as /etc/bridge/good");
    let variable = "COUNTER_BRIDGE__COUNTER__0__KEY_FILE";
    read_with(&counter(""), &[(variable, "/keys/good")]).expect("found where it says");
    read_with(&counter(""), &[(variable, "good")]).expect("found as good");
    let missing = counter("").replace("'good'", "'nowhere'");
    let [mistake] = &told(&missing, &[])[..] else { panic!("one mistake") };
    assert!(
        mistake.starts_with("b.toml:5: counter.key_file: /etc/bridge/nowhere cannot be read: "),
        "{mistake}"
    );
}

#[test]
fn a_secret_comes_from_one_place() {
    let both = counter("key_env = 'K'");
    assert_eq!(
        told(&both, &[("K", KEY)]),
        ["b.toml:6: counter.key_env: write key_file or key_env, not both"]
    );
    // A variable's word goes before the file's.
    let config =
        read_with(&counter(""), &[("COUNTER_BRIDGE__COUNTER__0__KEY_ENV", "K"), ("K", "x")]);
    let mistakes = config.expect_err("the variable's key is short");
    assert!(mistakes[0].what.contains("at least 32 bytes, not 1"), "{mistakes:?}");

    let by_name = counter("").replace("key_file = 'good'", "key_env = 'K'");
    assert_eq!(
        told(&by_name, &[]),
        ["b.toml:5: counter.key_env: the environment variable K is not set"]
    );
    let the_secret_itself = counter("").replace("key_file = 'good'", "key_env = 'geheim'");
    assert!(!told(&the_secret_itself, &[])[0].contains("geheim"));
}

#[test]
fn others_stand_by_only_where_there_are_others() {
    assert!(read(&counter("")).expect("good").coordinator.states_all_accounts.is_empty());
    let stating = read(&counter("states_all_accounts = true\n")).expect("good");
    assert_eq!(stating.coordinator.states_all_accounts.len(), 1);
    let two = read(&counter("connections = 2\nstandby = true\n")).expect("good");
    let [link] = &two.links(&History::default())[..] else { panic!("one link") };
    assert!(link.standby && link.connections == 2);
    let alone = told(&counter("standby = true\n"), &[]);
    assert!(alone.iter().any(|told| told.contains("connections = 2")), "{alone:?}");
}

#[test]
fn no_secret_is_shown() {
    let text = counter("").replace("key_file = 'good'", "key_env = 'K'")
        + "[[app]]\nname = 'a'\n[[app.key]]\nid = 'k'\nalgorithm = 'hmac-sha256'\nsecret_env = 'L'\n";
    let secret = "geheim geheim geheim geheim geheim";
    let database = ("COUNTER_BRIDGE__DATABASE", "mysql://me:geheim@h/x");
    let config = read_with(&text, &[("K", secret), ("L", &format!("another {secret}")), database])
        .expect("a configuration");
    let shown = format!("{config:?} {:?} {:#?}", config.links(&History::default()), config.apps);
    let bytes = format!("{:?}", &secret.as_bytes()[..6]);
    assert!(
        !shown.contains("geheim") && !shown.contains(bytes.trim_matches(['[', ']'])),
        "{shown}"
    );
    assert!(!crate::check::told(&config, "b.toml").contains("geheim"));
}

#[test]
fn an_open_operators_side_is_allowed_and_noted() {
    let config =
        read("[operators]\nlisten = '0.0.0.0:8081'\nmetrics = 'viewer'\n").expect("allowed");
    let [note] = &config.notes[..] else { panic!("one note") };
    assert!(note.shown("b.toml").starts_with("b.toml:2: operators.listen: "), "{note:?}");
    let same = "[api]\nlisten = '127.0.0.1:9'\n[operators]\nlisten = '127.0.0.1:9'\n";
    assert!(told(same, &[])[0].starts_with("b.toml:4: operators.listen: "));
    read("[api]\nlisten = '127.0.0.1:0'\n[operators]\nlisten = '127.0.0.1:0'\n")
        .expect("any ports");
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let mistakes = Config::load(Path::new("/nowhere/b.toml"), []).expect_err("not there");
    assert!(mistakes.to_string().starts_with("/nowhere/b.toml: cannot be read: "), "{mistakes}");
}

#[test]
fn without_tls_nothing_leaves_this_machine_unless_that_is_said() {
    let counter = |more: &str| counter(more).replace("127.0.0.1:1", "counter.example:1");
    assert_eq!(
        told(&counter(""), &[]),
        ["b.toml:1: counter.tls: is missing: counter.example:1 is not this machine. Write tls = \
          { ca_file, cert_file, key_file }, or plain = true to go without"]
    );
    let config = read(&counter("plain = true")).expect("as it was said");
    assert!(config.counters[0].tls.is_none());
    assert_eq!(config.notes.len(), 1, "and everybody is told");
    let mistakes = told(&counter("plain = true\ntls = { ca_file = 'none' }"), &[]);
    assert_eq!(
        mistakes,
        [
            "b.toml:6: counter.plain: is said together with tls: only one of them can be meant",
            "b.toml:7: counter.tls.cert_file: is missing: the bridge's certificate, in PEM",
            "b.toml:7: counter.tls.key_file: is missing: the key of the bridge's certificate, in PEM",
        ]
    );
}

#[test]
fn a_counter_dials_in_where_there_is_a_door() {
    let guest = counter("dials_in = true").replace("addresses = ['127.0.0.1:1']\n", "");
    let mistakes = told(&guest, &[]);
    assert!(mistakes.len() == 1 && mistakes[0].contains("there is no [accept]"), "{mistakes:?}");
    let with = |accept: &str, counter: &str| format!("{accept}\n{counter}");
    let config = read(&with("[accept]\nlisten = '127.0.0.1:0'\nper_address = 3", &guest));
    let config = config.expect("a door on this machine");
    assert!(config.counters[0].dials_in && config.notes.is_empty());
    assert_eq!(config.accept.map(|accept| accept.limits.per_address), Some(3));
    let open = with("[accept]\nlisten = '0.0.0.0:0'", &guest);
    assert!(told(&open, &[])[0].contains("others than this machine"));
    let config = read(&with("[accept]\nlisten = '0.0.0.0:0'\nplain = true", &guest));
    assert_eq!(config.expect("as it was said").notes.len(), 1);
    let from = |list: &str| {
        let guest = counter(&format!("dials_in = true\ndials_from = [{list}]"));
        let guest = guest.replace("addresses = ['127.0.0.1:1']\n", "");
        with("[accept]\nlisten = '127.0.0.1:0'", &guest)
    };
    let config = read(&from("'10.0.0.7', '2001:db8::7'")).expect("two addresses");
    assert_eq!(config.counters[0].dials_from.len(), 2);
    assert!(told(&from("'counter.example'"), &[])[0].contains("must be an IP address"));
    let dialled = told(&counter("dials_from = ['10.0.0.7']"), &[]);
    assert!(dialled[0].contains("is for a counter with dials_in = true"), "{dialled:?}");
    let both = with("[accept]\nlisten = '127.0.0.1:0'", &counter("dials_in = true"));
    assert!(told(&both, &[])[0].contains("one side dials, not both"));
}
