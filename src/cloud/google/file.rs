//! The JSON file with credentials that Google's console and `gcloud` write.

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::{
    external::{ExternalAccount, SubjectFormat},
    key::ServiceAccountKey,
    wrong,
};
use crate::{cloud::Fault, pki::hidden::Hidden, text::short_line};

/// Where service accounts get tokens if their key does not name a URL.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// The only universe whose endpoints certlet knows.
const UNIVERSE: &str = "googleapis.com";
/// How much of a text of the file is quoted.
const QUOTED: usize = 100;

/// Credentials of a kind that can be used.
#[derive(Debug)]
pub(super) enum CredentialFile {
    /// The key of a service account.
    Key(ServiceAccountKey),
    /// An identity of another provider.
    External(ExternalAccount),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: String,
    token_uri: Option<String>,
    universe_domain: Option<String>,
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    credential_source: Value,
}

impl CredentialFile {
    /// Reads the file.
    ///
    /// # Errors
    /// What it is instead, or what is missing.
    pub(super) fn parse(json: &[u8], place: &str) -> Result<Self, Fault> {
        let fields: Fields = serde_json::from_slice(json.trim_ascii()).map_err(|_| {
            wrong(format!(
                "{place} is not the JSON key of a service account: create one, and store the file as it is"
            ))
        })?;
        if fields
            .universe_domain
            .as_deref()
            .is_some_and(|universe| universe != UNIVERSE)
        {
            return Err(wrong(format!(
                "{place} is for another universe than {UNIVERSE}, whose servers certlet does not know"
            )));
        }
        match fields.kind.as_str() {
            "service_account" => key(fields, place).map(Self::Key),
            "external_account" => external(fields, place).map(Self::External),
            "authorized_user" => Err(wrong(format!(
                "{place} is the login of a user: use the key of a service account"
            ))),
            _ => Err(wrong(format!(
                "{place} is neither of type service_account nor external_account"
            ))),
        }
    }
}

fn key(fields: Fields, place: &str) -> Result<ServiceAccountKey, Fault> {
    let Fields {
        client_email,
        private_key,
        private_key_id,
        token_uri,
        ..
    } = fields;
    for (value, field) in [(&client_email, "client_email"), (&private_key, "private_key")] {
        if value.is_empty() {
            return Err(wrong(format!(
                "{place} has no {field}: store the file of the key as it is"
            )));
        }
    }
    Ok(ServiceAccountKey {
        email: short_line(&client_email, QUOTED),
        issuer: client_email,
        key_id: private_key_id,
        private_key: Hidden::new(private_key),
        token_url: https(token_uri.as_deref().unwrap_or(TOKEN_URL), place, "token_uri")?,
        place: place.to_owned(),
    })
}

fn external(fields: Fields, place: &str) -> Result<ExternalAccount, Fault> {
    let Fields {
        audience,
        subject_token_type,
        token_url,
        service_account_impersonation_url,
        credential_source,
        ..
    } = fields;
    let text = |pointer: &str| credential_source.pointer(pointer).and_then(Value::as_str);
    let Some(file) = text("/file") else {
        return Err(wrong(format!(
            "{place} has no credential_source.file: certlet reads the token of an external account from a file only"
        )));
    };
    let format = match (text("/format/type"), text("/format/subject_token_field_name")) {
        (None | Some("text"), _) => SubjectFormat::Text,
        (Some("json"), Some(field)) => SubjectFormat::Json(field.to_owned()),
        (Some(_), _) => {
            return Err(wrong(format!(
                "credential_source.format of {place} is neither text nor json with a field name"
            )));
        }
    };
    let impersonation = service_account_impersonation_url.as_deref();
    Ok(ExternalAccount {
        audience,
        subject_token_type,
        token_url: https(&token_url, place, "token_url")?,
        impersonation_url: impersonation
            .map(|url| https(url, place, "service_account_impersonation_url"))
            .transpose()?,
        file: file.into(),
        format,
    })
}

/// A URL with https and without a login. Its address is checked when it is called.
fn https(text: &str, place: &str, field: &str) -> Result<Url, Fault> {
    let url = text.parse::<Url>().ok();
    url.filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| wrong(format!("the {field} of {place} is not an https URL")))
}
