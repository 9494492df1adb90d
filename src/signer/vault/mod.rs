//! Signing by the PKI engine of Vault or `OpenBao` (SGN-03).
//!
//! | module | content |
//! |---|---|
//! | [`server`] | calls of one server |
//! | [`tokens`] | logins, and the life of tokens |
//! | [`fault`] | why Vault refused a call |
//! | [`answer`] | the certificate in an answer, split as cert-manager splits it |

mod answer;
mod fault;
pub(crate) mod server;
pub(crate) mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::{
    server::Server,
    tokens::{Given, Slot},
};
use super::{
    Issued, Outcome, Refused, Task, Until, Wait, Warning,
    fault::{Fault, FaultKind},
    standing::{Checked, Standing},
};
use crate::{
    api::GoDuration,
    pki::{chain::SizeLimits, csr::CsrInfo, hidden::Hidden},
};

/// Reason of a request that waits for Vault.
pub(crate) const UNAVAILABLE: &str = "VaultError";
/// Reason of a request whose client cannot be set up (SGN-03).
pub(crate) const INIT: &str = "VaultInitError";
/// Reason of a request that Vault refuses (SGN-03).
const REFUSED: &str = "SigningError";
const NOT_SIGNED: &str = "Vault failed to sign certificate";
/// What a token may do with paths.
const CAPABILITIES: &str = "v1/sys/capabilities-self";

/// A certificate that ends earlier than this before the requested end is reported as shorter.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// An issuer's way to Vault: the server, the login and the path.
#[derive(Debug)]
pub(crate) struct Session {
    server: Server,
    slot: Arc<Slot>,
    path: String,
    limits: SizeLimits,
    standing: Standing,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The certificates that the mount has, in PEM.
    bundle: Option<Bytes>,
    /// The roots above an issuing chain, by that chain's last certificate.
    root: Option<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl Session {
    /// A session that has not logged in yet.
    pub(crate) fn new(server: Server, slot: Arc<Slot>, path: &str, limits: SizeLimits) -> Self {
        Self {
            server,
            slot,
            path: path.to_owned(),
            limits,
            standing: Standing::default(),
            state: Mutex::default(),
        }
    }

    /// Identifies the server, so that a silent one occupies only its own lane.
    pub(crate) fn lane(&self) -> &str {
        &self.server.origin
    }

    /// The verdict that is still in use, and when it ends.
    pub(crate) fn known(&self, now: Timestamp) -> Option<Checked> {
        self.standing.known(now)
    }

    /// Whether this issuer can sign now: health, login, and the right to use the path. The time is that of the next check.
    pub(crate) async fn check(&self, now: Timestamp) -> Checked {
        self.standing.checked(self.can_sign().await, now)
    }

    async fn can_sign(&self) -> Result<(), Fault> {
        self.server.health().await.map_err(|fault| Fault {
            sentence: format!("Failed to verify Vault is initialized and unsealed: {}", fault.sentence),
            ..fault
        })?;
        let named = |fault: Fault| Fault {
            sentence: format!("Failed to initialize Vault client: {}", fault.sentence),
            ..fault
        };
        let path = self.path.trim_matches('/');
        let asked = if self.slot.may_ask() {
            Some(self.with_token(CAPABILITIES, &self.signing_path()).await)
        } else {
            None
        };
        let answer = match asked {
            Some(Ok(answer)) => answer,
            Some(Err(fault)) if fault.kind != FaultKind::Denied || !fault.sentence.contains(CAPABILITIES) => {
                return Err(named(fault));
            }
            // the token is wrong, or it may not ask for its rights: a request without a CSR tells these apart, and signs nothing
            Some(Err(_)) | None => {
                let empty = self.with_token(&format!("v1/{path}"), &json!({})).await;
                return match empty {
                    Ok(_) => Ok(()),
                    Err(fault) => match fault.kind {
                        FaultKind::Request | FaultKind::Settings => Ok(()),
                        FaultKind::Denied | FaultKind::Unavailable | FaultKind::Limited(_) => Err(named(fault)),
                    },
                };
            }
        };
        let data = answer.get("data").unwrap_or(&answer);
        let rights = [path, "capabilities"]
            .into_iter()
            .find_map(|name| data.get(name)?.as_array());
        let may = rights.is_none_or(|rights| {
            rights
                .iter()
                .filter_map(Value::as_str)
                .any(|right| ["root", "update", "create"].contains(&right))
        });
        if may {
            return Ok(());
        }
        Err(named(Fault {
            kind: FaultKind::Denied,
            sentence: format!(
                "the token may not use {path} at {}: give one of its policies path \"{path}\" the capability update",
                self.server.text
            ),
        }))
    }

    /// Signs a request.
    pub(super) async fn sign(&self, task: &Task, with_root: bool, now: Timestamp) -> Outcome {
        let failed = |message: String| {
            Outcome::Refused(Refused {
                reason: REFUSED,
                message,
            })
        };
        let csr = match CsrInfo::parse(&task.csr) {
            Ok(csr) => csr,
            Err(error) => return failed(format!("{NOT_SIGNED}: failed to decode CSR for signing: {error}")),
        };
        // before a certificate exists that a failure would waste
        if with_root && let Err(fault) = self.bundle(false).await {
            return self.wait(&fault, now);
        }
        let path = format!("v1/{}", self.path.trim_matches('/'));
        let signed = self.with_token(&path, &parameters(&csr, task)).await;
        let fault = match signed {
            Ok(answer) => match self.issued(&answer, task, with_root, now).await {
                Ok(issued) => {
                    self.standing.answered();
                    return Outcome::Issued(issued);
                }
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        if fault.kind == FaultKind::Request {
            self.standing.answered();
            return failed(format!("{NOT_SIGNED}: {}", fault.sentence));
        }
        self.wait(&fault, now)
    }

    fn wait(&self, fault: &Fault, now: Timestamp) -> Outcome {
        Outcome::Wait(Wait {
            reason: UNAVAILABLE,
            message: format!("{NOT_SIGNED}: {}", fault.sentence),
            until: Until::At(self.standing.failed(fault, now)),
            memo: None,
            outage: fault.kind.outage(),
        })
    }

    /// Posts with a token. A token that Vault does not know any more is replaced once.
    async fn with_token(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let Given { token, is_new } = self.slot.token().await?;
        let answer = self.server.post(path, Some(&token), body).await;
        let Err(Fault {
            kind: FaultKind::Denied,
            ..
        }) = &answer
        else {
            return answer;
        };
        if is_new {
            // it is not the token that is at fault, but its rights
            self.slot.refused(path);
            return answer;
        }
        // a refused question about the token itself is not asked again
        if (path != CAPABILITIES && self.is_valid(&token).await) || !self.slot.reject(&token).await {
            return answer;
        }
        let Given { token, is_new } = self.slot.token().await?;
        let answer = self.server.post(path, Some(&token), body).await;
        if is_new && matches!(&answer, Err(fault) if fault.kind == FaultKind::Denied) {
            self.slot.refused(path);
        }
        answer
    }

    async fn is_valid(&self, token: &Hidden<String>) -> bool {
        let question = self.signing_path();
        self.server.post(CAPABILITIES, Some(token), &question).await.is_ok()
    }

    /// The question about the path that signs.
    fn signing_path(&self) -> Value {
        json!({ "paths": [self.path.trim_matches('/')] })
    }

    async fn issued(&self, answer: &Value, task: &Task, with_root: bool, now: Timestamp) -> Result<Issued, Fault> {
        let not_vault = || self.server.not_vault("the request to sign");
        let mut chain = answer::chain(answer, &self.limits).ok_or_else(not_vault)?;
        let mut warnings = Vec::new();
        if with_root && !answer::has_root(&chain) {
            let missing = match self.roots(&chain).await {
                Ok(roots) if roots.is_empty() => Some(format!(
                    "the mount of {} at {} has no root above its issuer: import the root into the mount",
                    self.path, self.server.text
                )),
                Ok(roots) => {
                    chain.extend(roots);
                    None
                }
                Err(fault) => Some(fault.sentence),
            };
            warnings.extend(missing.map(|why| Warning {
                reason: "RootNotFound",
                message: format!("ca.crt has the topmost certificate that is known, not the root: {why}"),
            }));
        }
        let issued = answer::issued(chain).ok_or_else(not_vault)?;
        let wanted = now.saturating_add(task.duration).unwrap_or(Timestamp::MAX);
        if issued.not_after.saturating_add(TOLERANCE).is_ok_and(|end| end < wanted) {
            warnings.push(Warning {
                reason: "ShorterThanRequested",
                message: format!(
                    "Vault issued a certificate that ends at {}, earlier than requested ({wanted:.0}): the role or its CA limits it; it \
                     is renewed by its real lifetime",
                    issued.not_after
                ),
            });
        }
        Ok(Issued {
            certificate: issued.certificate,
            ca: issued.ca,
            warnings,
        })
    }

    /// The certificates that the mount has, in PEM: those that are known, unless `again` is set.
    async fn bundle(&self, again: bool) -> Result<Bytes, Fault> {
        if let Some(known) = self.state().bundle.clone().filter(|_| !again) {
            return Ok(known);
        }
        let path = self.path.trim_matches('/');
        let mount = ["/sign/", "/sign-verbatim", "/issuer/"]
            .into_iter()
            .find_map(|endpoint| path.split_once(endpoint))
            .map_or(path, |(mount, _)| mount);
        let text = self.server.text(&format!("v1/{mount}/ca_chain")).await?;
        let text = text.unwrap_or_default();
        self.state().bundle = Some(text.clone());
        Ok(text)
    }

    /// The certificates above a chain that the mount has. It may have got its issuer after they were read.
    async fn roots(&self, chain: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Fault> {
        let last = chain.last().cloned().unwrap_or_default();
        if let Some((_, roots)) = self.state().root.as_ref().filter(|(below, _)| *below == last) {
            return Ok(roots.clone());
        }
        let mut roots = answer::above(chain, &self.bundle(false).await?, &self.limits);
        if roots.is_empty() {
            roots = answer::above(chain, &self.bundle(true).await?, &self.limits);
        }
        self.state().root = Some((last, roots.clone()));
        Ok(roots)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parameters of the sign endpoint (SGN-03): all are texts, and there are no e-mail addresses.
fn parameters(csr: &CsrInfo, task: &Task) -> Value {
    let ips: Vec<String> = csr.sans.ips.iter().map(ToString::to_string).collect();
    let ttl = GoDuration::try_from(task.duration).map(|ttl| ttl.to_string());
    json!({
        "common_name": csr.common_name().unwrap_or_default(),
        "alt_names": csr.sans.dns.join(","),
        "ip_sans": ips.join(","),
        "uri_sans": csr.sans.uris.join(","),
        "ttl": ttl.unwrap_or_default(),
        "csr": String::from_utf8_lossy(&task.csr),
        "exclude_cn_from_sans": "true",
    })
}
