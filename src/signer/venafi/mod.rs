//! Signing by `CyberArk` (once Venafi) Certificate Manager, in its three products (SGN-04): a request returns a pick-up id, under which the
//! certificate is fetched later.
//!
//! | module | content |
//! |---|---|
//! | [`server`] | calls of one server |
//! | [`login`] | credentials and their tokens |
//! | [`policy`] | what a zone allows |
//! | [`self_hosted`] | the API of Self-Hosted (TPP) |
//! | [`saas`] | the API of `SaaS`, and of Next-Gen Trust Security |
//! | [`fields`] | custom fields |
//! | [`fault`] | why a server refused a call |

mod fault;
pub(crate) mod fields;
pub(crate) mod login;
mod policy;
mod saas;
mod self_hosted;
pub(crate) mod server;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use self::{policy::Policy, server::Server};
pub(crate) use fields::CustomField;

use super::{
    Issued, Memo, Outcome, Refused, Task, Until, Wait,
    fault::{Fault, FaultKind, again},
    standing::{Checked, Standing},
};
use crate::{
    pki::{
        certificate::CertificateInfo,
        chain::{self, SizeLimits},
        csr::CsrInfo,
    },
    text::excerpt,
    work::SHORT,
};

/// Reason of a request whose client cannot be set up.
pub(crate) const INIT: &str = "VenafiInitError";
/// Reason of a request that the server does not take.
pub(crate) const REQUEST: &str = "RequestError";
/// Reason of a request whose certificate cannot be fetched.
pub(crate) const RETRIEVE: &str = "RetrieveError";
/// Reason of a request that the server has taken.
const PENDING: &str = "IssuancePending";
/// Reason of a request whose certificate forms no chain.
const PARSE: &str = "ParseError";

const NOT_REQUESTED: &str = "Failed to request certificate from Certificate Manager";
const NOT_RETRIEVED: &str = "Failed to obtain certificate from Certificate Manager";

/// Delay between a request and the first attempt to fetch its certificate.
const FIRST: SignedDuration = SignedDuration::from_secs(2);
/// Maximum number of requests whose beginning is remembered.
const MOST_PENDING: usize = 10_000;

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Certificate Manager, Self-Hosted (TPP).
    SelfHosted,
    /// Certificate Manager, `SaaS`.
    Cloud,
    /// Next-Gen Trust Security.
    Ngts,
}

impl Product {
    /// Its name, for sentences.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SelfHosted => "Certificate Manager, Self-Hosted",
            Self::Cloud => "Certificate Manager, SaaS",
            Self::Ngts => "Next-Gen Trust Security",
        }
    }

    /// The URL of the service; empty for a server of one's own, which has none.
    const fn usual_url(self) -> &'static str {
        match self {
            Self::SelfHosted => "",
            Self::Cloud => "https://api.venafi.cloud/",
            Self::Ngts => "https://api.strata.paloaltonetworks.com/ngts/",
        }
    }

    /// The field of the issuer with the URL, and an example.
    const fn url_field(self) -> (&'static str, &'static str) {
        match self {
            Self::SelfHosted => ("tpp.url", "https://tpp.example.com/vedsdk"),
            Self::Cloud => ("cloud.url", "https://api.venafi.eu"),
            Self::Ngts => ("ngts.url", "https://api.strata.paloaltonetworks.com/ngts"),
        }
    }
}

/// Counts calls (MET-06, MET-07).
pub(crate) trait Calls: Send + Sync + fmt::Debug {
    /// A call of the client, by cert-manager's name.
    fn called(&self, api_call: &'static str, took: Duration);

    /// A login.
    fn logged_in(&self, is_granted: bool, took: Duration);
}

/// What is requested.
struct Order<'a> {
    zone: &'a str,
    policy: &'a Policy,
    csr: &'a CsrInfo,
    csr_pem: &'a str,
    /// The name of the object.
    name: &'a str,
    duration: SignedDuration,
    fields: &'a [CustomField],
}

/// The answer to a retrieval.
enum Retrieved {
    /// Certificates in PEM.
    Chain(Vec<u8>),
    /// Not yet; in the server's words why.
    Pending(String),
}

/// An issuer's way to its server: the server with the credential, and the zone.
#[derive(Debug)]
pub(crate) struct Session {
    server: Server,
    zone: String,
    limits: SizeLimits,
    standing: Standing,
    /// When the certificate of a pick-up id was waited for first.
    pending: Mutex<HashMap<String, Timestamp>>,
}

impl Session {
    /// A session that has not logged in yet.
    ///
    /// # Errors
    /// If the zone is none of the product.
    pub(crate) fn new(server: Server, zone: &str, limits: SizeLimits) -> Result<Self, Fault> {
        if zone.is_empty() {
            return Err(Fault::settings("spec.venafi.zone is empty"));
        }
        if server.product() == Product::Cloud && saas::application(zone).is_none() {
            return Err(Fault::settings(saas::WRONG_ZONE));
        }
        Ok(Self {
            server,
            zone: zone.to_owned(),
            limits,
            standing: Standing::default(),
            pending: Mutex::default(),
        })
    }

    /// Identifies the server, so that a silent one occupies only its own lane.
    pub(crate) fn lane(&self) -> &str {
        &self.server.origin
    }

    /// The verdict that is still in use, and when it ends.
    pub(crate) fn known(&self, now: Timestamp) -> Option<Checked> {
        self.standing.known(now)
    }

    /// Whether this issuer can sign now: the credential, the server, and the zone. The time is that of the next check.
    pub(crate) async fn check(&self, now: Timestamp) -> Checked {
        self.standing.checked(self.can_sign().await, now)
    }

    async fn can_sign(&self) -> Result<(), Fault> {
        self.server.verify().await?;
        if self.server.product() == Product::SelfHosted {
            let ping = self.timed("ping", self_hosted::ping(&self.server));
            ping.await.map_err(|fault| Fault {
                sentence: format!("error pinging Certificate Manager: {}", fault.sentence),
                ..fault
            })?;
        }
        self.policy().await.map(drop)
    }

    /// Requests a certificate, or fetches the one that was requested before.
    pub(super) async fn sign(&self, task: &Task, fields: &[CustomField], now: Timestamp) -> Outcome {
        let Some(memo) = &task.memo else {
            return match self.request(task, fields, now).await {
                Ok(memo) => pending("certificate is requested".to_owned(), after(now, FIRST), memo),
                Err(fault) => self.not_done((REQUEST, NOT_REQUESTED), &fault, None, now),
            };
        };
        match self.timed("retrieve_certificate", self.retrieve(memo.as_str())).await {
            Ok(Retrieved::Chain(pem)) => {
                self.standing.answered();
                self.pending().remove(memo.as_str());
                self.issued(&pem, task)
            }
            Ok(Retrieved::Pending(status)) => {
                self.standing.answered();
                let until = again(now, self.since(memo, now), FaultKind::Unavailable);
                let status = if status.is_empty() {
                    status
                } else {
                    format!(" ({})", excerpt(&status))
                };
                let message = format!(
                    "certificate still in a pending state, the request will be retried: {} has not issued {:?} yet{status}",
                    self.server.text,
                    memo.as_str()
                );
                pending(message, until, memo.clone())
            }
            Err(fault) => self.not_done((RETRIEVE, NOT_RETRIEVED), &fault, Some(memo), now),
        }
    }

    async fn request(&self, task: &Task, fields: &[CustomField], now: Timestamp) -> Result<Memo, Fault> {
        let wrong = |sentence: String| Fault {
            kind: FaultKind::Request,
            sentence,
        };
        let csr = CsrInfo::parse(&task.csr).map_err(|error| wrong(error.to_string()))?;
        if csr.subject.is_empty() {
            return Err(wrong(NO_SUBJECT.to_owned()));
        }
        let name = object_name(&csr).ok_or_else(|| wrong(NO_NAME.to_owned()))?;
        let (template, policy) = self.policy().await?;
        let is_slow = policy.is_slow();
        let compared = move || {
            let violation = policy.violation(&csr);
            (violation, policy, csr)
        };
        let compared = SHORT.run_if(is_slow, compared).await;
        let (violation, policy, csr) = compared.map_err(|_| Fault {
            kind: FaultKind::Unavailable,
            sentence: "the comparison with the policy was interrupted".to_owned(),
        })?;
        if let Some(violation) = violation {
            return Err(wrong(violation));
        }
        let order = Order {
            zone: &self.zone,
            policy: &policy,
            csr: &csr,
            csr_pem: &String::from_utf8_lossy(&task.csr),
            name: &name,
            duration: task.duration,
            fields,
        };
        let requested = async {
            match self.server.product() {
                Product::SelfHosted => self_hosted::request(&self.server, &order, now).await,
                Product::Cloud | Product::Ngts => saas::request(&self.server, &order, &template).await,
            }
        };
        let id = self.timed("request_certificate", requested).await?;
        self.standing.answered();
        Memo::new(&id).ok_or_else(|| self.server.foreign("the request for a certificate"))
    }

    async fn retrieve(&self, id: &str) -> Result<Retrieved, Fault> {
        match self.server.product() {
            Product::SelfHosted => self_hosted::retrieve(&self.server, id).await,
            Product::Cloud | Product::Ngts => saas::retrieve(&self.server, id).await,
        }
    }

    /// The policy of the zone, and the identifier of its issuing template.
    async fn policy(&self) -> Result<(String, Policy), Fault> {
        let read = async {
            match self.server.product() {
                Product::SelfHosted => {
                    let policy = self_hosted::policy(&self.server, &self.zone).await?;
                    Ok((String::new(), policy))
                }
                Product::Cloud | Product::Ngts => saas::template(&self.server, &self.zone).await,
            }
        };
        self.timed("read_zone_configuration", read).await
    }

    fn issued(&self, pem: &[u8], task: &Task) -> Outcome {
        let parsed = chain::parse_certificates(pem, self.limits.chain).and_then(chain::order);
        let split = parsed.and_then(|ordered| {
            let leaf = ordered.first().map(|leaf| CertificateInfo::parse(leaf)).transpose()?;
            Ok((leaf, chain::split(ordered)?))
        });
        let refused = |reason: &'static str, message: String| Outcome::Refused(Refused { reason, message });
        let (leaf, split) = match split {
            Ok(split) => split,
            Err(error) => return refused(PARSE, format!("Failed to parse returned certificate bundle: {error}")),
        };
        let wanted = CsrInfo::parse(&task.csr).map(|csr| csr.key_hash());
        if leaf.map(|leaf| leaf.key_hash) != wanted.ok() {
            let message = format!("{NOT_RETRIEVED}: the certificate is for another key than the request");
            return refused(RETRIEVE, message);
        }
        Outcome::Issued(Issued {
            certificate: split.chain_pem,
            ca: split.ca_pem.unwrap_or_default(),
            warnings: Vec::new(),
        })
    }

    /// The outcome of a call that failed.
    fn not_done(
        &self,
        (reason, what): (&'static str, &'static str),
        fault: &Fault,
        memo: Option<&Memo>,
        now: Timestamp,
    ) -> Outcome {
        let message = format!("{what}: {}", fault.sentence);
        if fault.kind == FaultKind::Request {
            self.standing.answered();
            if let Some(memo) = memo {
                self.pending().remove(memo.as_str());
            }
            return Outcome::Refused(Refused { reason, message });
        }
        Outcome::Wait(Wait {
            reason,
            message,
            until: Until::At(self.standing.failed(fault, now)),
            memo: memo.cloned(),
            outage: fault.kind.outage(),
        })
    }

    /// Since when the certificate of a pick-up id is waited for.
    fn since(&self, memo: &Memo, now: Timestamp) -> Timestamp {
        let mut pending = self.pending();
        if pending.len() >= MOST_PENDING {
            pending.clear();
        }
        *pending.entry(memo.as_str().to_owned()).or_insert(now)
    }

    async fn timed<T>(&self, api_call: &'static str, call: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = call.await;
        self.server.calls.called(api_call, started.elapsed());
        done
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NO_SUBJECT: &str = "Certificate requests submitted to Venafi issuers must have the 'commonName' field or at least one other subject field set.";
const NO_NAME: &str = "certificate request contains no Common Name, DNS Name, nor URI SAN, at least one must be supplied to be used as the \
                       certificate objects name";

fn pending(message: String, until: Timestamp, memo: Memo) -> Outcome {
    Outcome::Wait(Wait {
        reason: PENDING,
        message,
        until: Until::At(until),
        memo: Some(memo),
        outage: None,
    })
}

fn after(now: Timestamp, delay: SignedDuration) -> Timestamp {
    now.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

/// The name of the object for a certificate: the first of its names.
fn object_name(csr: &CsrInfo) -> Option<String> {
    let sans = &csr.sans;
    csr.common_name()
        .filter(|name| !name.is_empty())
        .or_else(|| sans.dns.first().cloned())
        .or_else(|| sans.uris.first().cloned())
        .or_else(|| sans.emails.first().cloned())
        .or_else(|| sans.ips.first().map(ToString::to_string))
}
