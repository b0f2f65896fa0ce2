//! Keys: which prove anything, and who may read them.

use super::*;

/// A counter and an app, by the content of their key files; the notes, or the mistakes.
fn keyed(address: &str, counter: &[u8], app: &[u8]) -> Result<Vec<String>, Vec<String>> {
    let text = format!(
        "[[counter]]\nid = 'c'\ndialect = 'securities'\naddresses = ['{address}']\nplain = true\n\
         key_file = 'c'\n[[app]]\nname = 'a'\n[[app.key]]\nid = 'k'\nalgorithm = 'hmac-sha256'\n\
         secret_file = 'a'\n"
    );
    let read_file = |path: &Path| -> io::Result<Content> {
        let key = if path.ends_with("c") { counter } else { app };
        Ok(Content { bytes: key.to_vec(), is_open_to_others: key.starts_with(b"open") })
    };
    let shown = |list: Vec<Mistake>| list.iter().map(|it| it.shown("b.toml")).collect::<Vec<_>>();
    Config::from_text(&text, Path::new(""), [], &read_file)
        .map(|config| shown(config.notes))
        .map_err(shown)
}

#[test]
fn a_key_that_can_be_guessed_or_is_anothers_proves_nothing() {
    const HERE: &str = "127.0.0.1:1";
    const THERE: &str = "10.0.0.1:1";
    let good = b"0123456789abcdef0123456789abcdef";
    let other = b"another key, of which nobody else knows";
    assert_eq!(keyed(HERE, good, other), Ok(Vec::new()));
    for zeros in [[0; 32], [b'0'; 32]] {
        for address in [HERE, THERE] {
            let told = keyed(address, &zeros, other).expect_err("zeros");
            assert!(
                told.len() == 1 && told[0].contains("b.toml:6: counter.key_file: is nothing but")
            );
        }
    }
    let told = keyed(THERE, &[b'k'; 32], other).expect_err("one byte, for everybody");
    assert!(told.len() == 1 && told[0].contains("is one byte again and again"), "{told:?}");
    let told = keyed(HERE, &[b'k'; 32], other).expect("for this machine alone");
    assert!(told.len() == 1 && told[0].contains("is one byte again and again"), "{told:?}");
    // Almost one byte is for whoever makes keys to know.
    assert_eq!(keyed(HERE, &[&[b'k'; 31][..], b"l"].concat(), other), Ok(Vec::new()));
    for address in [HERE, THERE] {
        let told = keyed(address, good, good).expect_err("one key for two");
        assert!(
            told.len() == 1 && told[0].contains("is also the key of the counter \"c\""),
            "{told:?}"
        );
    }
}

#[test]
fn two_keys_of_one_counter_may_be_the_same_and_those_of_two_may_not() {
    let two = |first: &str, second: &str| {
        let other = "[[counter]]\nid = 'd'\ndialect = 'securities'\naddresses = ['127.0.0.1:2']\n";
        let more = format!("second_key_file = '/keys/good-{first}'\n");
        let text = counter(&more) + other + &format!("key_file = '/keys/good-{second}'\n");
        read(&text).map(|config| config.counters.len())
    };
    assert_eq!(two("1", "2").expect("good"), 2);
    let told = two("1", "1").expect_err("one key for two counters");
    assert!(told[0].what.contains("is also the key of the counter \"c\""), "{told:?}");
    assert!(read(&counter("second_key_file = 'good'")).is_ok(), "twice the same is one");
    let short = told_of_second("second_key_file = '/keys/short'");
    assert!(
        short[0].contains("counter.second_key_file: a key must have at least 32 bytes"),
        "{short:?}"
    );
    let both = told_of_second("second_key_file = 'good'\nsecond_key_env = 'K'");
    assert!(both.iter().any(|told| told.contains("not both")), "{both:?}");
}

fn told_of_second(more: &str) -> Vec<String> {
    told(&counter(more), &[])
}

#[test]
fn a_secret_that_others_may_read_is_noted_with_what_to_do() {
    let open = b"open: 0123456789abcdef0123456789";
    let told = keyed("127.0.0.1:1", open, b"another key, of which nobody else knows");
    let told = told.expect("it is noted");
    let note = "counter.key_file: others on this machine may read c: chmod 600 c";
    assert!(told.len() == 1 && told[0].ends_with(note), "{told:?}");
    // What is public may be read by anybody.
    let text = "[[app]]\nname = 'a'\n[[app.key]]\nid = 'k'\nalgorithm = 'ed25519'\npublic_key_file = '/keys/public'\n";
    let open_files = |path: &Path| files(path).map(|it| Content { is_open_to_others: true, ..it });
    let config = Config::from_text(text, Path::new(""), [], &open_files).expect("good");
    assert_eq!(config.notes, []);
}

#[test]
fn whoever_is_not_the_owner_is_seen_in_a_files_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).expect("a file");
    for (mode, open) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o604, true),
        (0o622, true),
        (0o711, false),
    ] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let read = read_key(&file).expect("it is ours");
        assert_eq!((read.is_open_to_others, &read.bytes[..]), (open, KEY.as_bytes()), "{mode:o}");
    }
}

#[test]
fn a_key_is_the_files_text_less_one_line_end_and_is_never_decoded() {
    let text = |content: &'static [u8]| {
        let read = secret::less_one_line_end(content.to_vec());
        read.expose_secret().to_vec()
    };
    for (file, key) in [
        (&b"00ff\n"[..], &b"00ff"[..]),
        (b"00ff\r\n", b"00ff"),
        (b"00ff\n\n", b"00ff\n"),
        (b"00ff\r", b"00ff\r"),
        (b" 00ff ", b" 00ff "),
        (b"\n", b""),
        (b"", b""),
    ] {
        assert_eq!(text(file), key, "{file:?}");
    }
}
