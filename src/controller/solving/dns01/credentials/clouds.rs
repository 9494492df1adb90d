//! Logins at Akamai, Azure and Google Cloud.

use super::{Place, Provider};
use crate::{
    api::dns01::{Akamai, AzureDns, AzureEnvironment, CloudDns},
    cloud::{
        azure, edgegrid,
        fault::{Fault, FaultKind},
        google,
    },
    solver::dns01::{akamai, azuredns, clouddns},
};

/// Akamai Edge DNS (DNS-02).
pub(super) async fn akamai(place: &Place<'_>, settings: &Akamai) -> Result<Provider, Fault> {
    let Akamai {
        access_token_secret_ref,
        client_secret_secret_ref,
        client_token_secret_ref,
        service_consumer_domain,
    } = settings;
    let client_token = place.secret(client_token_secret_ref).await?;
    let client_secret = place.secret(client_secret_secret_ref).await?;
    let access_token = place.secret(access_token_secret_ref).await?;
    let signer = edgegrid::Signer::new(client_token.bytes(), client_secret.bytes(), access_token.bytes())?;
    let base = akamai::base(service_consumer_domain)?;
    Ok(Provider::Akamai(akamai::Client::new(place.cloud, base, signer)))
}

/// Azure DNS (DNS-06): with the secret of an application, or with the identity of the place that certlet runs in.
pub(super) async fn azure_dns(place: &Place<'_>, settings: &AzureDns) -> Result<Provider, Fault> {
    let named = settings.environment.map(endpoints).transpose()?;
    let endpoints = named.unwrap_or(azure::Endpoints::PUBLIC);
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let missing = |field: &str| {
        let sentence = format!(
            "azureDNS.clientID is set and {field} is not: an application needs both, and clientSecretSecretRef"
        );
        Fault::new(FaultKind::Credential, sentence)
    };
    let login = match given(&settings.client_id) {
        Some(client) => {
            let tenant = given(&settings.tenant_id).ok_or_else(|| missing("tenantID"))?;
            let secret = place.optional(settings.client_secret_secret_ref.as_ref()).await?;
            let secret = secret.ok_or_else(|| missing("clientSecretSecretRef"))?;
            azure::Login::with_secret(endpoints, &tenant, &client, secret.bytes(), &secret.text)?
        }
        None if place.allows.ambient => {
            let identity = settings.managed_identity.as_ref();
            let identity = azure::Identity {
                client: identity.and_then(|identity| identity.client_id.as_deref()),
                resource: identity.and_then(|identity| identity.resource_id.as_deref()),
                tenant: identity.and_then(|identity| identity.tenant_id.as_deref()),
            };
            azure::Login::ambient(place.cloud, named, identity)?
        }
        None => return Err(not_ambient("azureDNS.clientID")),
    };
    azuredns::ResourceGroup::new(place.cloud, settings, login, endpoints.manager).map(Provider::AzureDns)
}

/// The endpoints of one of Azure's clouds.
fn endpoints(environment: AzureEnvironment) -> Result<azure::Endpoints, Fault> {
    match environment {
        AzureEnvironment::Public => Ok(azure::Endpoints::PUBLIC),
        AzureEnvironment::China => Ok(azure::Endpoints::CHINA),
        AzureEnvironment::UsGovernment => Ok(azure::Endpoints::US_GOVERNMENT),
        AzureEnvironment::German => {
            let sentence = "azureDNS.environment is AzureGermanCloud, which was closed in 2021: use AzurePublicCloud";
            Err(Fault::new(FaultKind::Credential, sentence))
        }
    }
}

/// Google Cloud DNS (DNS-03): with the key of a service account, or with the identity of the place that certlet runs in.
pub(super) async fn cloud_dns(place: &Place<'_>, settings: &CloudDns) -> Result<Provider, Fault> {
    let login = match place.optional(settings.service_account_secret_ref.as_ref()).await? {
        Some(secret) => google::Login::with_key(secret.bytes(), &secret.text)?,
        None if place.allows.ambient => google::Login::ambient(place.cloud).await?,
        None => return Err(not_ambient("cloudDNS.serviceAccountSecretRef")),
    };
    clouddns::Project::new(place.cloud, settings, login, clouddns::BASE).map(Provider::CloudDns)
}

/// The settings name no credential, and the identity of the place that certlet runs in may not be used (FLG-15).
fn not_ambient(missing: &str) -> Fault {
    let sentence = format!(
        "{missing} is not set, and certlet does not use its own identity for this kind of issuer: set {missing}, or start certlet with \
         --issuer-ambient-credentials (for a ClusterIssuer: --cluster-issuer-ambient-credentials)"
    );
    Fault::new(FaultKind::Credential, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_of_azure_has_its_endpoints_and_the_closed_one_is_named() {
        for (environment, manager) in [
            (AzureEnvironment::Public, "https://management.azure.com"),
            (AzureEnvironment::China, "https://management.chinacloudapi.cn"),
            (AzureEnvironment::UsGovernment, "https://management.usgovcloudapi.net"),
        ] {
            assert_eq!(endpoints(environment).unwrap().manager, manager);
        }
        let fault = endpoints(AzureEnvironment::German).unwrap_err();
        assert!(fault.sentence.contains("closed in 2021"), "{fault:?}");
    }
}
