//! A trial of a dns01 solver, for `certlet check dns01`: every step of a challenge without a CA, each with what it proves.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};

use super::{Provider, Record};
use crate::{
    controller::solving::Checked,
    plan::order::{
        dns::{Answers, ServerAnswer},
        memory::NotYet,
        timing,
    },
    process::clock,
    solver::dns01::{
        check::{self, Question, Seen, Sought},
        target::{self, Target},
        zones::TxtRecords as _,
    },
};

/// How long a record may take to become visible.
const VISIBLE_WITHIN: SignedDuration = SignedDuration::from_mins(3);

/// What one step has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What the step is about: one or two words.
    pub about: &'static str,
    /// Whether it is as it has to be.
    pub verdict: Verdict,
    /// What was found, and what to do: a sentence.
    pub sentence: String,
}

/// Whether what a step has shown is as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Good,
    /// It is not, and challenges succeed nevertheless.
    Doubtful,
    /// Challenges fail.
    Bad,
}

/// Tries the solver of `record`, whose target is not located yet, and gives what each step has shown to `report`. With `write` a record
/// is written, seen and removed. Returns whether no step was bad. If `interrupted` is ready, what was written is removed at once.
pub(crate) async fn trial(
    mut record: Record,
    write: bool,
    interrupted: impl Future<Output = ()>,
    mut report: impl FnMut(Finding),
) -> bool {
    let (target, provider) = match located(&record, &mut report).await {
        Ok(found) => found,
        Err(finding) => {
            report(finding);
            return false;
        }
    };
    record.target = Some(target.clone());
    for finding in servers(&record, &target).await {
        report(finding);
    }
    if !write {
        return true;
    }
    let written = present(&record, &provider, &mut report).await;
    let visible = written && visible(&record, interrupted, &mut report).await;
    if !written {
        return false;
    }
    let removed = match record.withdraw().await {
        Ok(()) if provider.keeps_records() => good(
            "removed",
            format!(
                "{} keeps the record until newer ones replace it: its server removes none",
                target.name
            ),
        ),
        Ok(()) => good("removed", format!("the record was removed from {}", target.name)),
        Err(NotYet { reason, .. }) => bad(
            "removed",
            format!(
                "the record could not be removed: {reason}. Remove the TXT record {} with the value {} by hand",
                target.name, record.value
            ),
        ),
    };
    let is_removed = removed.verdict == Verdict::Good;
    report(removed);
    visible && is_removed
}

/// A value that has the form of those that prove a name, and proves none.
pub(crate) fn value() -> String {
    let bytes: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn located(record: &Record, report: &mut impl FnMut(Finding)) -> Result<(Target, Provider), Finding> {
    let of = |about: &'static str| move |NotYet { reason, .. }: NotYet| bad(about, reason);
    let own = record.own_recursive().await.map_err(of("name servers"))?;
    let recursive = own.as_ref().unwrap_or(&record.dns01.recursive);
    let name = target::name(recursive, &record.identifier, record.cname_strategy()).await;
    let name = name.map_err(|sentence| bad("record", sentence))?;
    let asked = target::challenge_name(&record.identifier);
    report(good(
        "record",
        if name == asked {
            format!("the CA asks for the TXT record {name}; no CNAME leads elsewhere")
        } else {
            format!("the CNAME of {asked} leads to {name}, where the record is written")
        },
    ));
    let provider = record.provider().await.map_err(of("credential"))?;
    report(good(
        "credential",
        "the settings of the solver and its Secrets are complete".to_owned(),
    ));
    let zone = record.zone(&provider, recursive, &name).await.map_err(of("zone"))?;
    report(good("zone", format!("{name} is in the zone {zone}")));
    Ok((Target { name, zone }, provider))
}

async fn servers(record: &Record, target: &Target) -> Vec<Finding> {
    const ABOUT: &str = "name servers";
    let own = match record.own_recursive().await {
        Ok(own) => own,
        Err(NotYet { reason, .. }) => return vec![bad(ABOUT, reason)],
    };
    let recursive = own.as_ref().unwrap_or(&record.dns01.recursive);
    if record.dns01.recursive_only || own.is_some() {
        let sentence = "only recursive name servers are asked, as the flags or the solver say";
        return vec![good(ABOUT, sentence.to_owned())];
    }
    let asked = target::challenge_name(&record.identifier);
    let question = Question {
        asked: &asked,
        target,
        sought: Sought::Value(&record.value),
    };
    match check::at_authorities(recursive, &record.dns01.addresses, question).await {
        Seen::Answers(answers) => judged(&answers),
        Seen::Elsewhere(name) => vec![bad(
            ABOUT,
            format!("the CNAME leads to {name} now: it changed a moment ago"),
        )],
        Seen::Failed(sentence) => vec![doubtful(ABOUT, sentence)],
    }
}

fn judged(Answers { zone, servers, .. }: &Answers) -> Vec<Finding> {
    const ABOUT: &str = "name servers";
    let serves = |one: &&ServerAnswer| one.fault().is_none();
    let names = |one: &ServerAnswer| match one.address {
        Some(address) => format!("{} ({address})", one.server),
        None => one.server.clone(),
    };
    let serving: Vec<String> = servers.iter().filter(serves).map(names).collect();
    let mut findings = Vec::new();
    let faults = servers.iter().filter_map(|one| Some((one, one.fault()?)));
    findings.extend(faults.map(|(one, fault)| doubtful(ABOUT, format!("{} {fault}", names(one)))));
    if serving.is_empty() {
        findings.push(doubtful(
            ABOUT,
            format!(
                "no name server of {zone} can be asked from here: is port 53 closed? Recursive name servers are asked instead \
                 (--dns01-recursive-nameservers)"
            ),
        ));
    } else {
        findings.push(good(
            ABOUT,
            format!("{} answer for the zone {zone}", serving.join(", ")),
        ));
    }
    findings
}

async fn present(record: &Record, provider: &Provider, report: &mut impl FnMut(Finding)) -> bool {
    let finding = match record.present_at(provider).await {
        Ok(()) => good(
            "written",
            "the provider has accepted a TXT record: credential and right are good".to_owned(),
        ),
        Err(NotYet { reason, .. }) => bad("written", reason),
    };
    let is_good = finding.verdict == Verdict::Good;
    report(finding);
    is_good
}

async fn visible(record: &Record, interrupted: impl Future<Output = ()>, report: &mut impl FnMut(Finding)) -> bool {
    let since = clock::now();
    let waited = async {
        loop {
            let not_yet = match record.check(since).await {
                Checked::Visible | Checked::Until { .. } => return Ok(()),
                Checked::NotYet(not_yet) | Checked::Refused(not_yet) => not_yet,
                Checked::Moved => return Err("the CNAME leads elsewhere now".to_owned()),
            };
            let now = clock::now();
            if timing::add(since, VISIBLE_WITHIN) <= now {
                return Err(not_yet.reason);
            }
            tokio::time::sleep(wait(now, not_yet.again)).await;
        }
    };
    let result = tokio::select! {
        result = waited => result,
        () = interrupted => Err("the check was interrupted".to_owned()),
    };
    let finding = match result {
        Ok(()) => {
            let after = clock::now().duration_since(since).as_secs_f64();
            good(
                "seen",
                format!("the name servers have the record after {after:.1} s: a CA finds it"),
            )
        }
        Err(reason) => bad("seen", reason),
    };
    let is_good = finding.verdict == Verdict::Good;
    report(finding);
    is_good
}

fn wait(now: Timestamp, again: Timestamp) -> Duration {
    Duration::try_from(again.duration_since(now))
        .unwrap_or_default()
        .clamp(Duration::from_millis(100), Duration::from_secs(10))
}

fn good(about: &'static str, sentence: String) -> Finding {
    Finding {
        about,
        verdict: Verdict::Good,
        sentence,
    }
}

fn doubtful(about: &'static str, sentence: String) -> Finding {
    Finding {
        about,
        verdict: Verdict::Doubtful,
        sentence,
    }
}

fn bad(about: &'static str, sentence: String) -> Finding {
    Finding {
        about,
        verdict: Verdict::Bad,
        sentence,
    }
}
