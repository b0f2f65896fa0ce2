//! The bytes in `proto/*/vectors/` and the codec say the same. `UPDATE_VECTORS=1` writes them anew.

mod common;

use bytes::BytesMut;
use common::{PACKET_MICROS, Sample, Says, acceptor_nonce, facing, key, parties, samples, sign_on};
use domain::profile::AmountUnit;
use prost::Message as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};
use wire::codec::Codec;
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::proof::{self, Side};
use wire::securities::generated;

/// A frame of a folder: its file's name, its sample, and the dialect it is said in.
struct Vector {
    file: String,
    sample: Sample,
    dialect: Dialect,
}

impl Vector {
    fn encoded(&self, counter: &str) -> Vec<u8> {
        let codec = match self.sample.says {
            Says::Bridge => Codec::new(self.dialect.clone(), parties(counter)),
            Says::Counter => facing(&self.dialect, counter),
        };
        let mut out = BytesMut::new();
        codec.encode_at(&self.sample.message, PACKET_MICROS, &mut out).expect("sayable");
        out.to_vec()
    }

    fn decoded(&self, counter: &str, bytes: &[u8]) -> Message {
        let codec = match self.sample.says {
            Says::Bridge => facing(&self.dialect, counter),
            Says::Counter => Codec::new(self.dialect.clone(), parties(counter)),
        };
        common::only_message(&codec, bytes)
    }

    fn says(&self) -> &'static str {
        match self.sample.says {
            Says::Bridge => "From the bridge",
            Says::Counter => "From the counter",
        }
    }
}

#[test]
fn the_securities_vectors_are_what_the_codec_says() {
    let vectors: Vec<Vector> = samples("securities")
        .into_iter()
        .map(|sample| Vector {
            file: format!("{}.bin", sample.name),
            sample,
            dialect: Dialect::Securities,
        })
        .collect();
    check("securities", "bin", &vectors, |vector, bytes, index| {
        let frame = generated::Frame::decode(&bytes[4..]).expect("the schema reads it");
        let mut hex = String::new();
        for row in bytes.chunks(32) {
            hex.push_str(&hexadecimal(row));
            hex.push('\n');
        }
        writeln!(index, "\n`{}`\n\n```\n{hex}```\n\n```\n{frame:?}\n```", vector.file)
            .expect("room");
    });
}

#[test]
fn the_futures_vectors_are_what_the_codec_says() {
    let said = |suffix: &str, encoding, amount_unit, names: &[&str]| -> Vec<Vector> {
        let options = XmlOptions { encoding, amount_unit, utc_offset_minutes: 480 };
        samples("futures")
            .into_iter()
            .filter(|sample| names.is_empty() || names.contains(&sample.name))
            .map(|sample| Vector {
                file: format!("{}{suffix}.xml-frame", sample.name),
                sample,
                dialect: Dialect::Futures(options.clone()),
            })
            .collect()
    };
    let mut vectors = said("", Encoding::Utf8, AmountUnit::Minor, &[]);
    let in_gb18030 = ["debit", "notice", "posting-reply-refused"];
    vectors.extend(said(".gb18030", Encoding::Gb18030, AmountUnit::Minor, &in_gb18030));
    let in_yuan = ["debit", "posting-reply-done", "balance-reply"];
    vectors.extend(said(".major", Encoding::Utf8, AmountUnit::Major, &in_yuan));
    check("futures", "xml-frame", &vectors, |vector, bytes, index| {
        writeln!(index, "\n`{}`, {} bytes", vector.file, bytes.len()).expect("room");
    });
}

/// Compares a folder with what the codec says, or writes it anew.
fn check(
    counter: &str,
    extension: &str,
    vectors: &[Vector],
    describe: impl Fn(&Vector, &[u8], &mut String),
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto").join(counter);
    let folder = folder.join("vectors");
    let mut index = format!(
        "# Frames of the {counter} dialect\n\nOne frame of each message, with its length in front, \
         as `docs/peers/{counter}.md` describes them. Written by the codec and compared with it by \
         its tests.\n\n{}",
        sign_on_in_words(counter)
    );
    let mut files = Vec::new();
    for vector in vectors {
        let bytes = vector.encoded(counter);
        write!(
            index,
            "\n## {}\n\n{}: {}.\n",
            vector.file.trim_end_matches(&format!(".{extension}")),
            vector.says(),
            vector.sample.words
        )
        .expect("room");
        describe(vector, &bytes, &mut index);
        assert_eq!(vector.decoded(counter, &bytes), vector.sample.message, "{}", vector.file);
        same(&folder.join(&vector.file), &bytes);
        files.push(folder.join(&vector.file));
    }
    same(&folder.join("README.md"), index.as_bytes());
    same(&folder.join("sign-on.json"), sign_on_as_json(counter).as_bytes());
    let strays: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == extension) && !files.contains(path))
        .collect();
    assert!(strays.is_empty(), "no test writes {strays:?}");
}

fn same(path: &Path, bytes: &[u8]) {
    if env::var_os("UPDATE_VECTORS").is_some_and(|value| value == "1") {
        fs::write(path, bytes).expect("written");
    }
    let kept = fs::read(path).unwrap_or_default();
    assert!(
        kept == bytes,
        "{} is not what the codec says; UPDATE_VECTORS=1 writes it anew",
        path.display()
    );
}

/// The numbers of the worked sign-on, in order.
fn worked_sign_on(counter: &str) -> [(&'static str, String); 7] {
    let sign_on = sign_on(counter);
    let nonce = acceptor_nonce();
    let prove = |side| hexadecimal(&proof::prove(&key(), side, &sign_on, &nonce));
    let input = |side| hexadecimal(&proof::input(side, &sign_on, &nonce));
    [
        ("key", hexadecimal(&key())),
        ("dialler_nonce", hexadecimal(&sign_on.nonce)),
        ("acceptor_nonce", hexadecimal(&nonce)),
        ("acceptor_input", input(Side::Acceptor)),
        ("acceptor_proof", prove(Side::Acceptor)),
        ("dialler_input", input(Side::Dialler)),
        ("dialler_proof", prove(Side::Dialler)),
    ]
}

fn sign_on_in_words(counter: &str) -> String {
    let mut words = format!(
        "The sign-on is `bridge` dialling `{counter}` on channel 0; `sign-on.json` has these for \
         machines:\n\n```\n"
    );
    for (name, value) in worked_sign_on(counter) {
        writeln!(words, "{name:<14} {value}").expect("room");
    }
    words + "```\n"
}

fn sign_on_as_json(counter: &str) -> String {
    let mut json =
        format!("{{\n  \"dialler\": \"bridge\",\n  \"acceptor\": \"{counter}\",\n  \"channel\": 0");
    for (name, value) in worked_sign_on(counter) {
        write!(json, ",\n  \"{name}\": \"{value}\"").expect("room");
    }
    json + "\n}\n"
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("room");
        text
    })
}
