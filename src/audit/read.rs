//! Reads records: for whatever follows, learns from, replays or reports on them.
//!
//! A reader takes any version that it knows, ignores fields that it does not know, and misses none that a version of
//! irongate did not write yet. A line of another kind is no record and no mistake.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

/// A record as it was written; `docs/audit.md` explains the fields. What is absent there is `None` or empty here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "docs/audit.md documents the fields")]
pub struct RecordLine {
    pub kind: String,
    pub version: u32,
    pub time: jiff::Timestamp,
    pub request_id: String,
    pub global_request_id: Option<String>,
    pub listener: String,
    pub source: Option<IpAddr>,
    pub http: String,
    pub principal: Option<PrincipalLine>,
    pub operation: Option<String>,
    pub resource: Option<ResourceLine>,
    pub parameters: BTreeMap<String, String>,
    pub microversion: Option<String>,
    pub query: Vec<String>,
    pub query_values: BTreeMap<String, QueryValue>,
    pub writes: Vec<WriteLine>,
    pub writes_more: u64,
    pub mode: String,
    pub revision: String,
    pub decision: String,
    pub policies: Vec<String>,
    pub denied_path: Option<String>,
    pub would_be: Option<WouldBeLine>,
    pub would_refuse: Option<String>,
    pub stage: Option<String>,
    pub reason: Option<String>,
    pub status: Option<u16>,
    pub upstream_status: Option<u16>,
    pub upstream_request_id: Option<String>,
    pub outcome: String,
    pub one_of: Option<u32>,
    pub request_bytes: u64,
    pub answer_bytes: u64,
    pub masked: u64,
    pub would_mask: u64,
    pub duration_us: u64,
    pub upstream_us: Option<u64>,
}

/// Who asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "docs/audit.md documents the fields")]
pub struct PrincipalLine {
    pub scheme: String,
    pub name: String,
    pub roles: Vec<String>,
    pub bindings: Vec<String>,
    pub keystone: Option<KeystoneLine>,
}

/// What Keystone said of the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "docs/audit.md documents the fields")]
pub struct KeystoneLine {
    pub user: String,
    pub user_domain: String,
    pub user_domain_id: String,
    pub scope: String,
    pub project_id: Option<String>,
    pub project: Option<String>,
    pub project_domain_id: Option<String>,
    pub domain_id: Option<String>,
    pub roles: Vec<String>,
    pub application_credential_id: Option<String>,
    pub trust_id: Option<String>,
    pub service_roles: Vec<String>,
}

/// What it was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResourceLine {
    /// The resource's type, as policies call it.
    #[serde(rename = "type")]
    pub kind: String,
    /// As the caller wrote it; `None` for collections and the API itself.
    pub id: Option<String>,
}

/// The value of a query parameter; those that are not told are absent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum QueryValue {
    /// One text, numbers and booleans as they are written.
    Text(String),
    /// A list's items, in the caller's order.
    List(Vec<String>),
}

/// One write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WriteLine {
    /// `add`, `replace`, `remove`.
    pub op: String,
    /// A JSON Pointer.
    pub path: String,
    /// `interface.step`.
    pub step: Option<String>,
    /// The step's argument.
    pub argument: Option<String>,
    /// Whether the value is a secret: then only its kind is told.
    pub secret: bool,
    /// Whether path, step or argument are cut off.
    pub cut: bool,
    /// `None` for `remove`.
    pub value: Option<ValueLine>,
}

/// Facts about a written value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ValueLine {
    /// `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`.
    pub kind: String,
    /// Of strings (bytes), arrays and objects; not of secrets.
    pub length: Option<u64>,
    /// What Ironic reads as a boolean.
    pub boolean: Option<bool>,
    /// Where the catalogue says that the field is an integer.
    pub integer: Option<i64>,
    /// Where the text is a word of irongate's own vocabulary; any other text is withheld.
    pub string: Option<String>,
    /// `word`, `line`, `text`.
    pub spelling: Option<String>,
    /// The configured places that it is in.
    pub places: Vec<String>,
    /// Where it leads, if it looks like a URL.
    pub url: Option<UrlLine>,
}

/// A URL without path and user information.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UrlLine {
    /// Whether all readers agree about it.
    pub plain: bool,
    /// `None`: not one of the known schemes, and host and port are withheld with it.
    pub scheme: Option<String>,
    /// Lower case; empty if there is none.
    pub host: Option<String>,
    /// The host, if it is an address.
    pub address: Option<IpAddr>,
    /// The port that is written.
    pub port: Option<u16>,
    /// Whether there is a `user:password@`.
    pub userinfo: bool,
}

/// What would have been decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "docs/audit.md documents the fields")]
pub struct WouldBeLine {
    pub decision: String,
    pub reason: String,
    pub policies: Vec<String>,
    pub path: Option<String>,
}

/// Why a line is no record that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or fields of other types.
    #[error("the line is not a record")]
    Malformed,
    /// JSON of another kind: a log line, for example.
    #[error("the line is of another kind")]
    OtherKind,
    /// A version that this irongate does not know.
    #[error("the record is of a newer version")]
    Newer,
}

impl RecordLine {
    /// Reads one line, with or without its end.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let record: Self = serde_json::from_slice(line).map_err(|_| LineError::Malformed)?;
        if record.kind != "decision" {
            return Err(LineError::OtherKind);
        }
        if record.version > u32::from(super::line::VERSION) {
            return Err(LineError::Newer);
        }
        Ok(record)
    }

    /// Whether everything that policies could see of the request is here but texts that are withheld by rule: no write
    /// and no name is missing.
    pub fn is_complete(&self) -> bool {
        self.writes_more == 0 && !self.writes.iter().any(|write| write.cut)
    }

    /// The caller as people name it: `scheme:name`, or `anonymous`; empty if nobody was proven.
    pub fn caller(&self) -> String {
        match &self.principal {
            Some(principal) if principal.scheme == "anonymous" => principal.scheme.clone(),
            Some(principal) => format!("{}:{}", principal.scheme, principal.name),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_ignored_and_what_is_missing_is_empty() {
        let line = br#"{"kind":"decision","version":1,"time":"2026-01-02T03:04:05Z","novel":{"a":[1]},
            "principal":{"scheme":"basic","name":"a","novel":1},"writes":[{"op":"add","path":"/a","novel":1}]}"#;
        let record = RecordLine::parse(line).unwrap();
        assert_eq!(record.caller(), "basic:a");
        assert_eq!(record.writes.len(), 1);
        assert!(record.is_complete() && record.query.is_empty() && record.status.is_none());
        let bare = RecordLine::parse(br#"{"kind":"decision"}"#).unwrap();
        assert_eq!((bare.caller(), bare.version), (String::new(), 0));
    }

    #[test]
    fn other_lines_are_told_apart() {
        for (line, expected) in [
            ("", LineError::Malformed),
            ("{", LineError::Malformed),
            ("[]", LineError::OtherKind),
            (r#"{"kind": 1}"#, LineError::Malformed),
            (r#"{"kind": "decision", "status": "200"}"#, LineError::Malformed),
            (r#"{"kind": "log", "message": "x"}"#, LineError::OtherKind),
            (r#"{"kind": "decision", "version": 99}"#, LineError::Newer),
        ] {
            assert_eq!(RecordLine::parse(line.as_bytes()), Err(expected), "{line}");
        }
    }
}
