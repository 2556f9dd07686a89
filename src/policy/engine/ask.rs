//! A question to the policies of one action: what is known is answered at once, the rest is put to Cedar.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Context, Entities, Entity, EntityId, EntityUid, PolicyId, PolicySet, Request, Response,
};

use super::{
    ActionPolicies, Conclusion, Granted, Inquiry, OperationPolicies, PolicyEngine, PolicySubset, Slice, indeterminate,
};
use crate::call::Write;
use crate::policy::context::{Aside, QuestionEntities, QuestionTerms, asked, entities};
use crate::policy::filter::Fit;
use crate::policy::guard::{Depends, Seen, holds};
use crate::policy::resource::{Findings, Objects, has_attributes};
use crate::policy::roles::{Memo, RoleTable};
use crate::policy::rule::{Resources, Rule, Who};
use crate::policy::{AccessRequest, Denial, DenialReason};

impl PolicyEngine {
    pub(super) fn conclusion(
        &self,
        request: &AccessRequest<'_>,
        entry: &OperationPolicies,
        action: &ActionPolicies,
        slice: &Slice,
        table: &RoleTable,
        aside: Option<Aside<'_>>,
    ) -> Conclusion {
        let subset = match table.memo(slice.slot, || self.memo(entry, action, &slice.subset, table)) {
            Some(Memo::Constant(conclusion)) => return conclusion.clone(),
            Some(Memo::Ask(subset)) => subset,
            None => &slice.subset,
        };
        if aside.is_none() && !subset.concealing.is_empty() && is_missing(request) {
            let speaks = |index: &usize| {
                self.rules.get(*index).is_some_and(|rule| rule.scope_holds(table, entry) != Some(false))
            };
            let concealing: Vec<usize> = subset.concealing.iter().copied().filter(speaks).collect();
            if !concealing.is_empty() {
                return self.denial(DenialReason::Forbidden, concealing);
            }
        }
        let inquiry =
            Inquiry { request, entry, action, table, aside, literals: subset.literals(&self.rules), whole: subset };
        let found = match request.write {
            Some(write) => self.about_write(inquiry, write),
            None => self.once(inquiry, subset),
        };
        found.map_or_else(indeterminate, |found| self.conclude(found))
    }

    /// Asks about a write: what looks at nothing of it once for the whole request, and of the rest only what is not
    /// known without Cedar.
    fn about_write(&self, inquiry: Inquiry<'_>, write: &Write<'_>) -> Option<Findings> {
        let seen = Seen::new(write);
        let mut found = Findings::default();
        let mut rest = Vec::new();
        for index in &inquiry.whole.rules {
            let rule = self.rules.get(*index)?;
            let known = match &rule.depends {
                Depends::Request if rule.is_constant() => true,
                Depends::Request => continue,
                Depends::Write { guard, whole } => match holds(guard, &seen) {
                    Some(false) => continue,
                    held => *whole && held.is_some(),
                },
            };
            match rule.scope_holds(inquiry.table, inquiry.entry).filter(|holds| known || !holds) {
                Some(true) => found.applied.push(*index),
                Some(false) => {}
                None => rest.push(*index),
            }
        }
        let request = inquiry.whole.request.get_or_init(|| self.request_subset(inquiry.whole));
        if let Some(request) = request {
            found.add(self.once(inquiry, request)?);
        }
        if !rest.is_empty() {
            found.add(self.ask(inquiry, &self.smaller_subset(rest))?);
        }
        Some(found)
    }

    /// Asks about what is the same for all writes, and perhaps for the request too, once.
    fn once(&self, inquiry: Inquiry<'_>, subset: &PolicySubset) -> Option<Findings> {
        let ask = || self.ask(inquiry, subset);
        let of_writes = inquiry.request.write.is_some();
        match inquiry.request.objects.cache {
            Some(cache) if subset.reads.of_request() => cache.remember((subset.number, false), ask),
            Some(cache) if of_writes => cache.remember((subset.number, true), ask),
            Some(_) | None => ask(),
        }
    }

    /// Those of a subset's rules that are the same for every write of a request.
    fn request_subset(&self, subset: &PolicySubset) -> Option<Arc<PolicySubset>> {
        let is_of_request = |rule: &Rule| matches!(rule.depends, Depends::Request) && !rule.is_constant();
        let rules: Vec<usize> =
            subset.rules.iter().copied().filter(|index| self.rules.get(*index).is_some_and(is_of_request)).collect();
        (!rules.is_empty()).then(|| self.smaller_subset(rules))
    }

    /// Puts a subset's policies to Cedar. `None`: the question cannot be put.
    fn ask(&self, inquiry: Inquiry<'_>, subset: &PolicySubset) -> Option<Findings> {
        let terms = |reads| QuestionTerms {
            action: &inquiry.action.uid,
            actions: &inquiry.action.entities,
            resource_type: &inquiry.entry.resource_type,
            fixed_id: &inquiry.entry.fixed_id,
            roles: &inquiry.table.parents,
            reads,
            aside: inquiry.aside,
            literals: inquiry.literals,
        };
        let put = |known: &QuestionEntities| {
            let asked = asked(inquiry.request, &terms(subset.reads), known).ok()?;
            self.put(inquiry, subset, &asked, &known.entities)
        };
        let Objects { cache, target, .. } = inquiry.request.objects;
        let reads = inquiry.whole.reads;
        match cache {
            // Each write has a target of its own.
            Some(cache) if !reads.target || target.is_none() => {
                let kept = (inquiry.whole.number, inquiry.request.write.is_some());
                put(&*cache.entities(kept, || entities(inquiry.request, &terms(reads)).ok())?)
            }
            Some(_) | None => put(&entities(inquiry.request, &terms(subset.reads)).ok()?),
        }
    }

    /// Where one object is named by its name and by its UUID, which hardly ever is so, those policies that name it by its name
    /// are asked with its UUID there.
    fn put(
        &self,
        inquiry: Inquiry<'_>,
        subset: &PolicySubset,
        asked: &Request,
        entities: &Entities,
    ) -> Option<Findings> {
        let answer = |set: &PolicySet| self.found(&self.authorizer.is_authorized(asked, set, entities));
        let aliases = inquiry.literals.aliases(&inquiry.entry.resource_type, inquiry.request.objects);
        if aliases.is_empty() {
            return subset.set(&self.rules).map(answer);
        }
        let is_aliased = |index: &usize| {
            self.rules.get(*index).is_some_and(|rule| rule.named.iter().any(|uid| aliases.contains_key(uid)))
        };
        let (aliased, others): (Vec<usize>, Vec<usize>) = subset.rules.iter().copied().partition(is_aliased);
        let by_uuid =
            aliased.into_iter().map(|index| self.rules.get(index)?.policy.sub_entity_literals(aliases.clone()).ok());
        let by_uuid = PolicySet::from_policies(by_uuid.collect::<Option<Vec<_>>>()?).ok()?;
        let mut found = answer(&by_uuid);
        found.add(self.smaller_subset(others).set(&self.rules).map(answer)?);
        Some(found)
    }

    /// What Cedar's answer says of each policy.
    fn found(&self, response: &Response) -> Findings {
        let number = |id: &PolicyId| self.rules.binary_search_by(|rule| (*rule.id).cmp(id.as_ref())).ok();
        let diagnostics = response.diagnostics();
        let broken = diagnostics.errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        // Of a denial Cedar names the forbids only, of a permit the permits.
        Findings {
            broken: broken.filter_map(number).collect(),
            applied: diagnostics.reason().filter_map(number).collect(),
        }
    }

    /// Cedar's own conclusion from what applied, with our one rule: what cannot be evaluated denies.
    fn conclude(&self, found: Findings) -> Conclusion {
        let Findings { applied, broken } = found;
        if !broken.is_empty() {
            return self.denial(DenialReason::Indeterminate, broken);
        }
        let is_permit = |index: &usize| self.rules.get(*index).is_some_and(Rule::is_permit);
        let (mut permits, forbids): (Vec<usize>, Vec<usize>) = applied.into_iter().partition(is_permit);
        if !forbids.is_empty() {
            return self.denial(DenialReason::Forbidden, forbids);
        }
        if permits.is_empty() {
            return self.denial(DenialReason::NoPermit, []);
        }
        permits.sort_unstable();
        permits.dedup();
        let rules: Vec<&Rule> = permits.iter().filter_map(|index| self.rules.get(*index)).collect();
        Conclusion::Permit(Granted {
            policies: rules.iter().map(|rule| Arc::clone(&rule.id)).collect(),
            filters: rules.iter().map(|rule| rule.filter.clone()).collect(),
            added: None,
        })
    }

    /// A denial by these rules.
    fn denial(&self, reason: DenialReason, indices: impl IntoIterator<Item = usize>) -> Conclusion {
        let indices: BTreeSet<usize> = indices.into_iter().collect();
        let rules: Vec<&Rule> = indices.into_iter().filter_map(|index| self.rules.get(index)).collect();
        let explanation = rules.iter().find_map(|rule| rule.reason.clone());
        let conceal = rules.iter().any(|rule| rule.conceal);
        Conclusion::Deny(Denial::of(
            reason,
            rules.iter().map(|rule| Arc::clone(&rule.id)).collect(),
            explanation,
            conceal,
        ))
    }

    /// These rules as a subset, made once.
    fn smaller_subset(&self, rules: Vec<usize>) -> Arc<PolicySubset> {
        self.shared_subset(rules, |rules| Arc::new(PolicySubset::new(&self.rules, rules.to_vec())))
    }

    /// One subset for the same rules, so that what was found for the request is found again for its writes.
    fn shared_subset(&self, rules: Vec<usize>, make: impl FnOnce(&[usize]) -> Arc<PolicySubset>) -> Arc<PolicySubset> {
        if let Some(known) = self.smaller.get(&rules) {
            return known;
        }
        let subset = make(&rules);
        self.smaller.insert(rules, Arc::clone(&subset));
        subset
    }

    /// Holds a list to a filter, where no policy permits it without one.
    pub(super) fn narrow(&self, request: &AccessRequest<'_>, conclusion: Conclusion) -> Conclusion {
        let Conclusion::Permit(granted) = conclusion else { return conclusion };
        let Some(filters) = granted.filters.as_ref().filter(|_| request.write.is_none()) else {
            return Conclusion::Permit(granted);
        };
        let fits: Vec<Fit> = filters.iter().map(|filter| filter.fit(request.principal, request.route)).collect();
        if fits.contains(&Fit::Said) {
            return Conclusion::Permit(granted);
        }
        let added = fits.into_iter().find_map(|fit| match fit {
            Fit::Add(added) => Some(added),
            Fit::Said | Fit::No => None,
        });
        match added {
            Some(added) => Conclusion::Permit(Granted { added: Some(added), ..granted }),
            None => self.denial(DenialReason::NoPermit, []),
        }
    }

    /// Leaves out what is for other roles. If the rest looks at nothing but the roles, it is the same for every request.
    pub(super) fn memo(
        &self,
        entry: &OperationPolicies,
        action: &ActionPolicies,
        subset: &Arc<PolicySubset>,
        table: &RoleTable,
    ) -> Memo {
        let relevant = self.relevant(subset, table);
        if relevant.iter().filter_map(|index| self.rules.get(*index)).all(Rule::is_constant) {
            let principal = principal_of_roles(table, &action.entities);
            let resource =
                EntityUid::from_type_name_and_id(entry.resource_type.clone(), EntityId::new(&entry.fixed_id));
            let asked = principal.and_then(|(uid, entities)| {
                let request = Request::new(uid, action.uid.clone(), resource, Context::empty(), None).ok()?;
                let set = subset.set(&self.rules)?;
                Some(self.conclude(self.found(&self.authorizer.is_authorized(&request, set, &entities))))
            });
            return Memo::Constant(asked.unwrap_or_else(indeterminate));
        }
        if relevant.len() == subset.rules.len() {
            return Memo::Ask(self.shared_subset(relevant, |_| Arc::clone(subset)));
        }
        Memo::Ask(self.smaller_subset(relevant))
    }

    pub(super) fn relevant(&self, subset: &PolicySubset, table: &RoleTable) -> Vec<usize> {
        let is_relevant = |rule: &Rule| rule.is_for(table);
        subset.rules.iter().copied().filter(|index| self.rules.get(*index).is_some_and(is_relevant)).collect()
    }
}

impl Rule {
    /// Whether it is for the callers of this table.
    fn is_for(&self, table: &RoleTable) -> bool {
        match &self.who {
            Who::Everyone { .. } => true,
            Who::Role(role) => table.has(role),
            Who::Other => self.only.as_deref().is_some_and(|name| table.is_of(name)),
        }
    }

    /// Whether the scope holds for the callers of this table, as far as that and the resource's type tell.
    fn scope_holds(&self, table: &RoleTable, entry: &OperationPolicies) -> Option<bool> {
        let principal = self.is_for(table);
        match &self.resource {
            Resources::Any => Some(principal),
            Resources::Of(kind) => Some(principal && *kind == entry.resource_type),
            Resources::Some if principal => None,
            Resources::Some => Some(false),
        }
    }
}

/// Whether the request is about one object that is not there. The policies that hide objects were told of it: were it there,
/// it would have been looked up for them.
fn is_missing(request: &AccessRequest<'_>) -> bool {
    has_attributes(request.route.operation().resource)
        && request.route.resource_id().is_some()
        && request.objects.resource.is_none_or(|facts| facts.missing)
}

fn principal_of_roles(table: &RoleTable, actions: &Entities) -> Option<(EntityUid, Entities)> {
    let uid = EntityUid::from_type_name_and_id("Principal".parse().ok()?, EntityId::new("roles"));
    let entity = Entity::new_no_attrs(uid.clone(), table.parents.clone());
    Some((uid, actions.clone().add_entities([entity], None).ok()?))
}
