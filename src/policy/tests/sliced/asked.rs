//! Random requests.

use super::*;

fn node() -> impl Strategy<Value = ObjectFacts> {
    let parts = (
        proptest::sample::select(&["n-1", "n-2"][..]),
        proptest::option::of(proptest::sample::select(&["p1", "p2"][..])),
        proptest::option::of(any::<bool>()),
        proptest::option::of(proptest::sample::select(&["r1", "r2"][..])),
    );
    parts.prop_map(|(name, owner, maintenance, rack)| {
        ObjectFacts::node(&serde_json::json!({
            "uuid": format!("uuid-of-{name}"), "name": name, "owner": owner, "lessee": owner, "maintenance": maintenance,
            "properties": {"rack": rack},
        }))
        .unwrap()
    })
}

fn write() -> impl Strategy<Value = AskWrite> {
    let paths = ["/extra/x", "/driver_info/redfish_address", "/name", "/owner", "/extra/a/b", ""];
    let values = [
        None,
        Some(text("x")),
        Some(text("two words")),
        Some(text("False")),
        Some(text("http://h.example/")),
        Some(text("https://u@images.example:8443/k")),
        Some(text("http://127.0.0.1/")),
        Some(text(" http://odd.example/")),
        Some(text("192.0.2.7")),
        Some(Json::String("http://h.example/".repeat(300).into())),
        Some(Json::Integer(1)),
        Some(Json::Boolean(true)),
        Some(Json::Null),
        Some(Json::Array(vec![text("x"), Json::Null])),
    ];
    let step = proptest::sample::select(&[None, None, Some(("deploy", "a", Some("b"))), Some(("bios", "a", None))][..]);
    (
        proptest::sample::select(vec![WriteOp::Add, WriteOp::Replace, WriteOp::Remove]),
        proptest::sample::select(paths.to_vec()),
        proptest::sample::select(values.to_vec()),
        (step, proptest::bool::weighted(0.1)),
    )
        .prop_map(|(op, path, value, (step, secret))| AskWrite {
            path,
            op,
            value: value.filter(|_| op != WriteOp::Remove),
            step,
            secret,
        })
}

/// A request; its writes are the `others`.
pub(super) fn asked() -> impl Strategy<Value = Ask> {
    let roles = proptest::sample::subsequence(vec!["d", "c", "b", "a"], 0..=4);
    (
        (
            proptest::sample::select(&["p1", "p2"][..]),
            roles,
            0..OPERATIONS.len(),
            proptest::collection::vec(write(), 0..4),
        ),
        (proptest::sample::select(&["n-1", "N-1", "n-2"][..]), proptest::sample::select(&[1_u16, 2, 115][..])),
        proptest::sample::select(&[None, Some("10.1.1.1"), Some("192.0.2.1")][..]),
        (1_767_225_600_i64..1_767_225_603, proptest::sample::select(&["public", "inner"][..]), any::<bool>()),
        (proptest::option::of(node()), proptest::option::of(node())),
    )
        .prop_map(
            |(
                (name, roles, operation, others),
                (id, microversion),
                source,
                (now, listener, with_query),
                (resource, target),
            )| {
                let operation = &OPERATIONS[operation];
                let mut asked = ask_of(&roles, operation);
                if operation.resource_parameter.as_deref() == Some("node") {
                    asked = asked.parameter("node", id);
                }
                if with_query && operation.query.iter().any(|field| field.name == "fields") {
                    asked = asked.query("fields", "uuid,name");
                }
                let others = if has_writes(operation) { others } else { Vec::new() };
                let kind = operation.resource;
                asked.resource = resource.filter(|_| has_attributes(kind)).map(|facts| {
                    if kind == crate::catalog::ResourceType::Node {
                        facts
                    } else {
                        ObjectFacts::of_node(&serde_json::json!({"uuid": "p-uuid"}), Some(Arc::new(facts))).unwrap()
                    }
                });
                // An object is not at once there and not there.
                let unknown = asked.resource.is_none() && kind == crate::catalog::ResourceType::Node;
                let is_resource = |facts: &ObjectFacts| unknown && facts.name.as_deref() == Some(&id.to_lowercase());
                let target = target.filter(|facts| !is_resource(facts));
                // Nor has it two owners: an object that is resource and target is looked up once.
                asked.target = target.map(|facts| {
                    let of_node = asked.resource.as_ref().and_then(|resource| resource.node.as_deref());
                    let mut seen = asked.resource.iter().chain(of_node);
                    seen.find(|seen| seen.uuid == facts.uuid).cloned().unwrap_or(facts)
                });
                Ask { name, microversion, source, now, listener, others, ..asked }
            },
        )
}

/// What is asked about a request: it as a whole, and each of its writes. Of the writes every second puts it at a node.
pub(super) fn questions(request: &Ask) -> Vec<Ask> {
    let of_node = lists_of_node(request.operation);
    let whole = Ask { others: Vec::new(), target: request.target.clone().filter(|_| of_node), ..request.clone() };
    let writes = (0..request.others.len()).map(|index| {
        let mut others = request.others.clone();
        let write = Some(others.remove(index));
        Ask { write, others, target: request.target.clone().filter(|_| index % 2 == 0), ..request.clone() }
    });
    std::iter::once(whole).chain(writes).collect()
}
