//! The proof of one authorization by DNS-01, as a solver.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Access, Dns01, Provider, credentials, receipts::Progress, settle};
use crate::{
    api::dns01,
    cloud::fault::{Fault, FaultKind},
    controller::solving::{Answer, Checked},
    dns::Recursive,
    plan::order::{
        dns::{Visibility, visibility},
        memory::NotYet,
        timing,
    },
    process::clock,
    solver::dns01::{
        change::{Receipt, Txt, Wanted},
        check::{self, Question, Seen, Sought},
        target::{self, Target},
        zones::TxtRecords,
    },
};

/// For how long CNAMEs have to lead elsewhere before the record is written there: recursive servers may not agree for a while.
const MOVED_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// How long recursive servers are not asked for a record whose provider may need a moment.
const UNASKED_FOR: SignedDuration = SignedDuration::from_secs(5);

/// The record that proves one authorization.
#[derive(Clone)]
pub(crate) struct Record {
    /// What DNS-01 shares.
    pub dns01: Arc<Dns01>,
    /// How its provider is reached.
    pub access: Access,
    /// UID of its Challenge.
    pub challenge: Box<str>,
    /// The name that is proved, without the `*.` of a wildcard.
    pub identifier: String,
    /// Where it is written; `None` as long as that is not located.
    pub target: Option<Target>,
    /// Its value.
    pub value: String,
}

impl Record {
    /// Where the record has to be written, as the Challenge has to name it.
    ///
    /// # Errors
    /// Why that is not known, and when to try again.
    pub(crate) async fn locate(&self) -> Result<String, NotYet> {
        let own = self.own_recursive().await?;
        let recursive = own.as_ref().unwrap_or(&self.dns01.recursive);
        let name = target::name(recursive, &self.identifier, self.cname_strategy())
            .await
            .map_err(now)?;
        let provider = self.provider().await?;
        let zone = self.zone(&provider, recursive, &name).await?;
        if self.challenge.is_empty() {
            self.dns01.written.plan(&self.value);
        }
        Ok(Target { name, zone }.to_string())
    }

    /// The zone of the record `name`, as the provider tells, or as the DNS does.
    pub(super) async fn zone(&self, provider: &Provider, recursive: &Recursive, name: &str) -> Result<String, NotYet> {
        match self.dns01.zones.locate(provider, name).await.map_err(again)? {
            Some(zone) => Ok(zone),
            None => target::zone(recursive, name).await.map_err(now),
        }
    }

    /// What the solver says about CNAMEs.
    pub(super) fn cname_strategy(&self) -> dns01::CnameStrategy {
        match &self.access {
            Access::Settings { dns01, .. } => dns01.follows(),
            Access::Provider(_) | Access::Denied(_) => dns01::CnameStrategy::None,
        }
    }

    /// Writes the record.
    pub(crate) async fn present(&self) -> Answer {
        let provider = self.provider().await?;
        self.present_at(&provider).await
    }

    /// Writes the record at this provider.
    pub(super) async fn present_at(&self, provider: &Provider) -> Answer {
        let Some(target) = &self.target else {
            return Err(now(format!("the zone of {} is not known yet", self.identifier)));
        };
        let written = &self.dns01.written;
        let was_absent = written.begin(&self.challenge, &self.value, provider);
        match self.change(provider, target, Wanted::Present).await {
            Ok(receipt) => {
                self.dns01.receipts.remember(&self.challenge, receipt);
                Ok(())
            }
            Err(fault) => {
                if was_absent && fault.0.kind.is_refusal() {
                    written.refused(&self.challenge);
                }
                Err(again(fault))
            }
        }
    }

    /// Removes the record. The credential that wrote it may not be valid any more, and its Secret may be gone: what is left of both is tried.
    /// A record that the provider has never accepted is not asked for.
    pub(crate) async fn withdraw(&self) -> Answer {
        if self.dns01.written.is_absent(&self.challenge, &self.value) {
            self.dns01.forget(&self.challenge, &self.value);
            return Ok(());
        }
        let Some(wrote) = self.dns01.remembered(&self.challenge) else {
            let provider = self.provider().await?;
            return self.withdraw_from(&provider).await;
        };
        let Err(not_yet) = self.withdraw_from(&wrote).await else {
            return Ok(());
        };
        match self.provider().await {
            Ok(current) if current.credential() != wrote.credential() => self.withdraw_from(&current).await,
            Ok(_) | Err(_) => Err(not_yet),
        }
    }

    async fn withdraw_from(&self, provider: &Provider) -> Answer {
        if let Some(target) = &self.target {
            self.change(provider, target, Wanted::Absent).await.map_err(again)?;
        } else {
            self.change(provider, &self.left_at(provider).await?, Wanted::Absent)
                .await
                .map_err(again)?;
        }
        self.dns01.forget(&self.challenge, &self.value);
        Ok(())
    }

    /// Where cert-manager has written the record of a Challenge that names none: CNAMEs are followed only if the solver says so.
    async fn left_at(&self, provider: &Provider) -> Result<Target, NotYet> {
        let own = self.own_recursive().await?;
        let recursive = own.as_ref().unwrap_or(&self.dns01.recursive);
        let name = match self.cname_strategy() {
            dns01::CnameStrategy::None => target::challenge_name(&self.identifier),
            dns01::CnameStrategy::Follow => {
                let located = target::name(recursive, &self.identifier, dns01::CnameStrategy::Follow).await;
                located.map_err(now)?
            }
        };
        let zone = self.zone(provider, recursive, &name).await?;
        Ok(Target { name, zone })
    }

    /// Whether the CA would find the record now. It is checked since `since`.
    pub(crate) async fn check(&self, since: Timestamp) -> Checked {
        #[cfg(test)]
        if let Access::Provider(Provider::Memory(zone)) = &self.access {
            return zone.check(self, since);
        }
        let Some(target) = &self.target else {
            return Checked::Moved;
        };
        let asked = target::challenge_name(&self.identifier);
        let question = Question {
            asked: &asked,
            target,
            sought: Sought::Value(&self.value),
        };
        let own = match self.own_recursive().await {
            Ok(own) => own,
            Err(not_yet) => return Checked::NotYet(not_yet),
        };
        if let Some(not_yet) = self.under_way().await {
            return Checked::NotYet(not_yet);
        }
        let recursive = own.as_ref().unwrap_or(&self.dns01.recursive);
        // name servers of the solver's own replace the question to those of the zone, as in cert-manager
        let seen = if self.dns01.recursive_only || own.is_some() {
            if let Some(not_yet) = self.too_early(since) {
                return Checked::NotYet(not_yet);
            }
            check::at_recursive(recursive, question).await
        } else {
            check::at_authorities(recursive, &self.dns01.addresses, question).await
        };
        if matches!(seen, Seen::Elsewhere(_)) && timing::add(since, MOVED_AFTER) <= clock::now() {
            return Checked::Moved;
        }
        match self.judge(seen, since) {
            Visibility::Visible => self.settled(target),
            Visibility::NotYet(not_yet) => Checked::NotYet(not_yet),
            Visibility::NoAnswer(not_yet) => self.without_authorities(recursive, question, since, not_yet).await,
        }
    }

    /// The record is visible: whether it has been for long enough.
    fn settled(&self, target: &Target) -> Checked {
        let least = match self.dns01.remembered(&self.challenge) {
            Some(provider) if !provider.serves_alike() => settle::FIRST,
            Some(_) | None => SignedDuration::ZERO,
        };
        let settling = &self.dns01.settling;
        match settling.until(clock::now(), &target.zone, &self.challenge, least) {
            None => Checked::Visible,
            Some(again) => Checked::NotYet(NotYet {
                reason: format!(
                    "all name servers of {} that can be asked from here have the record; the challenge is accepted in a moment, since the \
                     CA may ask others",
                    target.zone
                ),
                again,
            }),
        }
    }

    /// A recursive server that is asked before the provider's name servers have the record remembers that there is none.
    fn too_early(&self, since: Timestamp) -> Option<NotYet> {
        let provider = self.dns01.remembered(&self.challenge)?;
        let first = timing::add(since, UNASKED_FOR);
        (!provider.serves_alike() && clock::now() < first).then(|| NotYet {
            reason: "the recursive name servers are not asked before the provider has had time to bring the record to its name servers".to_owned(),
            again: first,
        })
    }

    /// Why the record cannot be visible yet, as the provider itself knows. Only the DNS counts where the provider does not answer.
    async fn under_way(&self) -> Option<NotYet> {
        let now = clock::now();
        let again = match self.dns01.receipts.progress(now, &self.challenge) {
            Progress::Done => return None,
            Progress::Wait(again) => again,
            Progress::Ask(receipt) => {
                if self.is_done(&receipt).await {
                    self.dns01.receipts.done(&receipt);
                    return None;
                }
                timing::add(now, SignedDuration::from_secs(2))
            }
        };
        let Target { name, .. } = self.target.as_ref()?;
        Some(NotYet {
            reason: format!(
                "the provider has accepted the record {name} and has not brought it to all its name servers yet"
            ),
            again,
        })
    }

    async fn is_done(&self, receipt: &Receipt) -> bool {
        match self.dns01.remembered(&self.challenge) {
            Some(provider) => provider.is_done(receipt).await.unwrap_or(true),
            None => true,
        }
    }

    /// No name server of the zone can be reached from here: the recursive ones are asked instead.
    async fn without_authorities(
        &self,
        recursive: &Recursive,
        question: Question<'_>,
        since: Timestamp,
        silent: NotYet,
    ) -> Checked {
        match self.judge(check::at_recursive(recursive, question).await, since) {
            Visibility::Visible => Checked::Visible,
            Visibility::NotYet(not_yet) | Visibility::NoAnswer(not_yet) => {
                Checked::NotYet(asked_instead(&silent, &not_yet))
            }
        }
    }

    fn judge(&self, seen: Seen, since: Timestamp) -> Visibility {
        let (now, longest) = (clock::now(), self.dns01.longest_wait);
        let not_yet = |reason: String| {
            Visibility::NotYet(NotYet {
                reason,
                again: timing::check_again(now, since, longest),
            })
        };
        match seen {
            Seen::Answers(answers) => visibility(now, since, longest, &answers),
            Seen::Elsewhere(name) => not_yet(format!(
                "the CNAME of {} leads to {name} now, where the record was not written",
                target::challenge_name(&self.identifier)
            )),
            Seen::Failed(sentence) => not_yet(sentence),
        }
    }

    async fn change(
        &self,
        provider: &Provider,
        Target { name, zone }: &Target,
        wanted: Wanted,
    ) -> Result<Option<Receipt>, (Fault, Timestamp)> {
        let txt = Txt {
            name: name.clone(),
            value: self.value.clone(),
            identifier: self.identifier.clone(),
        };
        self.dns01.zones.change(provider, zone, txt, wanted).await
    }

    /// The provider, with what its Secrets contain now.
    pub(super) async fn provider(&self) -> Result<Provider, NotYet> {
        match &self.access {
            Access::Provider(provider) => Ok(provider.clone()),
            Access::Denied(sentence) => Err(now(sentence.clone())),
            Access::Settings {
                ports,
                dns01,
                namespace,
                allows,
            } => {
                let place = credentials::Place {
                    ports,
                    cloud: &self.dns01.cloud,
                    namespace,
                    allows: *allows,
                };
                let provider = credentials::provider(&place, dns01).await;
                provider.map_err(|Fault { sentence, .. }| now(sentence))
            }
        }
    }

    /// The recursive name servers that the solver itself names.
    pub(super) async fn own_recursive(&self) -> Result<Option<Recursive>, NotYet> {
        match &self.access {
            Access::Settings { dns01, .. } => self.dns01.own_recursive(&dns01.nameservers).await.map_err(now),
            Access::Provider(_) | Access::Denied(_) => Ok(None),
        }
    }
}

/// What recursive name servers show, which were asked because those of the zone are `silent`.
pub(super) fn asked_instead(silent: &NotYet, instead: &NotYet) -> NotYet {
    NotYet {
        reason: format!(
            "{}; is port 53 closed for certlet? The recursive name servers were asked instead: {} \
             (--dns01-recursive-nameservers-only asks them alone)",
            silent.reason, instead.reason
        ),
        again: instead.again.max(silent.again),
    }
}

/// When to try again after the provider has failed, which may be asked again at `until`.
fn again((fault, until): (Fault, Timestamp)) -> NotYet {
    NotYet {
        reason: fault.sentence,
        again: match fault.kind {
            FaultKind::Limited(_) => until,
            // the Secret may be corrected before the provider is asked again: it is read, and a new credential is used at once
            FaultKind::Credential
            | FaultKind::Right
            | FaultKind::NoZone
            | FaultKind::Clock
            | FaultKind::Conflict
            | FaultKind::Unreachable
            | FaultKind::Other => clock::now(),
        },
    }
}

fn now(reason: String) -> NotYet {
    NotYet {
        reason,
        again: clock::now(),
    }
}
