//! Targets of CAs: each is read and written alone, because a CRD can have hundreds of kilobytes. The index has their annotations only.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::api::PatchParams;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::{Call, Error},
    index::Stored,
    reader::Reader,
    wire::MetaIn,
    writer::{Writer, merge, precondition},
};
use crate::{
    api::names,
    plan::{
        injection::{Slot, TargetKind, TargetSeen},
        seen::{Meta, ObjectKey},
    },
};

/// What is read of a target of any kind: metadata, and where it has a bundle.
#[derive(Deserialize)]
struct TargetIn {
    metadata: MetaIn,
    /// Of webhook configurations.
    #[serde(default)]
    webhooks: Option<Vec<WebhookIn>>,
    /// Of APIServices and CRDs.
    #[serde(default)]
    spec: Option<SpecIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WebhookIn {
    name: String,
    #[serde(default)]
    client_config: Option<ClientIn>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientIn {
    #[serde(default)]
    ca_bundle: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecIn {
    /// Of APIServices. A local one has no service, and may have no bundle.
    service: Option<serde::de::IgnoredAny>,
    ca_bundle: Option<String>,
    #[serde(rename = "insecureSkipTLSVerify")]
    insecure_skip_tls_verify: bool,
    /// Of CRDs.
    conversion: Option<ConversionIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConversionIn {
    #[serde(default)]
    strategy: String,
    #[serde(default)]
    webhook: Option<WebhookConversionIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WebhookConversionIn {
    #[serde(default)]
    client_config: Option<ClientIn>,
}

impl TargetIn {
    fn seen(self, kind: TargetKind) -> TargetSeen {
        let Self {
            metadata,
            webhooks,
            spec,
        } = self;
        let spec = spec.unwrap_or_default();
        let skips_verification = spec.insecure_skip_tls_verify;
        let slots = match kind {
            TargetKind::ValidatingWebhook | TargetKind::MutatingWebhook => {
                let webhooks = webhooks.unwrap_or_default().into_iter();
                let slot = |webhook: WebhookIn| slot(webhook.name, webhook.client_config.unwrap_or_default().ca_bundle);
                webhooks.map(slot).collect()
            }
            TargetKind::ApiService => {
                let bundle = spec.service.map(|_| spec.ca_bundle);
                bundle.map(|bundle| slot(String::new(), bundle)).into_iter().collect()
            }
            TargetKind::Definition => {
                let conversion = spec.conversion.filter(|conversion| conversion.strategy == "Webhook");
                let client = conversion.and_then(|conversion| conversion.webhook?.client_config);
                client
                    .map(|client| slot(String::new(), client.ca_bundle))
                    .into_iter()
                    .collect()
            }
        };
        TargetSeen {
            meta: metadata.into(),
            slots,
            skips_verification,
        }
    }
}

fn slot(webhook: String, bundle: Option<String>) -> Slot {
    Slot {
        webhook,
        // the API server writes standard base64
        bundle: STANDARD.decode(bundle.unwrap_or_default()).unwrap_or_default(),
    }
}

impl Reader {
    /// A target with its bundles; `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn injection_target<K: Stored>(
        &self,
        kind: TargetKind,
        key: &ObjectKey,
    ) -> Result<Option<TargetSeen>, Error> {
        let Some(text) = self.text::<K::Record>(key).await? else {
            return Ok(None);
        };
        let read = serde_json::from_str::<TargetIn>(&text).map_err(|error| Error::Answer {
            call: Call {
                verb: "get",
                kind: K::KIND.to_owned(),
                object: key.to_string(),
            },
            message: error.to_string(),
        })?;
        Ok(Some(read.seen(kind)))
    }
}

impl Writer {
    /// Server-side apply of all bundles of a target, as cert-manager's cainjector does it (CAI-05), over the object that was observed.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if it was changed or replaced meanwhile.
    pub(crate) async fn inject<K: Stored>(
        &self,
        kind: TargetKind,
        meta: &Meta,
        slots: &[Slot],
    ) -> Result<Arc<K::Record>, Error> {
        let target = self.record::<K::Record>("inject a CA into", &meta.key)?;
        let mut body = json!({
            "apiVersion": format!("{}/{}", K::GROUP, K::VERSION),
            "kind": K::KIND,
            "metadata": { "name": meta.name() },
        });
        merge(&mut body, json!({ "metadata": precondition(meta) }));
        merge(&mut body, bundles(kind, slots));
        let parameters = PatchParams::apply(names::INJECTION_FIELD_MANAGER).force();
        let answer = self.apply_for_metadata(&target, &parameters, body).await?;
        self.written(&target, &answer)
    }
}

fn bundles(kind: TargetKind, slots: &[Slot]) -> Value {
    let base64 = |slot: &Slot| STANDARD.encode(&slot.bundle);
    let only = slots.first().map(base64);
    match kind {
        TargetKind::ValidatingWebhook | TargetKind::MutatingWebhook => {
            let webhook = |slot: &Slot| json!({ "name": slot.webhook, "clientConfig": { "caBundle": base64(slot) } });
            json!({ "webhooks": slots.iter().map(webhook).collect::<Vec<_>>() })
        }
        TargetKind::ApiService => json!({ "spec": { "caBundle": only } }),
        TargetKind::Definition => {
            json!({ "spec": { "conversion": { "webhook": { "clientConfig": { "caBundle": only } } } } })
        }
    }
}
