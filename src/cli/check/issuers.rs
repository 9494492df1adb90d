//! The issuers: their Secrets (a CA's pair, an account's key, credentials of solvers) as the controller judges them, and what certlet
//! does not serve.

use super::finding::{Finding, names};
use crate::{
    api::condition::{self, READY},
    controller::issuer::IssuerDryRun,
    plan::{
        account::AccountPlan,
        issuer::{EXPIRING_SOON, IssuerId, SOLVERS_SUPPORTED},
    },
};

const CHECK: &str = "issuers";

/// An issuer with the verdict that the controller would give now, or why it could not be judged.
pub(super) type Seen = (IssuerId, Result<IssuerDryRun, String>);

/// What the issuers show.
pub(super) fn verdict(seen: &[Seen]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut good = Vec::new();
    for (id, dry_run) in seen {
        let found = match dry_run {
            Ok(dry_run) => of_issuer(id, dry_run),
            Err(error) => vec![Finding::warning(CHECK, format!("{id} was not checked: {error}"), "")],
        };
        if found.is_empty() {
            good.push(id.to_string());
        }
        findings.extend(found);
    }
    match good.as_slice() {
        [] if findings.is_empty() => findings.push(Finding::ok(CHECK, "there are no issuers")),
        [] => {}
        good => {
            let message = format!("{}: what they need is there and valid", names(good));
            findings.insert(0, Finding::ok(CHECK, message));
        }
    }
    findings
}

fn of_issuer(id: &IssuerId, dry_run: &IssuerDryRun) -> Vec<Finding> {
    let IssuerDryRun {
        leaves: _,
        account,
        old: _,
        new,
    } = dry_run;
    let edit = "Correct the issuer or its Secret; certlet notices the change";
    let mut findings = Vec::new();
    let message = |type_: &str| condition::get(&new.conditions, type_).map(|found| found.message().to_owned());
    let is_ready = condition::is_true(&new.conditions, READY);
    if let (false, Some(why)) = (is_ready, message(READY)) {
        findings.push(Finding::failure(CHECK, format!("{id}: {why}"), edit));
    }
    if let (true, Some(why)) = (findings.is_empty(), message(SOLVERS_SUPPORTED)) {
        let action = "Certificates that need such a solver are named by `certlet plan`";
        findings.push(Finding::warning(CHECK, format!("{id}: {why}"), action));
    }
    if let Some(why) = message(EXPIRING_SOON) {
        findings.push(Finding::warning(CHECK, format!("{id}: {why}"), ""));
    }
    let pending = match account {
        Some(AccountPlan::GenerateKey) => Some("it has no account key yet"),
        Some(AccountPlan::Ensure { .. }) if !is_ready => Some("its account is not registered yet"),
        Some(AccountPlan::Ensure { .. } | AccountPlan::Keep | AccountPlan::Wait { .. } | AccountPlan::Refuse(_))
        | None => None,
    };
    if let (Some(pending), true) = (pending, findings.is_empty()) {
        let action = "certlet does this when it leads";
        findings.push(Finding::warning(CHECK, format!("{id}: {pending}"), action));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Condition, ConditionStatus, IssuerStatus},
        cli::check::finding::Verdict,
        plan::seen::ObjectKey,
    };

    fn issuer(name: &str, conditions: Vec<Condition>, account: Option<AccountPlan>) -> Seen {
        let new = IssuerStatus {
            conditions,
            ..IssuerStatus::default()
        };
        let dry_run = IssuerDryRun {
            leaves: None,
            account,
            old: IssuerStatus::default(),
            new,
        };
        (IssuerId(ObjectKey::new("shop", name)), Ok(dry_run))
    }

    fn condition(type_: &str, status: ConditionStatus, message: &str) -> Condition {
        Condition::new(type_, status, "Because", message)
    }

    #[test]
    fn good_issuers_share_a_line_and_each_other_has_its_own() {
        let ready = || condition(READY, ConditionStatus::True, "");
        let seen = [
            issuer("a", vec![ready()], None),
            issuer("b", vec![ready()], Some(AccountPlan::Keep)),
            issuer(
                "c",
                vec![condition(
                    READY,
                    ConditionStatus::False,
                    "tls.key and tls.crt do not match",
                )],
                None,
            ),
            issuer(
                "d",
                vec![
                    ready(),
                    condition(EXPIRING_SOON, ConditionStatus::True, "the CA ends soon"),
                ],
                None,
            ),
            issuer("e", Vec::new(), Some(AccountPlan::GenerateKey)),
        ];
        let findings = verdict(&seen);
        let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
        let wanted = [Verdict::Ok, Verdict::Failure, Verdict::Warning, Verdict::Warning];
        assert_eq!(verdicts, wanted, "{findings:#?}");
        assert!(findings[0].message.starts_with("Issuer shop/a and Issuer shop/b"));
        assert!(findings[1].message.contains("do not match"));
        assert!(findings[3].message.contains("no account key yet"));
    }
}
