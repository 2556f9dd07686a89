//! What `irongate policy test` prints.

use super::Tested;

/// For people: the failures, then one line, then the policies that no case shows at work.
pub(in crate::cli) fn text(tested: &Tested) -> String {
    let mut text = String::new();
    for run in &tested.runs {
        let Some(expected) = &run.failure else { continue };
        let case = &run.case;
        text.push_str(&format!(
            "{}:{}: {}\n    {} {}\n    expected: {expected}\n    found:    {}\n",
            run.file, case.line, case.name, case.method, case.target, run.found
        ));
    }
    let failed = tested.failed();
    text.push_str(&format!(
        "{} case(s): {} good, {failed} failed; {} of {} policies shown at work ({} %)\n",
        tested.runs.len(),
        tested.runs.len() - failed,
        tested.decisive,
        tested.policies,
        tested.coverage_percent()
    ));
    if !tested.never.is_empty() {
        text.push_str(&format!("never decisive: {}\n", tested.never.join(", ")));
    }
    if !tested.unnamed_roles.is_empty() {
        text.push_str(&format!("warning: roles that no policy names: {}\n", tested.unnamed_roles.join(", ")));
    }
    text
}

/// For programs.
pub(in crate::cli) fn json(tested: &Tested) -> String {
    let cases: Vec<serde_json::Value> = tested
        .runs
        .iter()
        .map(|run| {
            serde_json::json!({
                "file": run.file,
                "line": run.case.line,
                "name": run.case.name,
                "request": format!("{} {}", run.case.method, run.case.target),
                "good": run.failure.is_none(),
                "expected": run.failure,
                "found": run.found,
            })
        })
        .collect();
    let report = serde_json::json!({
        "cases": cases,
        "failed": tested.failed(),
        "unnamed_roles": tested.unnamed_roles,
        "coverage": {
            "policies": tested.policies,
            "decisive": tested.decisive,
            "percent": tested.coverage_percent(),
            "never": tested.never,
        },
    });
    format!("{report:#}\n")
}

/// For CI: JUnit's XML, a suite a file.
pub(in crate::cli) fn junit(tested: &Tested) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites tests=\"{}\" failures=\"{}\">\n", tested.runs.len(), tested.failed()));
    for runs in tested.runs.chunk_by(|one, other| one.file == other.file) {
        let file = runs.first().map(|run| run.file.as_str()).unwrap_or_default();
        let failures = runs.iter().filter(|run| run.failure.is_some()).count();
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">\n",
            escaped(file),
            runs.len()
        ));
        for run in runs {
            let case = &run.case;
            text.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
                escaped(file),
                escaped(&format!("{} ({} {})", case.name, case.method, case.target)),
                escaped(file),
                case.line
            ));
            match &run.failure {
                None => text.push_str("/>\n"),
                Some(expected) => text.push_str(&format!(
                    "><failure message=\"{}\"/></testcase>\n",
                    escaped(&format!("expected {expected}; found {}", run.found))
                )),
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text within an XML attribute. Control characters may not stand in XML at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}
