//! What is generated from the command line's own description: completions and man pages.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// The completion script of a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "irongate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `irongate.1` and a page for each command into a folder, which is made if it is not there.
pub(super) fn man(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), directory)
}
