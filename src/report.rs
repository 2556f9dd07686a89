//! One page about a log: who calls what, what would be denied, which rights nobody uses, and the policy that would do:
//! `irongate policy report`.
//!
//! The page is one file that asks for nothing: its style and script are in it, and its content security policy admits
//! these two alone, by their digests. Every text of a record goes through [`history::shown`] and the template engine's
//! escaping.

mod view;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use crate::audit::read::RecordLine;
use crate::history::{self, Fate};
use crate::learn::{Learner, Window};
use crate::policy::{PolicyEngine, PolicyFinding, PolicySource, granted};
use crate::rejection::DEFAULT_DENY;
use crate::replay::{Decided, Replay, Seen, count};

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/script.js");

/// Hours of the trend that are told apart: two years.
const HOURS_MAX: usize = 24 * 366 * 2;

/// What became of a request, for the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Permitted.
    Permitted,
    /// Let through, and denied by what is judged.
    WouldDeny,
    /// Denied.
    Denied,
    /// Not to be told from its record.
    Unknown,
}

/// Requests by class.
#[derive(Debug, Clone, Copy, Default)]
struct Classes {
    permitted: u64,
    would_deny: u64,
    denied: u64,
    unknown: u64,
}

/// What is denied, and by what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DenialKey {
    caller: String,
    operation: String,
    path: String,
    rules: String,
    reason: String,
    /// Whether it was let through then.
    would: bool,
}

/// A report in the making.
#[derive(Debug)]
pub struct Report {
    learner: Learner,
    replay: Option<Replay>,
    roles: Vec<RoleRights>,
    cells: BTreeMap<(String, String), Classes>,
    denials: BTreeMap<DenialKey, Seen>,
    hours: BTreeMap<i64, Classes>,
    all: Classes,
    used_by_role: BTreeMap<String, BTreeSet<String>>,
    modes: BTreeSet<String>,
    span: Option<(jiff::Timestamp, jiff::Timestamp)>,
    /// Denials of groups beyond [`crate::replay::GROUPS_MAX`].
    more: u64,
}

/// What a role may do.
#[derive(Debug)]
struct RoleRights {
    role: String,
    granted: BTreeSet<String>,
}

impl Report {
    /// Judged by `policies`, or, if there are none, by what the records say would have been decided.
    ///
    /// # Errors
    /// What is wrong with the policies.
    pub fn new(policies: &[PolicySource], window: Window) -> Result<Self, Vec<PolicyFinding>> {
        let (mut replay, mut roles) = (None, Vec::new());
        if !policies.is_empty() {
            let engine = PolicyEngine::load(policies)?;
            roles.extend(engine.roles().iter().map(|role| RoleRights {
                role: role.to_string(),
                granted: granted(&engine, std::slice::from_ref(role)).map(|operation| operation.id.clone()).collect(),
            }));
            replay = Some(Replay::new(policies, true)?);
        }
        Ok(Self {
            learner: Learner::new(window, None),
            replay,
            roles,
            cells: BTreeMap::new(),
            denials: BTreeMap::new(),
            hours: BTreeMap::new(),
            all: Classes::default(),
            used_by_role: BTreeMap::new(),
            modes: BTreeSet::new(),
            span: None,
            more: 0,
        })
    }

    /// Takes one line of a log; `None` is one that was too long.
    pub fn line(&mut self, line: Option<&[u8]>) {
        if let Some(record) = self.learner.line(line) {
            self.record(&record);
        }
    }

    /// What was learned beside.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    fn record(&mut self, record: &RecordLine) {
        let (first, last) = self.span.unwrap_or((record.time, record.time));
        self.span = Some((first.min(record.time), last.max(record.time)));
        let Ok((fate, operation)) = history::fate(record) else { return };
        let caller = record.caller();
        // Callers that the learner does not tell apart any more are not told apart here either.
        if !self.learner.callers().contains_key(&caller) {
            return;
        }
        if self.modes.len() < 8 {
            self.modes.insert(record.mode.clone());
        }
        let class = self.judge(record, fate, &caller);
        self.all.note(class);
        self.cells.entry((operation.id.clone(), caller)).or_default().note(class);
        let hour = record.time.as_second().div_euclid(3600);
        if self.hours.len() < HOURS_MAX || self.hours.contains_key(&hour) {
            self.hours.entry(hour).or_default().note(class);
        }
        if fate == Fate::LetThrough {
            for role in record
                .principal
                .iter()
                .flat_map(|principal| &principal.roles)
                .filter(|role| self.roles.iter().any(|known| known.role == **role))
            {
                self.used_by_role.entry(role.clone()).or_default().insert(operation.id.clone());
            }
        }
    }

    fn judge(&mut self, record: &RecordLine, fate: Fate, caller: &str) -> Class {
        let key = |path: &str, rules: &str, reason: &str, would: bool| DenialKey {
            caller: caller.to_owned(),
            operation: record.operation.clone().unwrap_or_default(),
            path: path.to_owned(),
            rules: if rules.is_empty() { DEFAULT_DENY.to_owned() } else { rules.to_owned() },
            reason: reason.to_owned(),
            would,
        };
        let (class, key) = match (fate, &mut self.replay) {
            (Fate::Denied, _) => {
                let (path, reason) = (record.denied_path.as_deref(), record.reason.as_deref());
                let rules = record.policies.join(", ");
                (Class::Denied, key(path.unwrap_or_default(), &rules, reason.unwrap_or_default(), false))
            }
            (Fate::LetThrough, Some(replay)) => match replay.decide(record) {
                Ok((_, Decided::Deny { rules, reason, path })) => (Class::WouldDeny, key(&path, &rules, reason, true)),
                Ok((_, Decided::Permit { .. })) => return Class::Permitted,
                Ok((_, Decided::Unknown { .. })) | Err(_) => return Class::Unknown,
            },
            (Fate::LetThrough, None) => match &record.would_be {
                Some(would_be) if would_be.decision == "deny" => {
                    let path = would_be.path.as_deref().unwrap_or_default();
                    (Class::WouldDeny, key(path, &would_be.policies.join(", "), &would_be.reason, true))
                }
                _ => return Class::Permitted,
            },
        };
        self.more += u64::from(!count(&mut self.denials, key, record));
        class
    }

    /// The page. `suggest` gives a caller's policy.
    ///
    /// # Errors
    /// What the template engine says; a test proves that it has nothing to say.
    pub fn page(&self, suggestions: &[(String, String)]) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.add_template("page.html", PAGE).map_err(|error| error.to_string())?;
        let template = environment.get_template("page.html").map_err(|error| error.to_string())?;
        let view = view::view(self, suggestions);
        template
            .render(context! {
                style => Value::from_safe_string(STYLE.to_owned()),
                script => Value::from_safe_string(SCRIPT.to_owned()),
                style_digest => Value::from_safe_string(digest_of(STYLE)),
                script_digest => Value::from_safe_string(digest_of(SCRIPT)),
                version => env!("CARGO_PKG_VERSION"),
                report => Value::from(Serde(&view)),
            })
            .map_err(|error| error.to_string())
    }
}

impl Classes {
    const fn note(&mut self, class: Class) {
        match class {
            Class::Permitted => self.permitted += 1,
            Class::WouldDeny => self.would_deny += 1,
            Class::Denied => self.denied += 1,
            Class::Unknown => self.unknown += 1,
        }
    }

    const fn all(self) -> u64 {
        self.permitted + self.would_deny + self.denied + self.unknown
    }
}

/// As a content security policy names what it admits.
fn digest_of(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests;
