use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::*;

const BYTES_MAX: usize = 4096;

fn line(number: usize) -> Vec<u8> {
    format!("{number:0>200}\n").into_bytes()
}

fn audit(file: &Path) -> Audit {
    Audit::open(&AuditConfig { queue_bytes_max: BYTES_MAX, ..AuditConfig::to(AuditSink::File(file.to_owned())) })
        .unwrap()
}

/// A name that leads to the disk that is always full; later, to a file.
fn full(directory: &Path) -> PathBuf {
    let file = directory.join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    file
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread may sleep")]
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn numbers(text: &str) -> Vec<usize> {
    text.lines().map(|line| line.trim_start_matches('0').parse().unwrap_or(0)).collect()
}

#[tokio::test]
async fn while_the_disk_is_full_records_wait_then_classes_differ_and_nothing_that_waits_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let file = full(directory.path());
    let audit = audit(&file);
    let terms = AuditTerms { reads: OnFull::Drop, writes: OnFull::DenyWrites, ..AuditTerms::default() };
    audit.send(line(0), OnFull::Block);
    wait("the failure is noticed", || audit.counts().failing);
    assert!(!audit.is_well());
    assert_eq!(audit.room(RecordOf::Write, &terms).await, Ok(()));
    let mut sent = 1;
    while !audit.records.queue.is_full() {
        audit.send(line(sent), OnFull::Block);
        sent += 1;
    }
    assert_eq!(audit.counts().lost(), 0);

    assert_eq!(audit.room(RecordOf::Read, &terms).await, Ok(()));
    audit.send(line(999), OnFull::Drop);
    assert_eq!((audit.counts().lost_full, audit.counts().written), (1, 0));
    assert_eq!(audit.room(RecordOf::Write, &terms).await, Err(AuditFull));
    assert_eq!(audit.counts().refused, 1);
    // A record that may not be lost is taken; it was on its way.
    audit.send(line(sent), OnFull::Block);
    sent += 1;
    assert_eq!(audit.counts().lost(), 1);
    let waiting = tokio::spawn({
        let audit = audit.clone();
        async move { audit.room(RecordOf::Denial, &terms).await }
    });
    while audit.counts().waited == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());

    std::fs::remove_file(&file).unwrap();
    audit.reopen();
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(audit.flush(), 0);
    assert_eq!(numbers(&std::fs::read_to_string(&file).unwrap()), (0..sent).collect::<Vec<_>>());
    assert!(audit.is_well());
    assert_eq!(audit.counts().written, sent as u64);
}

#[test]
fn what_is_left_at_the_end_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let audit = audit(&full(directory.path()));
    for number in 0..3 {
        audit.send(line(number), OnFull::Drop);
    }
    wait("the failure is noticed", || audit.counts().failing);
    let counts = Arc::clone(&audit.records.counts);
    drop(audit);
    wait("the writer gives up", || counts.lost_at_end.load(Ordering::Relaxed) == 3);
}

#[test]
fn a_slow_pipe_holds_up_and_loses_nothing_within_the_bound() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let audit = audit(Path::new(&format!("/proc/self/fd/{}", writer.as_raw_fd())));
    drop(writer);
    // More than the pipe (64 kB) and the queue hold.
    let mut taken = 0;
    while audit.counts().lost() == 0 {
        audit.send(line(taken), OnFull::Drop);
        taken += usize::from(audit.counts().lost() == 0);
    }
    assert!(audit.counts().queue_bytes <= BYTES_MAX as u64);
    let mut text = vec![0; taken * 201];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(numbers(&String::from_utf8(text).unwrap()), (0..taken).collect::<Vec<_>>());
    assert_eq!(audit.flush(), 0);
    assert_eq!((audit.counts().lost_full, audit.counts().written), (1, taken as u64));
}

#[test]
fn a_reader_that_is_gone_is_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let file = directory.path().join("audit.jsonl");
    std::os::unix::fs::symlink(format!("/proc/self/fd/{}", writer.as_raw_fd()), &file).unwrap();
    let audit = audit(&file);
    drop((reader, writer));
    audit.send(line(1), OnFull::Drop);
    wait("the failure is noticed", || audit.counts().failing);
    std::fs::remove_file(&file).unwrap();
    audit.reopen();
    assert_eq!(audit.flush(), 0);
    assert_eq!(numbers(&std::fs::read_to_string(&file).unwrap()), [1]);
}

/// logrotate's two ways: `create` with USR1 afterwards, and `copytruncate`.
#[test]
fn rotation_loses_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let (moved, copied) = (directory.path().join("audit.jsonl.1"), directory.path().join("audit.jsonl.2"));
    let audit = audit(&file);
    let send = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            audit.send(line(number), OnFull::Block);
        }
        assert_eq!(audit.flush(), 0);
    };
    send(0..5);
    std::fs::rename(&file, &moved).unwrap();
    // Until it is told, it writes where it wrote.
    send(5..7);
    audit.reopen();
    wait("it is opened anew", || audit.counts().reopened == 1);
    send(7..9);
    std::fs::copy(&file, &copied).unwrap();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
    send(9..11);
    let read = |file: &Path| numbers(&std::fs::read_to_string(file).unwrap());
    assert_eq!(read(&moved), (0..7).collect::<Vec<_>>());
    assert_eq!(read(&copied), [7, 8]);
    assert_eq!(read(&file), [9, 10]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn where_the_new_file_cannot_be_opened_the_old_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("log");
    std::fs::create_dir(&folder).unwrap();
    let audit = audit(&folder.join("audit.jsonl"));
    std::fs::rename(&folder, directory.path().join("moved")).unwrap();
    audit.reopen();
    wait("it fails", || audit.counts().reopen_failed == 1);
    audit.send(line(4), OnFull::Block);
    assert_eq!(audit.flush(), 0);
    assert_eq!(numbers(&std::fs::read_to_string(directory.path().join("moved/audit.jsonl")).unwrap()), [4]);
}

#[test]
fn a_line_that_was_cut_off_is_closed_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    std::fs::write(&file, "1\n{\"cut").unwrap();
    let audit = audit(&file);
    audit.send(b"2\n".to_vec(), OnFull::Block);
    assert_eq!(audit.flush(), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1\n{\"cut\n2\n");
}
