//! The parts of the configuration that only tests and fuzzing need are there.

fn main() {
    println!("cargo::rustc-cfg=fuzzing");
    println!("cargo::rerun-if-changed=build.rs");
}
