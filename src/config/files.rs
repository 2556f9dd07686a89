//! The files that a configuration names: how they were before they were read, and the one way to read them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

    use super::Files;

    fn link(to: &str, at: &Path) {
        std::os::unix::fs::symlink(to, at).unwrap();
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
