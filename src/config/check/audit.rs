//! `[audit]`: where records go and what happens if they cannot.

use std::path::Path;

use super::super::limits::BYTES_MAX;
use super::super::raw::{RawAudit, RawOnFull, RawOnFullClasses};
use super::super::{AuditConfig, AuditSink, files};
use super::Checker;
use crate::audit::{AuditTerms, OnFull};

/// A record with everything that a record may hold has about 50 kB.
const QUEUE_BYTES_LEAST: usize = 256 * 1024;

impl Checker<'_> {
    pub(super) fn audit(&mut self, raw: &RawAudit) -> AuditConfig {
        let most = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX);
        let queue_bytes_max = *raw.queue_bytes_max.get_ref();
        if !(QUEUE_BYTES_LEAST..=most).contains(&queue_bytes_max) {
            let message = format!("audit.queue_bytes_max is between {QUEUE_BYTES_LEAST} and {most}");
            self.push(Some(raw.queue_bytes_max.span().start), message);
        }
        let keep_one_read_in = *raw.keep_one_read_in.get_ref();
        if keep_one_read_in == 0 {
            let message = "audit.keep_one_read_in must be at least 1, which keeps all".to_owned();
            self.push(Some(raw.keep_one_read_in.span().start), message);
        }
        let mut terms = match raw.on_full.get_ref() {
            RawOnFull::All(on_full) => AuditTerms::all(*on_full),
            RawOnFull::ByClass(RawOnFullClasses { reads, writes, denials }) => {
                if [reads, denials].contains(&&OnFull::DenyWrites) {
                    let message =
                        "audit.on_full: \"deny-writes\" is for writes only; reads and denials \"block\" or \"drop\"";
                    self.push(Some(raw.on_full.span().start), message.to_owned());
                }
                AuditTerms { reads: *reads, writes: *writes, denials: *denials, ..AuditTerms::default() }
            }
        };
        terms.keep_one_read_in = keep_one_read_in;
        let sink = self.audit_sink(raw.file.get_ref());
        let cadf = raw.cadf_file.as_ref().map(|file| {
            let cadf = self.audit_sink(file.get_ref());
            if same(&sink, &cadf) {
                let message =
                    "audit.cadf_file and audit.file must differ: two writers would mix their lines".to_owned();
                self.push(Some(file.span().start), message);
            }
            cadf
        });
        AuditConfig { sink, cadf, queue_bytes_max, terms }
    }

    fn audit_sink(&self, file: &Path) -> AuditSink {
        if file == Path::new("-") { AuditSink::Stdout } else { AuditSink::File(self.path(file)) }
    }
}

fn same(one: &AuditSink, other: &AuditSink) -> bool {
    match (one, other) {
        (AuditSink::File(one), AuditSink::File(other)) => files::same(one, other),
        (AuditSink::Stdout, AuditSink::File(path)) | (AuditSink::File(path), AuditSink::Stdout) => {
            files::is_standard_output(path)
        }
        (AuditSink::Stdout, AuditSink::Stdout) => true,
    }
}
