//! The file, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::{AuditConfig, AuditSink};

/// The sink cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit file {path} cannot be opened: {source}")]
pub struct AuditError {
    pub(super) path: String,
    pub(super) source: std::io::Error,
}

impl AuditError {
    /// The sink's path, as in the configuration.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Where lines are written. Nothing is buffered here: what `write` took is the system's.
pub(super) struct Output {
    file: File,
    /// `None` for standard output, which cannot be opened anew.
    path: Option<PathBuf>,
}

impl Output {
    pub(super) fn open(sink: &AuditSink) -> Result<Self, AuditError> {
        let failed = |path: &str, source| AuditError { path: path.to_owned(), source };
        match sink {
            AuditSink::Stdout => {
                let descriptor = std::io::stdout().as_fd().try_clone_to_owned();
                let file = File::from(descriptor.map_err(|source| failed("(standard output)", source))?);
                Ok(Self { file, path: None })
            }
            AuditSink::File(path) => {
                let file = append(path).map_err(|source| failed(&path.display().to_string(), source))?;
                Ok(Self { file, path: Some(path.clone()) })
            }
        }
    }

    /// Opens the path anew: the old file may have been moved away. On an error the old one stays.
    pub(super) fn reopen(&mut self) -> std::io::Result<()> {
        if let Some(path) = &self.path {
            self.file = append(path)?;
        }
        Ok(())
    }

    /// Writes as much as the system takes: at least one byte.
    pub(super) fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        match self.file.write(text) {
            Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
            other => other,
        }
    }
}

/// Whether records could be written there, as far as can be told without a trace: a file that is there is opened, a folder
/// gets a file for a moment.
///
/// # Errors
/// Why not.
pub fn check_sinks(config: &AuditConfig) -> Result<(), AuditError> {
    for sink in std::iter::once(&config.sink).chain(&config.cadf) {
        let AuditSink::File(path) = sink else { continue };
        let tried = if path.exists() {
            OpenOptions::new().append(true).open(path).map(drop)
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let file = folder.join(format!(".irongate-check-{}", std::process::id()));
            OpenOptions::new().create_new(true).write(true).open(&file).and_then(|_| std::fs::remove_file(&file))
        };
        tried.map_err(|source| AuditError { path: path.display().to_string(), source })?;
    }
    Ok(())
}

/// For appending, mode 0600 when made. A line that an earlier end cut off is closed.
fn append(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if is_cut(path).unwrap_or(false) {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn is_cut(path: &Path) -> std::io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
