//! A report in the words and numbers of its page.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Classes, Report};
use crate::catalog::catalog;
use crate::history::shown;
use crate::replay::Seen;

/// Columns of the heat map; callers beyond these are counted.
const COLUMNS_MAX: usize = 24;
/// Rows of the table of denials.
const DENIALS_MAX: usize = 500;
/// Bars of the trend.
const BARS_MAX: i64 = 48;
/// Shades of the heat map.
const SHADES: u32 = 5;
/// The trend's drawing, in units of its own.
const CHART_WIDTH: f64 = 960.0;
const CHART_HEIGHT: f64 = 150.0;

#[derive(Debug, Serialize)]
pub(super) struct View {
    from: String,
    until: String,
    records: String,
    decided: String,
    judged: bool,
    shadow: bool,
    calls: String,
    callers: usize,
    operations: usize,
    would_deny: String,
    would_deny_share: String,
    would_deny_callers: usize,
    denied: String,
    unknown: String,
    verdict: &'static str,
    aside: Vec<(String, &'static str)>,
    skipped: u64,
    columns: Vec<Column>,
    columns_more: usize,
    groups: Vec<Group>,
    denials: Vec<Denial>,
    denials_more: u64,
    roles: Vec<Role>,
    unused: usize,
    trend: Option<Trend>,
    suggestions: Vec<Suggestion>,
}

#[derive(Debug, Serialize)]
struct Column {
    caller: String,
    title: String,
    total: String,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    operation: String,
    route: String,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    count: u64,
    text: String,
    shade: u32,
    refused: u64,
    title: String,
}

#[derive(Debug, Serialize)]
struct Denial {
    caller: String,
    operation: String,
    path: String,
    rules: String,
    reason: String,
    would: bool,
    count: u64,
    text: String,
    first: String,
    last: String,
    request_id: String,
}

#[derive(Debug, Serialize)]
struct Role {
    name: String,
    granted: usize,
    used: usize,
    percent: usize,
    unused: Vec<String>,
    seen: bool,
}

#[derive(Debug, Serialize)]
struct Trend {
    width: f64,
    height: f64,
    bars: Vec<Bar>,
    unit: String,
    highest: String,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    label: String,
    x: f64,
    width: f64,
    parts: Vec<Part>,
    permitted: u64,
    would_deny: u64,
    denied: u64,
    unknown: u64,
}

#[derive(Debug, Serialize)]
struct Part {
    kind: &'static str,
    y: f64,
    height: f64,
}

#[derive(Debug, Serialize)]
struct Suggestion {
    caller: String,
    known_as: String,
    roles: Vec<String>,
    calls: String,
    operations: usize,
    denied: u64,
    would_deny: u64,
    cedar: String,
}

pub(super) fn view(report: &Report, suggestions: &[(String, String)]) -> View {
    let all = report.all;
    let calls = all.all();
    let callers: BTreeSet<&str> = report.cells.keys().map(|(_, caller)| caller.as_str()).collect();
    let operations: BTreeSet<&str> = report.cells.keys().map(|(operation, _)| operation.as_str()).collect();
    let would = report.cells.iter().filter(|(_, classes)| classes.would_deny > 0);
    let would_callers: BTreeSet<&str> = would.map(|((_, caller), _)| caller.as_str()).collect();
    let (columns, columns_more) = columns(report);
    let roles = roles(report);
    let moment = |moment: Option<jiff::Timestamp>| moment.map(minute).unwrap_or_default();
    let skipped = &report.learner.skipped;
    View {
        from: moment(report.span.map(|(first, _)| first)),
        until: moment(report.span.map(|(_, last)| last)),
        records: number(report.learner.records),
        decided: number(calls),
        judged: report.replay.is_some(),
        shadow: report.modes.contains("shadow"),
        calls: number(calls),
        callers: callers.len(),
        operations: operations.len(),
        would_deny: number(all.would_deny),
        would_deny_share: share(all.would_deny, calls),
        would_deny_callers: would_callers.len(),
        denied: number(all.denied),
        unknown: number(all.unknown),
        verdict: match (calls, all.would_deny, all.unknown) {
            (0, _, _) => "empty",
            (_, 0, 0) => "ready",
            (_, 0, _) => "unsure",
            _ => "blocking",
        },
        aside: report.learner.aside.iter().map(|(aside, count)| (number(*count), aside.as_str())).collect(),
        skipped: skipped.malformed + skipped.newer + skipped.other_kind,
        groups: groups(report, &columns),
        columns: columns.iter().map(|caller| column(report, caller)).collect(),
        columns_more,
        denials: denials(report),
        denials_more: report.more + u64::try_from(report.denials.len().saturating_sub(DENIALS_MAX)).unwrap_or_default(),
        unused: roles.iter().filter(|role| role.seen).map(|role| role.unused.len()).sum(),
        roles,
        trend: trend(&report.hours),
        suggestions: suggestions.iter().filter_map(|(caller, cedar)| suggestion(report, caller, cedar)).collect(),
    }
}

/// The callers with most calls, and how many more there are.
fn columns(report: &Report) -> (Vec<String>, usize) {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, caller), classes) in &report.cells {
        *totals.entry(caller).or_default() += classes.all();
    }
    let mut callers: Vec<(&str, u64)> = totals.into_iter().collect();
    callers.sort_by(|(one, count), (other, more)| more.cmp(count).then_with(|| one.cmp(other)));
    let beyond = callers.len().saturating_sub(COLUMNS_MAX);
    (callers.into_iter().take(COLUMNS_MAX).map(|(caller, _)| caller.to_owned()).collect(), beyond)
}

fn column(report: &Report, caller: &str) -> Column {
    let total = report.cells.iter().filter(|((_, of), _)| of == caller).map(|(_, classes)| classes.all()).sum();
    let title = known_as(report, caller).unwrap_or_else(|| shown(caller));
    Column { caller: shown(caller), title, total: number(total) }
}

fn known_as(report: &Report, caller: &str) -> Option<String> {
    report.learner.callers().get(caller).and_then(|used| used.known_as.as_deref()).map(shown)
}

fn groups(report: &Report, columns: &[String]) -> Vec<Group> {
    let greatest = report.cells.values().map(|classes| classes.all()).max().unwrap_or(1);
    let used: BTreeSet<&str> = report.cells.keys().map(|(operation, _)| operation.as_str()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for operation in catalog().operations().iter().filter(|operation| used.contains(operation.id.as_str())) {
        let name = operation.groups.first().map_or("other", |group| group.as_str());
        let cells = columns.iter().map(|caller| {
            let key = (operation.id.clone(), caller.clone());
            cell(report.cells.get(&key).copied().unwrap_or_default(), greatest, caller, &operation.id)
        });
        let row = Row {
            operation: operation.id.clone(),
            route: format!("{} {}", operation.method.as_str(), operation.path),
            cells: cells.collect(),
        };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { name: name.to_owned(), rows: vec![row] }),
        }
    }
    groups
}

fn cell(classes: Classes, greatest: u64, caller: &str, operation: &str) -> Cell {
    let count = classes.all();
    let refused = classes.would_deny + classes.denied;
    let mut title = format!("{}, {operation}: {} calls", shown(caller), number(count));
    for (count, what) in [
        (classes.would_deny, "would be denied"),
        (classes.denied, "denied"),
        (classes.unknown, "not to be told from the records"),
    ] {
        if count > 0 {
            title.push_str(&format!(", {} {what}", number(count)));
        }
    }
    Cell { count, text: short(count), shade: shade(count, greatest), refused, title }
}

/// By orders of magnitude, so that a caller with few calls is seen beside one with many.
fn shade(count: u64, greatest: u64) -> u32 {
    if count == 0 {
        return 0;
    }
    let (part, whole) = ((count + 1).ilog2(), (greatest + 1).ilog2().max(1));
    (part * SHADES).div_ceil(whole).clamp(1, SHADES)
}

fn denials(report: &Report) -> Vec<Denial> {
    let mut rows: Vec<_> = report.denials.iter().collect();
    rows.sort_by(|(one, seen), (other, more)| {
        (other.would, more.count).cmp(&(one.would, seen.count)).then_with(|| one.cmp(other))
    });
    let row = |(key, seen): (&super::DenialKey, &Seen)| Denial {
        caller: shown(&key.caller),
        operation: shown(&key.operation),
        path: shown(&key.path),
        rules: shown(&key.rules),
        reason: match key.reason.as_str() {
            "no_permit" => "no policy permits it".to_owned(),
            "forbidden" => "a policy forbids it".to_owned(),
            "indeterminate" => "a condition cannot be evaluated".to_owned(),
            other => shown(other).replace('_', " "),
        },
        would: key.would,
        count: seen.count,
        text: number(seen.count),
        first: minute(seen.first),
        last: minute(seen.last),
        request_id: shown(&seen.request_id),
    };
    rows.into_iter().take(DENIALS_MAX).map(row).collect()
}

fn roles(report: &Report) -> Vec<Role> {
    let mut roles: Vec<Role> = report
        .roles
        .iter()
        .map(|rights| {
            let used = report.used_by_role.get(&rights.role);
            let unused = rights.granted.iter().filter(|operation| used.is_none_or(|used| !used.contains(*operation)));
            let unused: Vec<String> = unused.cloned().collect();
            let granted = rights.granted.len();
            let used_count = granted - unused.len();
            let percent = (used_count * 100).checked_div(granted).unwrap_or_default();
            Role { name: shown(&rights.role), granted, used: used_count, percent, unused, seen: used.is_some() }
        })
        .collect();
    roles.sort_by(|one, other| {
        (other.seen, other.unused.len(), &one.name).cmp(&(one.seen, one.unused.len(), &other.name))
    });
    roles
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn trend(hours: &BTreeMap<i64, Classes>) -> Option<Trend> {
    let (first, last) = (*hours.keys().next()?, *hours.keys().next_back()?);
    let span = last - first + 1;
    // Whole hours, days or weeks, so that a bar has a name.
    let unit = [1, 3, 6, 12, 24, 24 * 7, 24 * 28].into_iter().find(|unit| span <= unit * BARS_MAX).unwrap_or(24 * 28);
    let start = first.div_euclid(unit);
    let count = last.div_euclid(unit) - start + 1;
    let mut bars = vec![Classes::default(); usize::try_from(count).ok()?];
    for (hour, classes) in hours {
        let Some(bar) = usize::try_from(hour.div_euclid(unit) - start).ok().and_then(|index| bars.get_mut(index))
        else {
            continue;
        };
        bar.permitted += classes.permitted;
        bar.would_deny += classes.would_deny;
        bar.denied += classes.denied;
        bar.unknown += classes.unknown;
    }
    let highest = bars.iter().map(|bar| bar.all()).max()?.max(1);
    let slot = CHART_WIDTH / (bars.len() as f64).max(12.0);
    let label = |index: usize| {
        let hour = (start + i64::try_from(index).unwrap_or_default()) * unit;
        jiff::Timestamp::from_second(hour * 3600).map(minute).unwrap_or_default()
    };
    let drawn: Vec<Bar> = bars
        .iter()
        .enumerate()
        .map(|(index, classes)| {
            let mut top = CHART_HEIGHT;
            let parts = [
                ("permitted", classes.permitted),
                ("unknown", classes.unknown),
                ("would-deny", classes.would_deny),
                ("denied", classes.denied),
            ];
            let parts = parts.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| {
                // What happened is seen, however seldom.
                let height = (count as f64 / highest as f64 * CHART_HEIGHT).max(2.0);
                top -= height;
                Part { kind, y: round(top), height: round(height) }
            });
            Bar {
                label: label(index),
                parts: parts.collect(),
                x: round(slot * index as f64 + slot * 0.12),
                width: round(slot * 0.76),
                permitted: classes.permitted,
                would_deny: classes.would_deny,
                denied: classes.denied,
                unknown: classes.unknown,
            }
        })
        .collect();
    let unit = match unit {
        1 => "hour".to_owned(),
        24 => "day".to_owned(),
        hours if hours < 24 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    };
    Some(Trend {
        width: CHART_WIDTH,
        height: CHART_HEIGHT,
        first: label(0),
        last: label(bars.len() - 1),
        bars: drawn,
        unit,
        highest: number(highest),
    })
}

fn suggestion(report: &Report, caller: &str, cedar: &str) -> Option<Suggestion> {
    let used = report.learner.callers().get(caller)?;
    let would_deny =
        report.cells.iter().filter(|((_, of), _)| of == caller).map(|(_, classes)| classes.would_deny).sum();
    Some(Suggestion {
        caller: shown(caller),
        known_as: known_as(report, caller).unwrap_or_default(),
        roles: used.roles.iter().map(|role| shown(role)).collect(),
        calls: number(used.calls),
        operations: used.operations().count(),
        denied: used.denied,
        would_deny,
        cedar: cedar.to_owned(),
    })
}

fn round(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

/// `1 234 567`, with thin spaces.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// For a cell: `950`, `1.2k`, `34k`, `5.6M`.
fn short(count: u64) -> String {
    let scaled = |unit: u64, letter: char| {
        let (whole, tenth) = (count / unit, count % unit * 10 / unit);
        if whole < 10 { format!("{whole}.{tenth}{letter}") } else { format!("{whole}{letter}") }
    };
    match count {
        0 => String::new(),
        1..1_000 => count.to_string(),
        1_000..1_000_000 => scaled(1_000, 'k'),
        _ => scaled(1_000_000, 'M'),
    }
}

/// In per cent with two significant digits; never 0 for something, never 100 for less than all.
fn share(part: u64, whole: u64) -> String {
    let tenths = (part * 1000).checked_div(whole).unwrap_or_default();
    match (part, tenths) {
        (0, _) => "0 %".to_owned(),
        (_, 0) => "less than 0.1 %".to_owned(),
        (_, tenths) if tenths < 100 => format!("{}.{} %", tenths / 10, tenths % 10),
        (_, tenths) => format!("{} %", tenths / 10),
    }
}

fn minute(time: jiff::Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}
