//! `certlet check api`: whether the API server takes CertificateRequests and judges them, as cmctl's and startupapicheck's `check api`
//! (HLM-01). Dry runs: nothing is stored.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::finding::{Finding, Verdict};
use crate::{
    api::ByteString,
    cli::{
        args::{duration, level},
        print, remark,
        target::{Connected, Target, run_to_end},
    },
    cluster::{
        create::Refused,
        reader::{CALL_TIMEOUT, Reader},
        webhooks,
    },
    pki::{
        csr::{self, CsrTemplate},
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        name::SubjectAltNames,
    },
};

const CHECK: &str = "api";
/// What cmctl prints, and scripts look for.
const READY: &str = "The cert-manager API is ready\n";
/// Who the third request pretends to be from.
const FORGED: &str = "certlet-check:another-user";
/// Ends of sentences about policies that are not in force.
const APPLY: &str = "Apply the policies: kubectl apply -k deploy/api, or helm upgrade";

/// Check that the API server takes CertificateRequests and that the admission policies judge them
///
/// Sends three dry runs, which store nothing: a request that is valid, one without a CSR, and one that names another requester.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status:
  0  the API is ready
  3  it is not
  1  an error
  2  invalid arguments

Examples:
  certlet check api
  certlet check api --wait 1m                         until it is ready, at most one minute")]
pub(super) struct ApiArgs {
    #[command(flatten)]
    target: Target,
    /// Check again until the API is ready, for this long at most, for example 1m
    #[arg(long, value_parser = duration, default_value = "0s", value_name = "DURATION")]
    wait: Duration,
    /// Time between two checks
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "DURATION")]
    interval: Duration,
    /// Print each check that fails, while waiting
    #[arg(
        short,
        long = "v",
        value_parser = level,
        num_args = 0..=1,
        require_equals = true,
        default_value = "0",
        default_missing_value = "2",
        value_name = "LEVEL"
    )]
    verbosity: u8,
}

/// Runs the command.
pub(super) fn run(args: &ApiArgs) -> ExitCode {
    match run_to_end(check(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(crate::cli::NEGATIVE),
        Err(error) => crate::cli::fail(&error),
    }
}

async fn check(args: &ApiArgs) -> Result<bool, String> {
    let Connected { client, namespace, .. } = args.target.connect().await?;
    let server = Server {
        reader: Reader::new(client),
        namespace,
    };
    let csr = certificate_signing_request()?;
    let deadline = Instant::now() + args.wait;
    loop {
        let findings = server.judged(&csr).await;
        let worst = findings.iter().find(|finding| finding.verdict == Verdict::Failure);
        let Some(failure) = worst else {
            for finding in &findings {
                remark(&finding.message);
            }
            print(READY)?;
            return Ok(true);
        };
        if Instant::now() + args.interval > deadline {
            print(&(failure.text() + "\n"))?;
            return Ok(false);
        }
        if args.verbosity > 0 {
            remark(&format!("not ready yet: {}", failure.message));
        }
        sleep(args.interval).await;
    }
}

/// A valid CSR, as PEM.
fn certificate_signing_request() -> Result<Vec<u8>, String> {
    let template = CsrTemplate {
        sans: SubjectAltNames {
            dns: vec!["example.com".to_owned()],
            ..SubjectAltNames::default()
        },
        ..CsrTemplate::default()
    };
    let key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).map_err(|error| error.to_string())?;
    csr::build(&template, &key).map_err(|error| error.to_string())
}

/// The API server, and the namespace for the dry runs.
struct Server {
    reader: Reader,
    namespace: String,
}

impl Server {
    /// What the three dry runs show: the first failure, or remarks.
    async fn judged(&self, csr: &[u8]) -> Vec<Finding> {
        let valid = json!({ "request": ByteString(csr.to_vec()), "issuerRef": { "name": "certlet-check" } });
        let mut findings = of_valid(self.create("valid", &valid).await);
        if findings.iter().any(|finding| finding.verdict == Verdict::Failure) {
            return findings;
        }
        let mut other = valid.clone();
        merge(&mut other, "request", json!(ByteString(b"invalid-csr".to_vec())));
        let invalid = of_invalid(self.create("invalid", &other).await, &self.namespace);
        merge(&mut other, "request", json!(ByteString(csr.to_vec())));
        merge(&mut other, "username", json!(FORGED));
        let forged = of_forged(self.create("forged", &other).await);
        findings.extend(invalid.into_iter().chain(forged));
        findings
    }

    /// The spec that a CertificateRequest with this spec would have.
    async fn create(&self, name: &str, spec: &Value) -> Result<Value, Refused> {
        let path = format!(
            "/apis/cert-manager.io/v1/namespaces/{}/certificaterequests?dryRun=All&fieldManager=certlet",
            self.namespace
        );
        let body = json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": { "generateName": format!("certlet-check-{name}-") },
            "spec": spec,
        });
        let unanswered = |message: String| Refused { code: None, message };
        let answer = timeout(CALL_TIMEOUT, self.reader.post(&path, body.to_string().into_bytes())).await;
        let answer = answer.map_err(|_| unanswered(format!("no answer within {}s", CALL_TIMEOUT.as_secs())))??;
        let mut created: Value = serde_json::from_str(&answer).map_err(|error| unanswered(error.to_string()))?;
        Ok(created.get_mut("spec").map(Value::take).unwrap_or_default())
    }
}

fn merge(spec: &mut Value, field: &str, value: Value) {
    if let Some(fields) = spec.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// A valid request has to be accepted. The requester should be recorded.
fn of_valid(answer: Result<Value, Refused>) -> Vec<Finding> {
    match answer {
        Ok(spec)
            if spec
                .get("username")
                .and_then(Value::as_str)
                .is_some_and(|name| !name.is_empty()) =>
        {
            Vec::new()
        }
        Ok(_) => vec![Finding::warning(
            CHECK,
            "the API server does not record the requester of CertificateRequests; Kubernetes 1.36 and later does, with the policy in \
             deploy/requester-identity",
            "",
        )],
        Err(refused) => vec![of_refusal(&refused)],
    }
}

/// A text that is not a CSR has to be refused for that reason.
fn of_invalid(answer: Result<Value, Refused>, namespace: &str) -> Option<Finding> {
    match answer {
        Ok(_) => Some(Finding::failure(
            CHECK,
            format!(
                "the policy certlet-request is not in force: a CertificateRequest without a CSR is accepted in namespace {namespace}"
            ),
            format!("{APPLY}. A label cert-manager.io/disable-validation=true of the namespace disables it, too"),
        )),
        Err(refused) if refused.message.contains("failed to decode csr") => None,
        Err(refused) => Some(of_refusal(&refused)),
    }
}

/// A wrong requester has to be refused, or to be replaced by the right one.
fn of_forged(answer: Result<Value, Refused>) -> Option<Finding> {
    match answer {
        Ok(spec) if spec.get("username").is_some_and(|name| name == FORGED) => Some(Finding::failure(
            CHECK,
            "the policy certlet-identity is not in force: a CertificateRequest that names another requester is accepted",
            APPLY,
        )),
        Ok(_) => None,
        Err(refused) if refused.message.contains("identity must be that of the requester") => None,
        Err(refused) => Some(of_refusal(&refused)),
    }
}

/// Why the API server refuses a request that it should accept.
fn of_refusal(refused: &Refused) -> Finding {
    let Refused { code, message } = refused;
    let is_forbidden = message.contains("cannot create resource");
    let (message, action) = match code {
        None => (format!("the API server does not answer: {message}"), String::new()),
        Some(404) => (
            "the CustomResourceDefinition certificaterequests.cert-manager.io does not exist, or is not served in version v1".to_owned(),
            "Apply the definitions: kubectl apply -f crds, or helm upgrade with crds.enabled=true".to_owned(),
        ),
        Some(403) if is_forbidden => (
            message.clone(),
            "Run the check as a user with the verb create on certificaterequests".to_owned(),
        ),
        Some(_) => (
            format!("a dry run is refused: {message}"),
            webhooks::advice(message).unwrap_or_default(),
        ),
    };
    Finding::failure(CHECK, message, action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> Result<Value, Refused> {
        Err(Refused {
            code: Some(code),
            message: message.to_owned(),
        })
    }

    #[test]
    fn a_valid_request_is_accepted_and_its_requester_recorded_where_the_server_can() {
        assert_eq!(of_valid(Ok(json!({ "username": "a" }))), Vec::new());
        let unrecorded = of_valid(Ok(json!({})));
        assert_eq!(unrecorded[0].verdict, Verdict::Warning);
        for (code, message, expected) in [
            (
                404,
                "404 page not found",
                "does not exist, or is not served in version v1. Apply the definitions",
            ),
            (
                403,
                "certificaterequests.cert-manager.io is forbidden: User \"a\" cannot create resource \"certificaterequests\"",
                "with the verb create on certificaterequests",
            ),
            (
                403,
                "admission webhook \"kyverno\" denied the request: no",
                "a dry run is refused: admission webhook",
            ),
        ] {
            let findings = of_valid(refused(code, message));
            assert_eq!(findings[0].verdict, Verdict::Failure);
            assert!(findings[0].text().contains(expected), "{findings:?}");
        }
    }

    #[test]
    fn a_policy_that_is_not_in_force_is_named() {
        let decode = refused(422, "spec.request: Invalid value: failed to decode csr: error decoding");
        assert_eq!(of_invalid(decode, "shop"), None);
        let accepted = of_invalid(Ok(json!({})), "shop").unwrap().text();
        assert!(
            accepted.contains("certlet-request is not in force") && accepted.contains("namespace shop"),
            "{accepted}"
        );
        let other = of_invalid(refused(403, "exceeded quota"), "shop").unwrap().text();
        assert!(other.contains("a dry run is refused: exceeded quota"), "{other}");

        assert_eq!(of_forged(Ok(json!({ "username": "a" }))), None);
        let identity = refused(
            403,
            "spec.username: Forbidden: username identity must be that of the requester",
        );
        assert_eq!(of_forged(identity), None);
        let forged = of_forged(Ok(json!({ "username": FORGED }))).unwrap().text();
        assert!(forged.contains("certlet-identity is not in force"), "{forged}");
    }

    #[test]
    fn the_request_of_the_dry_run_is_one_that_certlet_would_sign() {
        let csr = certificate_signing_request().unwrap();
        assert!(csr::only_request(&csr).is_ok());
    }
}
