//! The proof of one authorization by dns-persist-01, as a solver: nothing is written, and the record that a user has written is checked.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Dns01, record::asked_instead};
use crate::{
    api::dns_persist::DnsPersist,
    controller::solving::Checked,
    dns::Recursive,
    plan::order::{
        dns::{Answers, Visibility, visibility},
        memory::NotYet,
        persist::{self, Demand, Place},
        timing,
    },
    process::clock,
    solver::dns01::{
        check::{self, Question, Seen, Sought},
        target::{self, Target},
    },
};

/// The longest wait between two checks: people write the record, not programs.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// The record that proves one authorization, and more of them later.
#[derive(Clone)]
pub(crate) struct Persist {
    /// What DNS-01 shares.
    pub dns01: Arc<Dns01>,
    /// The recursive name servers that the solver itself names.
    pub nameservers: Vec<String>,
    /// What the CA has to find.
    pub demand: Demand,
    /// The value of the record that is asked for.
    pub record: String,
    /// The settings of the solver.
    pub settings: DnsPersist,
}

/// A record that counts, and its end if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub name: String,
    /// When it ends.
    pub until: Option<Timestamp>,
}

impl Persist {
    /// Whether the CA would find a record that counts. It is looked for since `since`.
    pub(crate) async fn check(&self, since: Timestamp) -> Checked {
        match self.look(since).await {
            Ok(Found { until: None, .. }) => Checked::Visible,
            Ok(Found {
                name,
                until: Some(until),
            }) => Checked::Until {
                remark: persist::ends_soon(clock::now(), &name, until, self.settings.warn_before),
                name,
                until,
            },
            // patience does not help: a person has to do something
            Err(NotYet { reason, again }) => Checked::Refused(NotYet {
                reason: format!("{}: {reason}", self.wish()),
                again,
            }),
        }
    }

    /// What has to be done.
    fn wish(&self) -> String {
        format!("create the TXT record {} \"{}\"", self.demand.name(), self.record)
    }

    /// The nearest record that counts.
    ///
    /// # Errors
    /// What is at the name itself, and the time of the next check.
    pub(crate) async fn look(&self, since: Timestamp) -> Result<Found, NotYet> {
        let own = self.dns01.own_recursive(&self.nameservers).await;
        let own = own.map_err(|reason| self.not_yet(since, reason))?;
        let mut first = None;
        for place in self.demand.places(self.settings.parents) {
            match self.at(own.as_ref(), &place, since).await {
                Ok(until) => {
                    let name = place.name;
                    return Ok(Found { name, until });
                }
                Err(not_yet) => drop(first.get_or_insert(not_yet)),
            }
        }
        Err(first.unwrap_or_else(|| self.not_yet(since, "there is no place for it".to_owned())))
    }

    /// The end of the record that counts at this place.
    async fn at(&self, own: Option<&Recursive>, place: &Place, since: Timestamp) -> Result<Option<Timestamp>, NotYet> {
        let failed = |reason| self.not_yet(since, reason);
        let recursive = own.unwrap_or(&self.dns01.recursive);
        let name = target::found_at(recursive, &place.name).await.map_err(failed)?;
        let zone = target::zone(recursive, &name).await.map_err(failed)?;
        let target = Target { name, zone };
        let question = Question {
            // where CNAMEs lead has just been looked up
            asked: &target.name,
            target: &target,
            sought: Sought::Persist {
                demand: &self.demand,
                is_parent: place.is_parent,
                now: clock::now(),
            },
        };
        let at_recursive = async || self.answers(check::at_recursive(recursive, question).await, since);
        if self.dns01.recursive_only || own.is_some() {
            return self
                .judged(&at_recursive().await?, since)
                .map_err(|(not_yet, _)| not_yet);
        }
        let seen = check::at_authorities(recursive, &self.dns01.addresses, question).await;
        match self.judged(&self.answers(seen, since)?, since) {
            Ok(until) => Ok(until),
            Err((not_yet, false)) => Err(not_yet),
            Err((silent, true)) => {
                let instead = self.judged(&at_recursive().await?, since);
                instead.map_err(|(not_yet, _)| asked_instead(&silent, &not_yet))
            }
        }
    }

    fn answers(&self, seen: Seen, since: Timestamp) -> Result<Answers, NotYet> {
        match seen {
            Seen::Answers(answers) => Ok(answers),
            Seen::Elsewhere(name) => Err(self.not_yet(since, format!("its CNAME leads to {name}"))),
            Seen::Failed(sentence) => Err(self.not_yet(since, sentence)),
        }
    }

    /// The end of the record that the answers show; or what they show instead, and whether no name server answers.
    fn judged(&self, answers: &Answers, since: Timestamp) -> Result<Option<Timestamp>, (NotYet, bool)> {
        match visibility(clock::now(), since, self.longest(), answers) {
            Visibility::Visible => Ok(answers.until()),
            Visibility::NotYet(not_yet) => Err((not_yet, false)),
            Visibility::NoAnswer(not_yet) => Err((not_yet, true)),
        }
    }

    fn not_yet(&self, since: Timestamp, reason: String) -> NotYet {
        NotYet {
            reason,
            again: timing::check_again(clock::now(), since, self.longest()),
        }
    }

    fn longest(&self) -> SignedDuration {
        self.dns01.longest_wait.max(LONGEST_WAIT)
    }
}
