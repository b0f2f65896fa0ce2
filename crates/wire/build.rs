//! Compiles `proto/` without a system protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let file = format!("{root}/securities/v1/securities.proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([&file], [root])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
