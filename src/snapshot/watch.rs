//! Reload when a file changes: the configuration, and everything that it names.
//!
//! Folders are watched and not files, because files are replaced: by a rename, or, in Kubernetes, by a link `..data` that
//! comes to point to another folder. An event only says that it is time to look; whether something changed is decided by
//! what the files are. They are also looked at from time to time without any event: not every file system tells
//! of changes.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Current;

/// Files that are written one after the other are read together: this long after the last event, …
const QUIET: Duration = Duration::from_millis(500);
/// … but no later than this after the first.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Between two looks without an event.
const LOOK: Duration = Duration::from_secs(15);

/// What distinguishes a file from the one that was there before.
type Stamp = (PathBuf, Option<(u64, u64, u64, i64, i64)>);

/// What the watched files are at a moment.
#[derive(Debug, PartialEq, Eq)]
struct Seen(Vec<Stamp>);

impl Seen {
    fn of(files: &[PathBuf]) -> Self {
        let mut stamps = Vec::new();
        for file in files {
            stamps.push(stamp(file));
            if file.is_dir()
                && let Ok(entries) = std::fs::read_dir(file)
            {
                let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                inside.retain(|path| path.extension().is_some_and(|extension| extension == "cedar"));
                inside.sort();
                stamps.extend(inside.iter().map(|path| stamp(path)));
            }
        }
        Self(stamps)
    }
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

/// The folders to watch: those with a file in them, and those that links on the way point into.
fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for file in files {
        let real = file.canonicalize().ok();
        for path in [Some(file), real.as_ref()].into_iter().flatten() {
            let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
            folders.extend(folder.filter(|folder| folder.is_dir()).map(Path::to_owned));
            // A folder may itself be a link that is replaced.
            folders.extend(path.parent().filter(|folder| folder.is_dir()).map(Path::to_owned));
        }
    }
    folders
}

/// Watches until `current` has no other owner, and calls `reload` when something changed, unless the configuration in force
/// says that this is no reason.
pub async fn watch<F, R>(current: Arc<Current>, reload: F)
where
    F: Fn() -> R,
    R: Future<Output = ()>,
{
    let (tell, mut told) = mpsc::channel::<()>(1);
    let on_event = move |event: notify::Result<notify::Event>| {
        // Reading files is an event too.
        if !matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_))) {
            tell.try_send(()).ok();
        }
    };
    let mut watcher = match notify::recommended_watcher(on_event) {
        Ok(watcher) => Some(watcher),
        Err(_) => {
            tracing::warn!("the system tells of no changed files; they are looked at from time to time");
            None
        }
    };
    let mut watched = BTreeSet::new();
    let mut files = current.files();
    let mut seen = Seen::of(&files);
    loop {
        let wanted = if current.load().watch { folders(&files) } else { BTreeSet::new() };
        follow(watcher.as_mut(), &mut watched, wanted);
        tokio::select! {
            event = told.recv(), if watcher.is_some() => {
                if event.is_none() {
                    return;
                }
                settle(&mut told).await;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = Seen::of(&files);
        if now != seen {
            // What changes while it is read is seen next time.
            seen = now;
            if current.load().watch {
                reload().await;
            }
            let named = current.files();
            if named != files {
                files = named;
                seen = Seen::of(&files);
            }
        }
    }
}

/// Returns when nothing has happened for a while.
async fn settle(told: &mut mpsc::Receiver<()>) {
    let quiet = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, told.recv()).await {} };
    tokio::time::timeout(QUIET_MAX, quiet).await.ok();
}

fn follow(watcher: Option<&mut RecommendedWatcher>, watched: &mut BTreeSet<PathBuf>, wanted: BTreeSet<PathBuf>) {
    let Some(watcher) = watcher else { return };
    for gone in watched.difference(&wanted) {
        watcher.unwatch(gone).ok();
    }
    // A folder that was removed and made again is another one: all are asked for again.
    for folder in &wanted {
        if watcher.watch(folder, RecursiveMode::NonRecursive).is_err() {
            tracing::debug!("a folder cannot be watched; it is looked at from time to time");
        }
    }
    *watched = wanted;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Seen, folders};

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
        let files = [root.join("tls.crt"), root.join("policies"), root.join("missing")];
        let seen = || Seen::of(&files);

        let before = seen();
        std::fs::write(root.join("audit.jsonl"), "a record").unwrap();
        std::fs::write(root.join("policies/notes.txt"), "").unwrap();
        assert_eq!(seen(), before);
        link("..two", &root.join("..next"));
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
        let swapped = seen();
        assert_ne!(swapped, before);
        std::fs::write(root.join("policies/b.cedar"), "").unwrap();
        let added = seen();
        assert_ne!(added, swapped);
        std::fs::write(root.join("missing"), "").unwrap();
        assert_ne!(seen(), added);
        let watched = folders(&files);
        assert!(watched.contains(root) && watched.contains(&root.join("policies")), "{watched:?}");
    }
}
