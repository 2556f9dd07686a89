//! Policy text → checked rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};

use super::entities::named;
use super::filter::{Filter, in_scope};
use super::finding::{Lines, PolicyFinding, Severity};
use super::guard::Depends;
use super::lint::lint;
use super::reads::Reads;
use super::strict::{AT_ONCE, at_label, strict};
use crate::catalog::{Operation, catalog};

/// One file of policies.
#[derive(Debug, Clone)]
pub struct PolicySource {
    /// How the file is called in findings and in the ids of policies without `@id`: a path below the policy directory.
    pub name: String,
    /// Its text, in Cedar.
    pub text: String,
}

/// What becomes of a policy's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyMode {
    /// It decides.
    Enforce,
    /// It is asked, and what it would change is recorded.
    Shadow,
    /// It is checked at load and never asked.
    Off,
}

/// One policy, understood.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    /// Its Cedar id is `id`.
    pub(super) policy: Policy,
    pub(super) mode: PolicyMode,
    pub(super) reason: Option<Arc<str>>,
    pub(super) conceal: bool,
    /// It holds for lists with this filter only.
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) who: Who,
    /// The one principal whom the scope names, where it is for [`Who::Other`]; `None` there: for nobody.
    pub(super) only: Option<Arc<str>>,
    pub(super) about: About,
    pub(super) resource: Resources,
    /// No condition, and no particular resource: whether it applies depends on action and roles alone.
    pub(super) plain: bool,
    pub(super) reads: Reads,
    /// The objects that it names one by one.
    pub(super) named: Vec<EntityUid>,
    pub(super) depends: Depends,
    pub(super) place: Place,
}

/// Whom a policy's scope speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Everyone; `said` if in so many words (`principal is Principal`).
    Everyone { said: bool },
    /// Who has this role.
    Role(Arc<str>),
    /// One principal ([`Rule::only`]), or what no principal is, such as a role.
    Other,
}

/// Which resources a policy's scope speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resources {
    Any,
    /// Those of a type.
    Of(EntityTypeName),
    /// Particular ones.
    Some,
}

/// Which actions a policy's scope speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// All.
    Any,
    /// `action == Action::"…"`.
    Exactly(String),
    /// `action in …`: these and their members.
    Within(Vec<String>),
}

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl PolicyMode {
    /// The word in `@mode`, configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Enforce, Self::Shadow, Self::Off].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// Checks policy text as loading does, and returns every error and warning, by file and line.
pub fn validate(sources: &[PolicySource]) -> Vec<PolicyFinding> {
    check(catalog().operations(), sources).1
}

/// The rules of these files, sorted by id, and everything that is wrong or odd about them.
pub(super) fn check(operations: &[Operation], sources: &[PolicySource]) -> (Vec<Rule>, Vec<PolicyFinding>) {
    check_with(operations, sources, AT_ONCE)
}

/// The same with as many rules validated at once as [`strict`] is told.
pub(super) fn check_with(
    operations: &[Operation],
    sources: &[PolicySource],
    at_once: usize,
) -> (Vec<Rule>, Vec<PolicyFinding>) {
    let mut rules = Vec::new();
    let mut findings = Vec::new();
    for source in sources {
        read(source, &mut rules, &mut findings);
    }
    rules.sort_by(|one: &Rule, other: &Rule| one.id.cmp(&other.id));
    duplicates(&rules, &mut findings);
    rules.dedup_by(|later, earlier| later.id == earlier.id);
    filters(operations, &rules, &mut findings);
    match strict(operations, &rules, sources, at_once, &mut findings) {
        Ok(()) => lint(operations, &rules, &mut findings),
        Err(message) => findings.push(PolicyFinding {
            file: "irongate.cedarschema".to_owned(),
            line: 1,
            column: 1,
            severity: Severity::Error,
            policy: None,
            message,
            hint: Some("this is a fault of irongate's catalogue: please report it".to_owned()),
        }),
    }
    // Cedar calls a policy with an error impossible too.
    let broken: BTreeSet<Option<String>> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.policy.clone())
        .collect();
    findings.retain(|finding| {
        finding.severity == Severity::Error || finding.policy.is_none() || !broken.contains(&finding.policy)
    });
    findings.sort();
    findings.dedup();
    (rules, gather(findings))
}

/// Cedar says the same of every action that a policy is about: once will do.
fn gather(findings: Vec<PolicyFinding>) -> Vec<PolicyFinding> {
    let stem = |message: &str| message.split_once("Action::").map(|(stem, _)| stem.to_owned());
    let of_one_kind = |one: &PolicyFinding, other: &PolicyFinding| {
        let place = |finding: &PolicyFinding| (finding.file.clone(), finding.line, finding.column);
        place(one) == place(other)
            && (one.severity, &one.policy) == (other.severity, &other.policy)
            && stem(&one.message).is_some()
            && stem(&one.message) == stem(&other.message)
    };
    let mut gathered: Vec<(PolicyFinding, usize)> = Vec::new();
    for finding in findings {
        match gathered.last_mut() {
            Some((first, more)) if of_one_kind(first, &finding) => *more += 1,
            _ => gathered.push((finding, 0)),
        }
    }
    let named = |(finding, more): (PolicyFinding, usize)| match more {
        0 => finding,
        more => PolicyFinding { message: format!("{}, and for {more} more", finding.message), ..finding },
    };
    gathered.into_iter().map(named).collect()
}

fn read(source: &PolicySource, rules: &mut Vec<Rule>, findings: &mut Vec<PolicyFinding>) {
    let set: PolicySet = match source.text.parse() {
        Ok(set) => set,
        Err(errors) => {
            let errors: &cedar_policy::ParseErrors = &errors;
            let lines = Lines::new(&source.text);
            findings.extend(errors.iter().map(|error| at_label(error, source, &lines, None)));
            return;
        }
    };
    // An empty file is a copy that stopped, not an intention: of forbids it would leave nothing.
    if set.is_empty() {
        findings.push(PolicyFinding {
            file: source.name.clone(),
            line: 1,
            column: 1,
            severity: Severity::Error,
            policy: None,
            message: "holds no policy".to_owned(),
            hint: Some("if that is meant, remove the file, or what names it in the configuration".to_owned()),
        });
        return;
    }
    let file: Arc<str> = Arc::from(source.name.as_str());
    let lines = Lines::new(&source.text);
    for template in set.templates() {
        let place = lines.place(template.as_ref().loc().map_or(0, |loc| loc.start()));
        findings.push(PolicyFinding {
            file: source.name.clone(),
            line: place.0,
            column: place.1,
            severity: Severity::Error,
            policy: None,
            message: "templates are not supported".to_owned(),
            hint: Some("write the principal or resource in place of \"?principal\" and \"?resource\"".to_owned()),
        });
    }
    for policy in set.policies() {
        let (line, column) = lines.place(policy.as_ref().loc().map_or(0, |loc| loc.start()));
        rules.push(rule(policy, Place { file: Arc::clone(&file), line, column }, findings));
    }
}

fn rule(policy: &Policy, place: Place, findings: &mut Vec<PolicyFinding>) -> Rule {
    // Cedar numbers the policies of a text in their order: `policy0`, `policy1`, …
    let number = policy.id().to_string().trim_start_matches("policy").parse().map_or(0, |number: usize| number + 1);
    let json = if policy.has_non_scope_constraint() { evaluated(policy).to_json().ok() } else { None };
    let conditions = json.as_ref().and_then(|json| json.get("conditions"));
    let reads = Reads::of(policy, conditions);
    let conditions = conditions.and_then(serde_json::Value::as_array).map(Vec::as_slice);
    let mut rule = Rule {
        id: Arc::from(format!("{}#{number}", place.file)),
        policy: policy.clone(),
        mode: PolicyMode::Enforce,
        reason: None,
        conceal: false,
        filter: None,
        who: who(policy),
        only: only(policy),
        about: about(policy),
        resource: match policy.resource_constraint() {
            ResourceConstraint::Any => Resources::Any,
            ResourceConstraint::Is(kind) => Resources::Of(kind),
            ResourceConstraint::Eq(_) | ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => Resources::Some,
        },
        plain: is_plain(policy),
        reads,
        named: named(policy),
        depends: Depends::of(conditions, reads.context("write")),
        place,
    };
    for (name, value) in policy.annotations() {
        if let Err((message, hint)) = annotate(&mut rule, name, value) {
            findings.push(rule.place.finding(Severity::Error, None, message, Some(hint)));
        }
    }
    rule.policy = policy.new_id(PolicyId::new(&rule.id));
    if policy.effect() == Effect::Permit && (rule.reason.is_some() || rule.conceal) {
        findings.push(rule.finding(
            Severity::Warning,
            "\"@reason\" and \"@conceal\" have no effect here: a permit denies nobody".to_owned(),
            "put them on the forbid whose callers are to see them".to_owned(),
        ));
    }
    rule
}

/// The policy without its text. Its JSON is then what Cedar evaluates, its conditions joined and its shorthands written out;
/// that of a policy with its text is made by reading the text again, which takes longer than all the rest of loading.
pub(super) fn evaluated(policy: &Policy) -> Policy {
    policy.as_ref().clone().into()
}

fn annotate(rule: &mut Rule, name: &str, value: &str) -> Result<(), (String, String)> {
    let wrong = |message: &str, hint: &str| Err((message.to_owned(), hint.to_owned()));
    match name {
        "id" if is_id(value) => rule.id = Arc::from(value),
        "id" => return wrong("\"@id\" is not usable as an id", "use 1 to 128 characters of A-Z a-z 0-9 . _ : / -"),
        "mode" => match PolicyMode::parse(value) {
            Some(mode) => rule.mode = mode,
            None => return wrong(&format!("unknown mode {value:?}"), "write \"enforce\", \"shadow\" or \"off\""),
        },
        "reason" if is_line(value) => rule.reason = Some(Arc::from(value)),
        "reason" | "advisory" if !is_line(value) => {
            return wrong(
                &format!("\"@{name}\" is not one line of text"),
                "write 1 to 512 characters without control characters",
            );
        }
        "advisory" => {}
        "conceal" if value.is_empty() => rule.conceal = true,
        "conceal" => return wrong("\"@conceal\" takes no value", "write \"@conceal\" alone"),
        "filter" => match Filter::parse(value) {
            Some(filter) => rule.filter = Some(Arc::new(filter)),
            None => {
                return wrong(
                    "\"@filter\" is not a query parameter and its value",
                    "write \"project = principal.project_id\", principal.user_id, principal.name, or \"shard = 'a1'\"",
                );
            }
        },
        _ => {
            return wrong(
                &format!("unknown annotation \"@{name}\""),
                "irongate knows @id, @mode, @reason, @advisory, @conceal and @filter; write comments after \"//\"",
            );
        }
    }
    Ok(())
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-'))
}

fn is_line(text: &str) -> bool {
    (1..=512).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn who(policy: &Policy) -> Who {
    let role = |uid: &EntityUid| {
        if uid.type_name().basename() == "Role" { Who::Role(Arc::from(uid.id().unescaped())) } else { Who::Other }
    };
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Who::Everyone { said: false },
        PrincipalConstraint::Is(kind) if kind.basename() == "Principal" => Who::Everyone { said: true },
        PrincipalConstraint::In(uid) => role(&uid),
        PrincipalConstraint::IsIn(kind, uid) if kind.basename() == "Principal" => role(&uid),
        PrincipalConstraint::Eq(_) | PrincipalConstraint::Is(_) | PrincipalConstraint::IsIn(..) => Who::Other,
    }
}

/// `==` and `in` are the same: no principal is in another.
fn only(policy: &Policy) -> Option<Arc<str>> {
    let uid = match policy.principal_constraint() {
        PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) => uid,
        PrincipalConstraint::IsIn(kind, uid) if kind.basename() == "Principal" => uid,
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) | PrincipalConstraint::IsIn(..) => return None,
    };
    (uid.type_name().basename() == "Principal").then(|| Arc::from(uid.id().unescaped()))
}

fn about(policy: &Policy) -> About {
    let id = |uid: &EntityUid| uid.id().unescaped().to_owned();
    match policy.action_constraint() {
        ActionConstraint::Any => About::Any,
        ActionConstraint::Eq(uid) => About::Exactly(id(&uid)),
        ActionConstraint::In(uids) => About::Within(uids.iter().map(id).collect()),
    }
}

fn is_plain(policy: &Policy) -> bool {
    let any_resource = matches!(policy.resource_constraint(), ResourceConstraint::Any | ResourceConstraint::Is(_));
    any_resource && !policy.has_non_scope_constraint()
}

fn duplicates(rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for rule in rules {
        if let Some(place) = first.get(&*rule.id) {
            let message = format!("the id {:?} is used twice; first at {}:{}", rule.id, place.file, place.line);
            findings.push(rule.finding(Severity::Error, message, "give each policy an \"@id\" of its own".to_owned()));
        } else {
            first.insert(&rule.id, &rule.place);
        }
    }
}

/// Filters where Ironic would not hold to them.
fn filters(operations: &[Operation], rules: &[Rule], findings: &mut Vec<PolicyFinding>) {
    for rule in rules {
        let Some(filter) = &rule.filter else { continue };
        let (message, hint) = if rule.is_permit() && filter.is_never_met(in_scope(operations, &rule.about)) {
            let message = "Ironic reads this list in lower case, so that nothing meets this \"@filter\"".to_owned();
            (message, "write the value in lower case; what has capitals in its name cannot be filtered by in this way")
        } else if rule.is_permit() {
            let Some(operation) = filter.misplaced(in_scope(operations, &rule.about)) else { continue };
            (
                format!("\"@filter\" is for lists that Ironic filters by it, and {operation:?} is none"),
                "give the lists a policy of their own: `action in [Action::\"node:list\", Action::\"node:list_detail\"]`",
            )
        } else {
            ("\"@filter\" is for permits".to_owned(), "forbid lists without it: `unless { context.query has … }`")
        };
        findings.push(rule.finding(Severity::Error, message, hint.to_owned()));
    }
}

impl Rule {
    pub(super) fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// Whether it applies to every request in its scope.
    pub(super) fn is_unconditional(&self) -> bool {
        self.plain && self.who != Who::Other
    }

    pub(super) fn finding(&self, severity: Severity, message: String, hint: String) -> PolicyFinding {
        self.place.finding(severity, Some(&self.id), message, Some(hint))
    }
}

impl Place {
    fn finding(
        &self,
        severity: Severity,
        policy: Option<&str>,
        message: String,
        hint: Option<String>,
    ) -> PolicyFinding {
        PolicyFinding {
            file: self.file.to_string(),
            line: self.line,
            column: self.column,
            severity,
            policy: policy.map(str::to_owned),
            message,
            hint,
        }
    }
}
