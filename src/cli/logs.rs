//! The logs that `policy learn`, `replay` and `report` read.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{USAGE, say};
use crate::history::{self, Skipped};

const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct LogPaths {
    /// Audit files, a record a line; "-" is standard input.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
}

/// Hands every line of every log to `take`, in order.
pub(super) fn read(paths: &LogPaths, mut take: impl FnMut(Option<&[u8]>)) -> Result<(), ExitCode> {
    for path in &paths.logs {
        let done = if path == Path::new("-") {
            history::each_line(io::stdin().lock(), &mut take)
        } else {
            File::open(path)
                .and_then(|file| history::each_line(BufReader::with_capacity(BUFFER_BYTES, file), &mut take))
        };
        if let Err(error) = done {
            say(&format!("error: {} cannot be read: {error}", path.display()));
            return Err(ExitCode::from(USAGE));
        }
    }
    Ok(())
}

/// Says how many lines were no records.
pub(super) fn note_skipped(skipped: &Skipped) {
    for (count, what) in [
        (skipped.malformed, "cannot be read as records"),
        (skipped.newer, "are records of a newer version: this irongate does not know what they mean"),
        (skipped.other_kind, "are of another kind"),
    ] {
        if count > 0 {
            say(&format!("warning: {count} line(s) {what}"));
        }
    }
}
