//! Whatever the headers hold, there is a refusal and no panic.

use super::*;
use proptest::prelude::*;

fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    let grammar = prop::sample::select(vec![
        "sig",
        "=",
        "(",
        ")",
        "\"",
        "@method",
        "@path",
        ";",
        "created",
        "1",
        ":",
        "AAAA",
        ",",
        " ",
        "\\",
        "?1",
        "@",
        "%\"",
        "keyid=\"shop-1\"",
        "sha-256",
        "-",
        ".",
        "*",
        "\t",
    ]);
    prop_oneof![
        prop::collection::vec(grammar, 0..40).prop_map(|words| words.concat().into_bytes()),
        prop::collection::vec(
            any::<u8>().prop_filter("a header's byte", |byte| *byte >= 0x20 && *byte != 0x7f),
            0..200
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn garbage_is_refused_without_a_panic(
        input in header_bytes(), signature in header_bytes(), digest in header_bytes(),
        host in header_bytes(),
    ) {
        let mut case = Case::signed();
        for (name, value) in [
            ("signature-input", input), ("signature", signature), ("content-digest", digest),
            ("host", host),
        ] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                case.headers.insert(name, value);
            }
        }
        prop_assert!(case.verify(&keys().0, &NonceMemory::new(64, [])).is_err());
    }

    #[test]
    fn one_header_of_garbage_is_refused_too(
        name in prop::sample::select(vec!["signature-input", "signature", "content-digest",
            "idempotency-key"]),
        value in header_bytes(),
    ) {
        let mut case = Case::signed();
        let value = HeaderValue::from_bytes(&value).expect("a value");
        prop_assume!(case.headers[name] != value);
        case.headers.insert(name, value);
        let error = case.verify(&keys().0, &NonceMemory::new(64, [])).expect_err("changed");
        prop_assert!(error.to_string().len() < 600, "bounded: {error}");
    }

    #[test]
    fn any_one_byte_changed_is_refused(
        name in prop::sample::select(vec!["signature-input", "signature", "content-digest",
            "idempotency-key", "host"]),
        place in any::<prop::sample::Index>(),
        byte in 0x21u8..0x7f,
    ) {
        let mut case = Case::signed();
        let mut value = case.headers[name].as_bytes().to_vec();
        let place = place.index(value.len());
        prop_assume!(value[place] != byte);
        value[place] = byte;
        if name == "signature" {
            // The last character of base64 has bits that say nothing (RFC 9651 §4.2.7).
            let decoded = |value: &[u8]| {
                fields::signature(std::str::from_utf8(value).expect("ASCII"), "sig")
            };
            prop_assume!(decoded(&value) != decoded(case.headers[name].as_bytes()));
        }
        case.headers.insert(name, HeaderValue::from_bytes(&value).expect("a value"));
        prop_assert!(case.verify(&keys().0, &NonceMemory::new(64, [])).is_err());
    }
}
