//! The files that a configuration names: how they were before they were read, and the one way to read them.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The largest file that is read: far above a revocation list of a large CA.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Links that are followed from one to the next, as Linux does.
const LINKS_MAX: usize = 40;

/// What distinguishes a file from the one that was there before.
type Stamp = (PathBuf, Option<(u64, u64, u64, i64, i64)>);

/// The configuration itself and what it names (files, and folders of policies), each with what it was just before it was
/// read: what changes while it is read is another file afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(Vec<(PathBuf, Vec<Stamp>)>);

impl Files {
    /// Notes a file that is about to be read. One that is named twice is as it was the first time.
    pub(crate) fn note(&mut self, path: &Path) {
        if !self.paths().any(|known| known == path) {
            self.0.push((path.to_owned(), stamps(path)));
        }
    }

    /// Files, and folders of policies.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// Whether any of them is another one by now.
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(path, before)| stamps(path) != *before)
    }
}

/// Reads a file of the configuration. What never ends is not begun: a pipe that nobody writes to, a device, or more than
/// [`FILE_BYTES_MAX`].
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let irregular = || Error::new(ErrorKind::InvalidInput, "it is no regular file");
    // Opening a device may do something, so it is looked at before; it may be another one after.
    if !std::fs::metadata(path)?.is_file() {
        return Err(irregular());
    }
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let told = file.metadata()?;
    if !told.is_file() {
        return Err(irregular());
    }
    contents(file, told.len(), FILE_BYTES_MAX)
}

fn contents(file: File, length: u64, most: u64) -> std::io::Result<Vec<u8>> {
    // Of the right size at once: a key that is moved leaves a copy.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(most)).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        true => Ok(bytes),
        false => Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))),
    }
}

/// The same as text.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Whether two paths are one file, there already or not: spelled otherwise, or by way of links.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|told| (told.dev(), told.ino()));
    let there = identity(one);
    (there.is_some() && there == identity(other)) || place(one) == place(other)
}

/// Whether a path is the standard output. Of a device there is nothing to mix: a terminal, or nowhere.
pub(super) fn is_standard_output(path: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|told| (told.dev(), told.ino(), told.file_type()));
    let there = identity(Path::new("/dev/stdout")).filter(|(_, _, kind)| !kind.is_char_device());
    there.is_some() && there == identity(path)
}

/// Where a file would be made: its folder's one name and its own, links that lead nowhere yet included.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        path = folder.join(path.file_name().unwrap_or_default());
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = folder.join(target);
    }
    path
}

/// Of the file; of a folder those of its policies too.
fn stamps(path: &Path) -> Vec<Stamp> {
    let mut stamps = vec![stamp(path)];
    if path.is_dir()
        && let Ok(entries) = std::fs::read_dir(path)
    {
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "cedar"));
        inside.sort();
        stamps.extend(inside.iter().map(|path| stamp(path)));
    }
    stamps
}

/// Links are followed: what a link points to is what is read.
fn stamp(file: &Path) -> Stamp {
    // A folder's own times change with everything in it, a log too: its policies have stamps of their own.
    let told = std::fs::metadata(file).ok().map(|told| match told.is_dir() {
        true => (told.dev(), told.ino(), 0, 0, 0),
        false => (told.dev(), told.ino(), told.size(), told.mtime(), told.mtime_nsec()),
    });
    (file.to_owned(), told)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Files, contents, read};

    fn link(to: &str, at: &Path) {
        std::os::unix::fs::symlink(to, at).unwrap();
    }

    #[test]
    fn what_never_ends_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let pipe = root.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero"), root] {
            assert_eq!(read(path).unwrap_err().to_string(), "it is no regular file", "{}", path.display());
        }
        let file = root.join("file");
        std::fs::write(&file, "1234").unwrap();
        link("file", &root.join("link"));
        assert_eq!(read(&root.join("link")).unwrap(), b"1234");
        let opened = || std::fs::File::open(&file).unwrap();
        assert_eq!(contents(opened(), 4, 4).unwrap(), b"1234");
        // Also where it grew after it was looked at.
        assert_eq!(contents(opened(), 2, 3).unwrap_err().to_string(), "it has more than 3 bytes");
    }

    #[test]
    fn replaced_files_are_seen_and_others_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        // As Kubernetes mounts a Secret: tls.crt → ..data/tls.crt, ..data → a folder of its own.
        for (folder, text) in [("..one", "a"), ("..two", "a")] {
            std::fs::create_dir(root.join(folder)).unwrap();
            std::fs::write(root.join(folder).join("tls.crt"), text).unwrap();
        }
        link("..one", &root.join("..data"));
        link("..data/tls.crt", &root.join("tls.crt"));
        std::fs::create_dir(root.join("policies")).unwrap();
        std::fs::write(root.join("policies/a.cedar"), "").unwrap();
        let noted = || {
            let mut files = Files::default();
            for name in ["tls.crt", "policies", "missing"] {
                files.note(&root.join(name));
            }
            files
        };

        let before = noted();
        std::fs::write(root.join("audit.jsonl"), "a record").unwrap();
        std::fs::write(root.join("policies/notes.txt"), "").unwrap();
        assert!(!before.changed());
        link("..two", &root.join("..next"));
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
        assert!(before.changed());
        let swapped = noted();
        assert!(!swapped.changed());
        std::fs::write(root.join("policies/b.cedar"), "").unwrap();
        assert!(swapped.changed());
        let added = noted();
        std::fs::write(root.join("missing"), "").unwrap();
        assert!(added.changed());
        // What was noted before a change is not noted anew.
        let mut again = added.clone();
        again.note(&root.join("missing"));
        assert!(again.changed());
    }
}
