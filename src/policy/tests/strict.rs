//! Policies that are validated with others about the same actions get the findings that the whole schema gives them.

use proptest::prelude::*;

use super::super::finding::PolicyFinding;
use super::super::rule::{PolicySource, check_with};
use super::sliced::{OPERATIONS, configuration, policy};
use super::source;

/// Policies with something wrong in them.
const BROKEN: [&str; 16] = [
    "permit(principal, action == Action::\"nothing:known\", resource);",
    "permit(principal, action in [Action::\"read\", Action::\"nothing\"], resource);",
    "permit(principal, action == Action::\"read\", resource);",
    "permit(principal in Nobody::\"a\", action == Action::\"node:get\", resource);",
    "permit(principal == Role::\"a\", action in Action::\"power\", resource);",
    "forbid(principal, action == Action::\"port:update\", resource is Node);",
    "forbid(principal, action == Action::\"port:update\", resource == Node::\"n-1\");",
    "forbid(principal, action in Action::\"write\", resource is Nothing);",
    "permit(principal, action == Action::\"node:get\", resource) when { context.write.path == \"/x\" };",
    "permit(principal, action, resource) when { resource.owner == \"a\" };",
    "permit(principal, action in Action::\"node:update\", resource) when { context.write has value.string };",
    "permit(principal, action == Action::\"node:update:write\", resource) when { context.write.value.string == \"x\" };",
    "permit(principal, action == Action::\"ramdisk:heartbeat\", resource) when { context.microversion == \"1\" };",
    "permit(principal, action == Action::\"node:get\", resource) when { action in Action::\"nothing\" };",
    "permit(principal, action == Action::\"node:get\", resource) when { action in Action::\"power\" };",
    "permit(principal, action in Action::\"secrets:read\", resource) when { context.nothing };",
];

fn findings(sources: &[PolicySource], at_once: usize) -> Vec<PolicyFinding> {
    check_with(&OPERATIONS, sources, at_once).1
}

#[test]
fn each_is_found_with_the_whole_schema() {
    for (index, broken) in BROKEN.iter().enumerate() {
        let sources = [source("t.cedar", broken)];
        assert_ne!(findings(&sources, usize::MAX), [], "{index}");
    }
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn batches_find_what_the_whole_schema_finds(
        policies in proptest::collection::vec(
            prop_oneof![3 => policy(), 1 => proptest::sample::select(&BROKEN[..]).prop_map(str::to_owned)],
            2..12,
        ),
        at_once in 1..4_usize,
    ) {
        let all: Vec<PolicySource> =
            policies.iter().enumerate().map(|(index, text)| source(&format!("p{index}"), text)).collect();
        prop_assert_eq!(findings(&all, at_once), findings(&all, usize::MAX));
    }
}
