//! The flags of the linker for libvips, from pkg-config: no crate is needed.

use std::env;
use std::process::{exit, Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let flags = query().unwrap_or_else(|message| {
        eprintln!("{message}");
        exit(1)
    });
    // The order of archives is kept: each is before those that it requires.
    for flag in split(&flags) {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rerun-if-changed={folder}");
        }
        println!("cargo:rustc-link-arg-bins={flag}");
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/lib");
    }
}

/// Return what pkg-config prints.
fn query() -> Result<String, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&program).args(["--libs", "vips"]).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let hint = "PKG_CONFIG_LIBDIR must name lib/pkgconfig of an SDK";
    Err(format!(
        "{program} finds no libvips: {hint}\n{}",
        text(&output.stderr)
    ))
}

/// Split flags at blanks that have no backslash before them, as a shell does: the folder of an SDK may contain blanks.
fn split(flags: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = flags.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().unwrap().extend(characters.next()),
            ' ' | '\n' => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
