//! `irongate policy explain`: why a request is permitted or denied.

mod asked;
mod curl;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::sources;
use crate::authenticate::{Principal, SchemeName};
use crate::call::{Route, Write};
use crate::catalog::ResourceType;
use crate::cli::{FINDINGS, Format, USAGE, complain, load, print, say};
use crate::config::Config;
use crate::lookup::{self, Move, Moves};
use crate::microversion::Ceiling;
use crate::policy::{
    AccessRequest, Applicability, Circumstances, Decision, Explanation, NodeFields, ObjectFacts, Objects,
    PROPERTIES_MAX, Places, PolicyEngine, PolicySource, UnknownObjects, explain, queried_node,
};
use crate::{route, validate};
use asked::{object, recorded, written};

#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The configuration whose policies are asked.
    #[arg(long, value_name = "FILE", env = "IRONGATE_CONFIG", required_unless_present = "policies")]
    config: Option<PathBuf>,
    /// Directories with *.cedar files, or single files, instead.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path; the query may stand in it.
    #[arg(long, required_unless_present_any = ["request", "record", "curl"])]
    path: Option<String>,
    /// The request's query.
    #[arg(long)]
    query: Option<String>,
    /// A file with the request's body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The microversion. Without it a request of --curl or --request has the one that its headers say, or as at irongate
    /// 1.1 (or the configured pin) if they say none; one of --path has the latest.
    #[arg(long, value_name = "1.N")]
    microversion: Option<String>,
    /// The request as a line for curl: its method, URL, `Accept`, headers with the microversion, and body. Nothing is
    /// sent; who asks is said with --role, --scheme and --name.
    #[arg(long, value_name = "LINE", conflicts_with_all = ["path", "request", "record", "body", "query"])]
    curl: Option<String>,
    /// A file with a whole request as HTTP/1.1 has it, instead of method, path, query and body.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "record"])]
    request: Option<PathBuf>,
    /// An audit file; with --request-id. The decision is what `policy replay` says of the record: permit, deny, or unknown
    /// where it hangs on what the record does not hold. What each policy says below takes that for absent.
    #[arg(long, value_name = "FILE", requires = "request_id", conflicts_with = "path")]
    record: Option<PathBuf>,
    /// The request id of a record.
    #[arg(long, value_name = "req-UUID")]
    request_id: Option<String>,
    /// A role of the caller; repeat it for several.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How the caller was authenticated.
    #[arg(long, value_enum, default_value = "basic")]
    scheme: Scheme,
    /// The caller's name within the scheme.
    #[arg(long, default_value = "somebody")]
    name: String,
    /// The id of the project that the caller's Keystone token is scoped to.
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// The caller's Keystone token has system scope.
    #[arg(long, conflicts_with = "project")]
    system: bool,
    /// The caller's address.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// The listener's name.
    #[arg(long, default_value = "public")]
    listener: String,
    /// A file with the object as Ironic shows it (JSON); what belongs to a node has that under `node`.
    #[arg(long, value_name = "FILE")]
    resource: Option<PathBuf>,
    /// A file with the node that the writes name as their target, as Ironic shows it (JSON).
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Anonymous,
    Basic,
    Keystone,
    Jwt,
    Certificate,
}

impl Scheme {
    const fn name(self) -> SchemeName {
        match self {
            Self::Anonymous => SchemeName::Anonymous,
            Self::Basic => SchemeName::Basic,
            Self::Keystone => SchemeName::Keystone,
            Self::Jwt => SchemeName::Jwt,
            Self::Certificate => SchemeName::Certificate,
        }
    }
}

pub(super) fn run(arguments: &Explain) -> ExitCode {
    let ceiling = |config: &Config| match config.microversion_pin {
        Some(pin) => Ceiling::pinned(pin),
        None => Ceiling::new(Some(config.microversion_max), None),
    };
    let loaded = match (&arguments.config, arguments.policies.is_empty()) {
        (_, false) => sources(&arguments.policies).map(|sources| (sources, Arc::default(), Ceiling::default())),
        (Some(file), true) => load(file).map(|config| {
            let ceiling = ceiling(&config);
            (config.policies, config.places, ceiling)
        }),
        (None, true) => return complain(&[]),
    };
    let (sources, places, ceiling) = match loaded {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let engine = match PolicyEngine::load(&sources) {
        Ok(engine) => engine,
        Err(findings) => {
            findings.iter().for_each(|finding| say(&finding.to_string()));
            return ExitCode::from(USAGE);
        }
    };
    match answer(arguments, &engine, &sources, (places, ceiling)) {
        Ok((text, true)) => print(&text),
        Ok((text, false)) => {
            print(&text);
            ExitCode::from(FINDINGS)
        }
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::from(USAGE)
        }
    }
}

/// The whole answer, and whether everything is permitted.
fn answer(
    arguments: &Explain,
    engine: &PolicyEngine,
    sources: &[PolicySource],
    (places, ceiling): (Arc<Places>, Ceiling),
) -> Result<(String, bool), String> {
    let mut asked = match &arguments.record {
        Some(file) => recorded(arguments, file, sources)?,
        None => written(arguments)?,
    };
    let route = route::find(&asked.head, ceiling).map_err(|error| error.to_string())?;
    let operation = route.operation();
    if asked.head.headers.is_empty() {
        asked.notes.push(format!("the request names no microversion: it is 1.{}", route.microversion().minor()));
    }
    let resource = arguments.resource.as_deref().map(|file| object(file, operation.resource)).transpose()?;
    let target = arguments.target.as_deref().map(|file| object(file, ResourceType::Node)).transpose()?;
    let needs = engine.needs(operation, &asked.principal, false).union(engine.needs(operation, &asked.principal, true));
    let unknown = UnknownObjects {
        resource: needs.resource.is_some() && resource.is_none() && route.resource_id().is_some(),
        target: needs.target.is_some() && target.is_none(),
    };
    if unknown.resource {
        asked.notes.push("policies read the object: give it with --resource FILE; here it is unknown".to_owned());
    }
    if unknown.target {
        asked
            .notes
            .push("policies read the target of writes: give it with --target FILE; here it is unknown".to_owned());
    }
    let circumstances = Circumstances {
        source: arguments.source,
        now: jiff::Timestamp::now().as_second(),
        listener: Arc::from(arguments.listener.as_str()),
        places,
    };
    let question = Question {
        engine,
        principal: &asked.principal,
        circumstances: &circumstances,
        objects: Objects { resource: resource.as_ref(), target: target.as_ref(), cache: None },
        unknown,
    };
    let mut explanations = vec![question.explain(&route, None, &[])];
    match question.decide(&route) {
        Decision::Deny(_) => {
            if asked.body.is_some() || !asked.recorded.is_empty() {
                let is = if explanations.iter().any(|asked| asked.decision == "deny") { "is" } else { "may be" };
                asked.notes.push(format!("the request itself {is} denied, so its writes are not asked about"));
            }
        }
        Decision::Permit(_) if !asked.recorded.is_empty() => {
            let writes: Vec<Write<'_>> = asked
                .recorded
                .iter()
                .map(|(op, path)| Write {
                    op: *op,
                    path: path.clone(),
                    value: None,
                    step: None,
                    secret: false,
                    withheld: false,
                })
                .collect();
            explanations.extend(writes.iter().map(|write| question.explain(&route, Some(write), &writes)));
        }
        Decision::Permit(permit) => {
            // Of a record the query's values may be missing: only where it is sure is the filter told.
            if let Some(added) = permit.filter().filter(|_| asked.verdict.is_none_or(|verdict| verdict == "permit")) {
                asked.notes.push(format!("irongate adds {}={} to the query", added.parameter, added.value));
            }
            let call = validate::validate(route, asked.body.as_deref(), &permit)
                .map_err(|error| format!("the body is refused before any policy is asked: {error}"))?;
            let writes = validate::writes(&call);
            explanations.extend(writes.iter().map(|write| question.explain(call.route(), Some(write), &writes)));
            if let Some(known) = &resource {
                let after = question.after(known, target.as_ref(), call.route(), &writes)?;
                if !after.is_empty() {
                    asked.notes.push(
                        "writes that put the object elsewhere are asked about twice: where it is, and where it would be"
                            .to_owned(),
                    );
                }
                explanations.extend(after);
            }
        }
    }
    let any = |decision: &str| explanations.iter().any(|explanation| explanation.decision == decision);
    let found = ["deny", "unknown"].into_iter().find(|decision| any(decision)).unwrap_or("permit");
    let decision = asked.verdict.unwrap_or(found);
    let permitted = decision == "permit";
    let text = match arguments.format {
        Format::Json => {
            let document = serde_json::json!({
                "decision": decision, "notes": asked.notes, "questions": explanations,
            });
            format!("{document:#}\n")
        }
        Format::Text => {
            text(&explanations, &asked.notes, asked.verdict.or((decision == "unknown").then_some(decision)))
        }
    };
    Ok((text, permitted))
}

struct Question<'a> {
    engine: &'a PolicyEngine,
    principal: &'a Principal,
    circumstances: &'a Circumstances,
    objects: Objects<'a>,
    unknown: UnknownObjects,
}

impl Question<'_> {
    fn request<'q>(
        &'q self,
        route: &'q Route<'q>,
        write: Option<&'q Write<'q>>,
        siblings: &'q [Write<'q>],
    ) -> AccessRequest<'q> {
        AccessRequest {
            principal: self.principal,
            route,
            write,
            siblings,
            circumstances: self.circumstances,
            objects: self.objects,
        }
    }

    fn explain(&self, route: &Route<'_>, write: Option<&Write<'_>>, siblings: &[Write<'_>]) -> Explanation {
        let names_node = match write {
            Some(write) => matches!(lookup::moves(route, write), Some(Move::To(_) | Move::Also(_))),
            None => queried_node(route).is_some(),
        };
        let unknown = UnknownObjects { target: self.unknown.target && names_node, ..self.unknown };
        explain(self.engine, &self.request(route, write, siblings), unknown)
    }

    /// The writes that put the object elsewhere, asked about there.
    fn after(
        &self,
        resource: &ObjectFacts,
        target: Option<&ObjectFacts>,
        route: &Route<'_>,
        writes: &[Write<'_>],
    ) -> Result<Vec<Explanation>, String> {
        let kind = route.operation().resource;
        let resource = Arc::new(resource.clone());
        let needs = |writes| self.engine.needs(route.operation(), self.principal, writes).resource;
        let fields = needs(true).into_iter().chain(needs(false)).fold(NodeFields::default(), NodeFields::union);
        let mut moves = Moves::default();
        for write in writes {
            let place = lookup::moves(route, write).filter(|place| place.is_read(fields)).map(|place| {
                let node = match &place {
                    Move::To(identifier) | Move::Also(identifier) => {
                        target.filter(|node| node.is_called(identifier)).cloned().map(Arc::new)
                    }
                    Move::Within(_) => target.cloned().map(Arc::new),
                    Move::Away | Move::Attribute(..) => None,
                };
                (place, node)
            });
            moves.push(kind, Some(&resource), place);
        }
        if moves.overfull() && self.engine.needs(route.operation(), self.principal, true).reads_properties() {
            return Err(format!(
                "the request would leave the object with more than {PROPERTIES_MAX} properties, which policies read: irongate \
                 answers 503 (resource_unavailable)"
            ));
        }
        let mut explanations = Vec::new();
        for (index, write) in writes.iter().enumerate() {
            for place in moves.elsewhere(kind, index) {
                let objects =
                    Objects { resource: Some(&place), target: moves.target(index).map(|node| &**node), cache: None };
                let there = Question {
                    engine: self.engine,
                    principal: self.principal,
                    circumstances: self.circumstances,
                    objects,
                    unknown: UnknownObjects { resource: self.unknown.target, ..self.unknown },
                };
                explanations.push(there.explain(route, Some(write), writes));
            }
        }
        Ok(explanations)
    }

    fn decide(&self, route: &Route<'_>) -> Decision {
        self.engine.decide(&self.request(route, None, &[])).decision
    }
}

fn text(explanations: &[Explanation], notes: &[String], verdict: Option<&str>) -> String {
    let mut text = verdict.map(|verdict| format!("decision: {verdict}\n")).unwrap_or_default();
    for note in notes {
        push(&mut text, format_args!("note: {note}\n"));
    }
    for Explanation { action, write, decision, reason, decided_by, policies, would_permit } in explanations {
        let place = write.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let by = match (*decision, decided_by.is_empty()) {
            (_, true) => String::new(),
            ("unknown", false) => format!(": it hangs on {}", decided_by.join(", ")),
            (_, false) => format!(" by {}", decided_by.join(", ")),
        };
        push(&mut text, format_args!("{action}{place}: {decision}{reason}{by}\n"));
        for policy in policies {
            let outcome = match policy.outcome {
                Applicability::Applies => "applies",
                Applicability::DoesNotApply => "does not apply",
                Applicability::Error => "cannot be evaluated",
            };
            let mode = if policy.mode == "enforce" { String::new() } else { format!(" [{}]", policy.mode) };
            push(
                &mut text,
                format_args!(
                    "  {} {}{mode}: {outcome}  ({}:{})\n",
                    policy.effect, policy.policy, policy.file, policy.line
                ),
            );
            if let Some(part) = &policy.failed {
                let part = match part.part {
                    "filter" => part.source.clone(),
                    "when" | "unless" => format!("{}: {}", part.part, part.source),
                    _ => format!("scope {}: {}", part.part, part.source),
                };
                push(&mut text, format_args!("      fails at {part}\n"));
            }
        }
        if !would_permit.is_empty() {
            push(&mut text, format_args!("  what would permit it:\n"));
            for advice in would_permit {
                push(&mut text, format_args!("    {advice}\n"));
            }
        }
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
