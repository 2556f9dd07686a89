//! What is wrong, or odd, in policy text: for people and for programs.

use std::fmt;

use serde::Serialize;

/// One mistake in a policy file. It quotes policy text only, never a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyFinding {
    /// The file, as [`super::PolicySource::name`] gives it.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Whether the policies can be used all the same.
    pub severity: Severity,
    /// The policy's id, where one is known.
    pub policy: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policies cannot be loaded.
    Error,
    /// The policies can be loaded, but may not mean what their author thinks.
    Warning,
}

impl Severity {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for PolicyFinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, message, hint, policy: _ } = self;
        write!(formatter, "{file}:{line}:{column}: {}: {message}", severity.as_str())?;
        if let Some(hint) = hint {
            write!(formatter, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// The findings as a JSON array of objects with the fields of [`PolicyFinding`], on one line each.
pub fn findings_json(findings: &[PolicyFinding]) -> String {
    let lines: Vec<String> = findings.iter().filter_map(|finding| serde_json::to_string(finding).ok()).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n  {}\n]", lines.join(",\n  ")) }
}

/// Where the lines of a text begin, for many places in one text.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(index, _)| index + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// The line and column of a byte offset, both 1-based; columns are characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or_default();
        (line, self.text.get(start..offset).map_or(0, |text| text.chars().count()) + 1)
    }
}
