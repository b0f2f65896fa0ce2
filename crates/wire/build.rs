//! Compiles `proto/` without a system protoc: the types of prost, and the names of the fields as a table.

use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let file = format!("{root}/securities/v1/securities.proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([&file], [root])?;
    let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let mut table = String::from("&[\n");
    for file in &descriptors.file {
        let words = |name: &str| {
            let mut words = String::new();
            for one in file.enum_type.iter().filter(|one| one.name() == name) {
                for value in &one.value {
                    let _ = write!(words, "({}, {:?}), ", value.number(), value.name());
                }
            }
            words
        };
        for message in &file.message_type {
            writeln!(table, "Shape {{ name: {:?}, fields: &[", message.name())?;
            for field in &message.field {
                let of = short(field.type_name());
                let kind = match field.r#type().as_str_name() {
                    "TYPE_MESSAGE" => format!("Kind::Message({of:?})"),
                    "TYPE_ENUM" => format!("Kind::Word(&[{}])", words(&of)),
                    "TYPE_BOOL" => "Kind::Truth".to_owned(),
                    "TYPE_INT64" => "Kind::Signed".to_owned(),
                    _ => "Kind::Plain".to_owned(),
                };
                writeln!(table, "({}, {:?}, {kind}),", field.number(), field.name())?;
            }
            table.push_str("] },\n");
        }
    }
    table.push(']');
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("securities_names.rs"), table)?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
