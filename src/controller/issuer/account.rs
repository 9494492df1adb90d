//! The account of an ACME issuer: reads its Secrets, plans, calls the server, and sets the status.

use std::collections::BTreeMap;

use aws_lc_rs::digest;

use super::{Either, Issuers, refused_again, solvers};
use crate::acme::jws::{ExternalAccount, generate_rsa_2048_pem};
use crate::acme::{AccountKey, Client, accounts, trust, url::origin};
use crate::api::acme_issuer::ExternalAccountBinding;
use crate::api::condition::{self, READY};
use crate::api::issuer::AcmeIssuerStatus;
use crate::api::{AcmeIssuer, names};
use crate::cluster::secret::{LiveSecret, SecretApply};
use crate::controller::ControllerError;
use crate::pki::hidden::Hidden;
use crate::plan::account::{self, AccountPlan, AccountSeen, Attempt, ExternalSeen, KeySeen};
use crate::plan::issuer::{IssuerId, IssuerVerdict, WantedStatus, secret_of, unsupported_solvers};
use crate::plan::outage::Contact;
use crate::plan::seen::{Next, Object, ObjectKey};
use crate::work::Call;

/// The status of an ACME issuer after the server was called, if necessary.
pub(super) async fn reconcile<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<(WantedStatus, Next), ControllerError> {
    let wanted = |verdict, acme| wanted(controller, spec, verdict, acme);
    let as_it_is = issuer.status.acme.clone();
    let secrets = match read_secrets(controller, issuer, spec).await {
        Ok(Ok(secrets)) => secrets,
        Ok(Err(verdict)) => return Ok((wanted(Some(verdict), as_it_is), Next::OnChange)),
        Err(ControllerError::Cluster(error)) if error.is_forbidden() => {
            let verdict = account::secrets_not_read(&error.to_string());
            return Ok((wanted(Some(verdict), as_it_is), refused_again(controller)));
        }
        Err(error) => return Err(error),
    };
    let status = as_it_is.clone().unwrap_or_default();
    let attempt = || secrets.client.as_ref().and_then(Client::attempt::<Attempt>);
    let mut last = attempt();
    let mut plan = account::plan(
        controller.ports.now(),
        &secrets.seen(issuer, spec, &status, last.as_ref()),
    );
    let mut asking = None;
    if let (AccountPlan::Ensure { .. }, Some(client)) = (&plan, &secrets.client) {
        match begin(controller, issuer, spec, client) {
            Ok(begun) => asking = Some(begun),
            Err((first_verdict, next)) => return Ok((wanted(first_verdict, as_it_is), next)),
        }
        // an issuer that shares the account may have called the server meanwhile
        last = attempt();
        plan = account::plan(
            controller.ports.now(),
            &secrets.seen(issuer, spec, &status, last.as_ref()),
        );
    }
    let seen = secrets.seen(issuer, spec, &status, last.as_ref());
    let outcome = match (plan, &secrets.client) {
        (AccountPlan::Keep, _) => (wanted(None, as_it_is), Next::OnChange),
        (AccountPlan::Refuse(verdict), _) => (wanted(Some(verdict), as_it_is), Next::OnChange),
        (AccountPlan::Wait { verdict, next }, _) => (wanted(verdict, as_it_is), next),
        (AccountPlan::Ensure { known_contact }, Some(client)) => {
            let contact = spec.email.as_deref().unwrap_or_default();
            let began = controller.ports.now();
            let outcome = accounts::ensure(client, contact, known_contact.as_deref(), secrets.binding.as_ref()).await;
            let contact = outcome.as_ref().map_or_else(
                |(_, error)| error.outage().map_or(Contact::Answered, Contact::Outage),
                |_| Contact::Answered,
            );
            let id = IssuerId(issuer.meta.key.clone());
            controller.outages.checked(&controller.ports, &id, contact);
            let concluded = account::conclude(controller.ports.now(), &seen, outcome.as_ref());
            if let Ok(registration) = &outcome {
                tracing::info!(
                    issuer = %format_args!("{} {}", K::KIND, issuer.meta.key),
                    uri = registration.uri,
                    created = registration.created,
                    took = %format_args!("{:.3}s", controller.ports.now().duration_since(began).as_secs_f64()),
                    "registered the ACME account"
                );
            }
            client.remember(concluded.attempt);
            (wanted(concluded.verdict, Some(concluded.status)), concluded.next)
        }
        (AccountPlan::GenerateKey, _) => match generate_key(controller, issuer, spec).await {
            // a missing namespace, a quota, a permission: nothing else reports them
            Err(ControllerError::Cluster(error)) if !error.is_transient() => {
                let verdict = account::key_not_stored(&error.to_string());
                (wanted(Some(verdict), as_it_is), refused_again(controller))
            }
            Err(error) => return Err(error),
            Ok(()) => return Err(ControllerError::Stale("the account key was just created".to_owned())),
        },
        (AccountPlan::Ensure { .. }, None) => {
            return Err(ControllerError::Stale("the account key was deleted".to_owned()));
        }
    };
    drop(asking);
    Ok(outcome)
}

/// Begins the call of the server, unless another issuer registers the same account, or the lane of the server is full.
fn begin<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
    client: &Client,
) -> Result<[Call<IssuerId>; 2], (Option<IssuerVerdict>, Next)> {
    let (queue, id, now) = (
        &controller.ports.queues.issuers,
        IssuerId(issuer.meta.key.clone()),
        controller.ports.now(),
    );
    let server = origin(&spec.server).unwrap_or_default();
    let shared = format!("{server} {}", client.key().thumbprint());
    let turn = queue
        .registering(&shared, &id, now)
        .map_err(|again| (None, Next::At(again)))?;
    let has_verdict = condition::get(&issuer.status.conditions, READY).is_some();
    let first_verdict = || (!has_verdict).then(|| account::in_line(&server));
    let call = queue
        .calling(&server, &id, now)
        .map_err(|again| (first_verdict(), Next::At(again)))?;
    Ok([turn, call])
}

/// The status of an ACME issuer before the server is called, and the planned call.
pub(super) async fn dry_run<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<(WantedStatus, Option<AccountPlan>), ControllerError> {
    let as_it_is = issuer.status.acme.clone();
    let secrets = match read_secrets(controller, issuer, spec).await? {
        Ok(secrets) => secrets,
        Err(verdict) => return Ok((wanted(controller, spec, Some(verdict), as_it_is), None)),
    };
    let status = as_it_is.clone().unwrap_or_default();
    let plan = account::plan(controller.ports.now(), &secrets.seen(issuer, spec, &status, None));
    let verdict = match &plan {
        AccountPlan::Refuse(verdict) => Some(verdict.clone()),
        AccountPlan::Wait { verdict, .. } => verdict.clone(),
        AccountPlan::Keep | AccountPlan::Ensure { .. } | AccountPlan::GenerateKey => None,
    };
    Ok((wanted(controller, spec, verdict, as_it_is), Some(plan)))
}

fn wanted(
    controller: &Issuers,
    spec: &AcmeIssuer,
    verdict: Option<IssuerVerdict>,
    acme: Option<AcmeIssuerStatus>,
) -> WantedStatus {
    WantedStatus {
        verdict,
        acme,
        unsupported_solvers: unsupported_solvers(spec, &controller.ports.settings.gateway),
        ..WantedStatus::default()
    }
}

/// The Secrets of an account, and of the solvers that are used with it.
struct AccountSecrets {
    key: Key,
    client: Option<Client>,
    solvers: Vec<String>,
    external: ExternalSeen,
    binding: Option<ExternalAccount>,
}

impl AccountSecrets {
    fn seen<'a, K: Either>(
        &'a self,
        issuer: &Object<K>,
        spec: &'a AcmeIssuer,
        status: &'a AcmeIssuerStatus,
        attempt: Option<&'a Attempt>,
    ) -> AccountSeen<'a> {
        AccountSeen {
            spec,
            status,
            ready: condition::is_true(&issuer.status.conditions, READY),
            key: self.key.seen(),
            solvers: &self.solvers,
            external: self.external.clone(),
            confirmed: self.client.as_ref().is_some_and(|client| {
                let uri = status.uri.as_deref();
                uri.is_some_and(|uri| client.has_confirmed(uri))
            }),
            unknown: self.client.as_ref().is_some_and(Client::account_is_unknown),
            attempt,
        }
    }
}

/// Reads the Secrets of an account, or returns why its settings cannot be used.
async fn read_secrets<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<Result<AccountSecrets, IssuerVerdict>, ControllerError> {
    if let Err(verdict) = account::check_settings(spec) {
        return Ok(Err(verdict));
    }
    let key = account_key(controller, issuer, spec).await?;
    let client = match key.usable().map(|key| client(controller, spec, key)).transpose() {
        Ok(client) => client,
        Err(verdict) => return Ok(Err(verdict)),
    };
    let (external, binding) = external_account(controller, issuer, spec.external_account_binding.as_ref()).await?;
    Ok(Ok(AccountSecrets {
        key,
        client,
        solvers: solvers::missing(controller, issuer, spec).await?,
        external,
        binding,
    }))
}

/// The content of the Secret with the account key.
enum Key {
    Missing,
    Unusable(String),
    Usable(AccountKey),
}

impl Key {
    fn usable(&self) -> Option<&AccountKey> {
        match self {
            Self::Usable(key) => Some(key),
            Self::Missing | Self::Unusable(_) => None,
        }
    }

    fn seen(&self) -> KeySeen<'_> {
        match self {
            Self::Missing => KeySeen::Missing,
            Self::Unusable(reason) => KeySeen::Unusable(reason.clone()),
            Self::Usable(key) => KeySeen::Usable(key.private_key_hash()),
        }
    }
}

async fn account_key<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<Key, ControllerError> {
    let reference = &spec.private_key_secret_ref;
    let secret = controller
        .ports
        .reader
        .secret(&secret_key(controller, issuer, &reference.name))
        .await?;
    let entry = reference.key_or(names::data_key::TLS_KEY);
    Ok(secret.map_or(Key::Missing, |secret| read_key(&secret, &reference.name, entry)))
}

/// Creates the account key (ACC-01). If another client creates the Secret first, this write fails and that key is used.
async fn generate_key<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &AcmeIssuer,
) -> Result<(), ControllerError> {
    let reference = &spec.private_key_secret_ref;
    let pem = tokio::task::spawn_blocking(generate_rsa_2048_pem)
        .await
        .map_err(|_| ControllerError::Panicked)?
        .map_err(|error| ControllerError::Failed(format!("failed to generate an ACME account key: {error}")))?;
    let entry = reference.key_or(names::data_key::TLS_KEY);
    controller
        .ports
        .writer
        .create_secret(&new_secret(secret_key(controller, issuer, &reference.name), entry, pem))
        .await?;
    Ok(())
}

fn read_key(secret: &LiveSecret, name: &str, entry: &str) -> Key {
    let Some(pem) = secret.data(entry) else {
        return Key::Unusable(format!(
            "Account private key is invalid: there is no data for {entry:?} in secret {name:?}"
        ));
    };
    match AccountKey::from_pem(pem) {
        Ok(key) => Key::Usable(key),
        Err(crate::acme::jws::KeyError::NotRsa) => Key::Unusable(format!(
            "ACME private key in {name:?} is not of type RSA (nor ECDSA P-256)"
        )),
        Err(error) => Key::Unusable(format!(
            "Account private key is invalid: {entry} of secret {name:?} cannot be used: {error}"
        )),
    }
}

fn new_secret(key: ObjectKey, entry: &str, pem: Hidden<Vec<u8>>) -> SecretApply {
    SecretApply {
        key,
        type_: "Opaque".to_owned(),
        labels: BTreeMap::from([(names::label::MANAGED_BY.to_owned(), names::MANAGED_BY.to_owned())]), // ANW-11
        annotations: BTreeMap::new(),
        owners: Vec::new(),
        data: BTreeMap::from([(entry.to_owned(), pem)]),
        resource_version: None,
        uid: None,
    }
}

/// Reads the key for external account binding (ACC-08).
async fn external_account<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    binding: Option<&ExternalAccountBinding>,
) -> Result<(ExternalSeen, Option<ExternalAccount>), ControllerError> {
    let Some(binding) = binding else {
        return Ok((ExternalSeen::NotAsked, None));
    };
    let unusable = |reason: String| {
        (
            ExternalSeen::Unusable(format!("the external account binding cannot be used: {reason}")),
            None,
        )
    };
    let name = &binding.key_secret_ref.name;
    let Some(entry) = binding.key_secret_ref.key.as_deref() else {
        return Ok(unusable(
            "spec.acme.externalAccountBinding.keySecretRef.key is not set".to_owned(),
        ));
    };
    let Some(secret) = controller
        .ports
        .reader
        .secret(&secret_key(controller, issuer, name))
        .await?
    else {
        return Ok(unusable(format!("secret {name:?} not found")));
    };
    let Some(data) = secret.data(entry) else {
        return Ok(unusable(format!("there is no data for {entry:?} in secret {name:?}")));
    };
    Ok(match ExternalAccount::new(&binding.key_id, data) {
        Ok(account) => (ExternalSeen::Usable(fingerprint(&binding.key_id, data)), Some(account)),
        Err(error) => unusable(format!("{entry} of secret {name:?}: {error}")),
    })
}

fn fingerprint(key_id: &str, data: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&key_id.len().to_be_bytes());
    context.update(key_id.as_bytes());
    context.update(data);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn client(controller: &Issuers, spec: &AcmeIssuer, key: &AccountKey) -> Result<Client, IssuerVerdict> {
    controller
        .ports
        .acme
        .client(&spec.server, &trust(spec), key)
        .map_err(|error| account::unusable_settings(&error))
}

fn secret_key<K: Either>(controller: &Issuers, issuer: &Object<K>, name: &str) -> ObjectKey {
    secret_of(
        &issuer.meta,
        name,
        &controller.ports.settings.cluster_resource_namespace,
    )
}
