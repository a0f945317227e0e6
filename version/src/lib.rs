//! `version!()`: the version of the crate that is compiled, with the commit of its source.
//!
//! It is a macro because a build script would run after each commit, and everything in its package
//! would be compiled again. With the macro that is the file with `main` alone.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use proc_macro::TokenStream;

/// Instead of asking git: for builds of an archive, or in an image, where there is none.
const VARIABLE: &str = "SOURCE_COMMIT";
/// As many digits as are shown.
const DIGITS: usize = 12;

/// `"0.1.0 (3b5e7d2f9a10)"`; `"0.1.0"` where the commit is not known.
#[proc_macro]
pub fn version(_: TokenStream) -> TokenStream {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let given = env::var(VARIABLE).unwrap_or_default();
    let source = match given.as_str() {
        "" => Source::of_git(),
        given => Some(Source { commit: given.to_owned(), files: Vec::new() }),
    };
    let (commit, files) = match &source {
        Some(Source { commit, files }) => (commit.as_str(), files.as_slice()),
        None => ("", &[] as &[PathBuf]),
    };
    let expression = match commit {
        "" => format!("{version:?}"),
        commit if is_hash(commit) => format!("{:?}", format!("{version} ({})", short(commit))),
        _ => format!("compile_error!(\"{VARIABLE} is no hash of a commit\")"),
    };
    // The compiler compiles the file again when one of these has changed.
    let files = files.iter().map(|file| format!("const _: &[u8] = include_bytes!({file:?});"));
    let variable = format!("const _: Option<&str> = option_env!({VARIABLE:?});");
    let block = format!("{{ {variable} {} {expression} }}", files.collect::<String>());
    block.parse().unwrap_or_default()
}

fn is_hash(commit: &str) -> bool {
    commit.len() >= DIGITS && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn short(commit: &str) -> &str {
    commit.get(..DIGITS).unwrap_or(commit)
}

/// What git says of the folder of the crate.
struct Source {
    commit: String,
    /// The files that change with the commit.
    files: Vec<PathBuf>,
}

impl Source {
    /// None without git, and where the folder is only a part of another repository, as an archive
    /// is that was unpacked in one.
    fn of_git() -> Option<Self> {
        let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
        let asked = Command::new("git")
            .current_dir(&folder)
            .args(["rev-parse", "--show-cdup", "--git-path", "HEAD", "--git-path", "logs/HEAD"])
            .arg("HEAD")
            .output();
        let asked = asked.ok().filter(|asked| asked.status.success())?;
        let text = String::from_utf8(asked.stdout).ok()?;
        let mut lines = text.lines();
        let (above, head, log) = (lines.next()?, lines.next()?, lines.next()?);
        let commit = lines.next()?.to_owned();
        let files = [head, log].map(|file| folder.join(file)).into_iter();
        let files = files.filter(|file| file.is_file()).collect();
        above.is_empty().then_some(Self { commit, files })
    }
}
