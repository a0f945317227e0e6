//! Small C programs for what this crate cannot do to a process, since it has no unsafe code. The
//! compiler is there: it links every Rust program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a file of `tests/fixtures` into `folder`. Returns the path of the program or library.
pub(crate) fn compile_c(name: &str, folder: &Path, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let target = folder.join(name).with_extension("compiled");
    let compiled = Command::new("cc")
        .args(options)
        .arg("-o")
        .arg(&target)
        .arg(source)
        .output()
        .expect("there is a C compiler");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    target
}
