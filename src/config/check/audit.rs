//! `[audit]`: where records go and what happens if they cannot.

use std::path::Path;

use super::super::limits::BYTES_MAX;
use super::super::raw::{RawAudit, RawOnFull};
use super::super::{AuditConfig, AuditSink};
use super::Checker;
use crate::audit::{AuditTerms, OnFull, QUEUE_BYTES_MAX};

/// A record with everything that a record may hold has about 50 kB.
const QUEUE_BYTES_LEAST: usize = 256 * 1024;

impl Checker<'_> {
    pub(super) fn audit(&mut self, raw: &RawAudit) -> AuditConfig {
        let queue_bytes_max = raw.queue_bytes_max.as_ref().map_or(QUEUE_BYTES_MAX, |bytes| {
            let most = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX);
            if !(QUEUE_BYTES_LEAST..=most).contains(bytes.get_ref()) {
                let message = format!("audit.queue_bytes_max is between {QUEUE_BYTES_LEAST} and {most}");
                self.push(Some(bytes.span().start), message);
            }
            *bytes.get_ref()
        });
        let mut terms = match raw.on_full.as_ref().map(|on_full| (on_full.get_ref(), on_full.span().start)) {
            None => AuditTerms::default(),
            Some((RawOnFull::All(on_full), _)) => AuditTerms::all(*on_full),
            Some((RawOnFull::ByClass(classes), start)) => {
                let whole = AuditTerms::default();
                let terms = AuditTerms {
                    reads: classes.reads.unwrap_or(whole.reads),
                    writes: classes.writes.unwrap_or(whole.writes),
                    denials: classes.denials.unwrap_or(whole.denials),
                    ..whole
                };
                if [terms.reads, terms.denials].contains(&OnFull::DenyWrites) {
                    let message =
                        "audit.on_full: \"deny-writes\" is for writes only; reads and denials \"block\" or \"drop\"";
                    self.push(Some(start), message.to_owned());
                }
                terms
            }
        };
        if let Some(keep) = &raw.keep_one_read_in {
            if *keep.get_ref() == 0 {
                let message = "audit.keep_one_read_in must be at least 1, which keeps all".to_owned();
                self.push(Some(keep.span().start), message);
            }
            terms.keep_one_read_in = *keep.get_ref();
        }
        let sink = self.audit_sink(&raw.file);
        let cadf = raw.cadf_file.as_ref().map(|file| {
            let cadf = self.audit_sink(file.get_ref());
            if cadf == sink {
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
