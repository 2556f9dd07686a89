//! Reload when a file changes: the configuration, and everything that it names.
//!
//! Folders are watched and not files, because files are replaced: by a rename, or, in Kubernetes, by a link `..data` that
//! comes to point to another folder. An event only says that it is time to look; whether something changed is decided by
//! what the files are. They are also looked at from time to time without any event: not every file system tells
//! of changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Current;
use crate::config::Files;

/// Files that are written one after the other are read together: this long after the last event, …
const QUIET: Duration = Duration::from_millis(500);
/// … but no later than this after the first.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Between two looks without an event.
const LOOK: Duration = Duration::from_secs(15);

/// The folders to watch: those with a file in them, and those that links on the way point into.
fn folders(files: &Files) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for file in files.paths() {
        let real = file.canonicalize().ok();
        for path in [Some(file), real.as_deref()].into_iter().flatten() {
            let folder = if path.is_dir() { Some(path) } else { path.parent() };
            folders.extend(folder.filter(|folder| folder.is_dir()).map(Path::to_owned));
            // A folder may itself be a link that is replaced.
            folders.extend(path.parent().filter(|folder| folder.is_dir()).map(Path::to_owned));
        }
    }
    folders
}

/// Watches for as long as it is polled, and calls `reload` when something changed, unless the configuration in force says
/// that this is no reason.
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
    loop {
        let wanted = if current.load().watch { folders(&current.files()) } else { BTreeSet::new() };
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
        // Compared with what they were before they were read: what changed while they were read is seen now.
        if current.load().watch && current.files().changed() {
            reload().await;
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
    use super::{Files, folders};

    #[test]
    fn folders_on_the_way_are_watched() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for folder in ["real", "policies"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("real/tls.crt"), "").unwrap();
        std::os::unix::fs::symlink("real/tls.crt", root.join("tls.crt")).unwrap();
        let mut files = Files::default();
        for name in ["tls.crt", "policies", "missing"] {
            files.note(&root.join(name));
        }
        let expected = ["", "real", "policies"].map(|folder| root.join(folder));
        assert!(expected.iter().all(|folder| folders(&files).contains(folder)), "{:?}", folders(&files));
    }
}
