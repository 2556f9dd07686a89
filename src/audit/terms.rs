//! What becomes of records that the sink does not take fast enough, and of the many records of reads.

use serde::{Deserialize, Serialize};

use crate::catalog::{Method, Operation};

/// What happens while the queue of records is full: the sink is too slow, or cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// Requests wait until there is room: nothing is done that is not recorded.
    #[default]
    Block,
    /// Calls that may change something are refused (503) before Ironic hears of them.
    DenyWrites,
    /// Requests go on; records are lost, and counted.
    Drop,
}

/// What a record is of: which of them are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOf {
    /// Of a `GET` that was not refused.
    Read,
    /// Of any other call that was not refused.
    Write,
    /// Of a request that irongate refused.
    Denial,
}

impl RecordOf {
    /// Of a call that is not refused.
    pub fn call(operation: &Operation) -> Self {
        if operation.method == Method::Get { Self::Read } else { Self::Write }
    }
}

/// What the configuration says of each of them. Part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditTerms {
    /// For reads: block or drop.
    pub reads: OnFull,
    /// For writes.
    pub writes: OnFull,
    /// For denials: block or drop.
    pub denials: OnFull,
    /// One of this many reads without anything remarkable is recorded; 1: all.
    pub keep_one_read_in: u32,
}

impl Default for AuditTerms {
    fn default() -> Self {
        Self::all(OnFull::Block)
    }
}

impl AuditTerms {
    /// The same for all. Where writes are denied, reads and denials go on unrecorded.
    pub const fn all(on_full: OnFull) -> Self {
        let others = match on_full {
            OnFull::Block => OnFull::Block,
            OnFull::DenyWrites | OnFull::Drop => OnFull::Drop,
        };
        Self { reads: others, writes: on_full, denials: others, keep_one_read_in: 1 }
    }

    /// What holds for a record of this.
    pub const fn on_full(&self, of: RecordOf) -> OnFull {
        match of {
            RecordOf::Read => self.reads,
            RecordOf::Write => self.writes,
            RecordOf::Denial => self.denials,
        }
    }
}
