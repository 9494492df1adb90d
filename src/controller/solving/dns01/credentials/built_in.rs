//! Providers of certlet's own that the settings of a webhook name: the group `certlet.io`, a solver, and its config. They are called by this
//! process, and no `APIService` is needed.

use serde_json::{Map, Value};

use super::{Place, Provider};
use crate::{
    api::{SecretKeySelector, dns_persist, dns01::Webhook},
    cloud::fault::{Fault, FaultKind},
    solver::dns01::{httpreq, pdns},
    text::excerpt,
};

/// The provider that the settings name.
///
/// # Errors
/// What of the settings or the Secrets is missing or wrong.
pub(super) async fn built_in(place: &Place<'_>, settings: &Webhook) -> Result<Provider, Fault> {
    match settings.solver_name.as_str() {
        "httpreq" => httpreq(place, settings).await,
        "pdns" => pdns(place, settings).await,
        dns_persist::SOLVER => {
            let sentence = "certlet.io/dns-persist writes no record: it proves names by dns-persist-01 only";
            Err(Fault::new(FaultKind::Other, sentence))
        }
        other => {
            let sentence = format!(
                "certlet.io has no solver {:?}: solverName is dns-persist, httpreq or pdns",
                excerpt(other)
            );
            Err(Fault::new(FaultKind::Other, sentence))
        }
    }
}

async fn httpreq(place: &Place<'_>, settings: &Webhook) -> Result<Provider, Fault> {
    let config = Config::new(settings, &["endpoint", "username", "passwordSecretRef"])?;
    let endpoint = config.needed("endpoint", config.text("endpoint")?)?;
    let password = place.optional(config.reference("passwordSecretRef")?.as_ref()).await?;
    let login = match (config.text("username")?, password) {
        (Some(user), Some(password)) => Some(httpreq::Login {
            user: user.to_owned(),
            password: password.token()?,
            secret: password.text,
        }),
        (None, None) => None,
        (Some(_), None) => return Err(config.wrong("has username and no passwordSecretRef: set both, or none")),
        (None, Some(_)) => return Err(config.wrong("has passwordSecretRef and no username: set both, or none")),
    };
    httpreq::Server::new(place.cloud, endpoint, login.as_ref()).map(Provider::HttpReq)
}

async fn pdns(place: &Place<'_>, settings: &Webhook) -> Result<Provider, Fault> {
    let config = Config::new(settings, &["url", "apiKeySecretRef", "serverName"])?;
    let url = config.needed("url", config.text("url")?)?;
    let name = config.text("serverName")?.unwrap_or(pdns::SERVER);
    let reference = config.needed("apiKeySecretRef", config.reference("apiKeySecretRef")?)?;
    let key = place.secret(&reference).await?;
    pdns::Server::new(place.cloud, url, name, &key.token()?, key.text).map(Provider::Pdns)
}

/// The config of a solver.
#[derive(Debug)]
struct Config<'a> {
    solver: &'a str,
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Config<'a> {
    /// Reads the config of a solver that has the fields `known`.
    fn new(settings: &'a Webhook, known: &[&str]) -> Result<Self, Fault> {
        let Webhook {
            config,
            group_name: _,
            solver_name,
        } = settings;
        let empty = Self {
            solver: solver_name,
            fields: None,
        };
        let fields = match config {
            None | Some(Value::Null) => return Ok(empty),
            Some(Value::Object(fields)) => fields,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(empty.wrong(&format!("is no object with {}", known.join(", "))));
            }
        };
        if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            let known = known.join(", ");
            return Err(empty.wrong(&format!(
                "has the unknown field {:?}: it may have {known}",
                excerpt(field)
            )));
        }
        Ok(Self {
            fields: Some(fields),
            ..empty
        })
    }

    /// A field that is a text; `None` if it is not set or empty.
    fn text(&self, field: &str) -> Result<Option<&'a str>, Fault> {
        match self.fields.and_then(|fields| fields.get(field)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(self.wrong(&format!("has a {field} that is no text")))
            }
        }
    }

    /// A field that names a key of a Secret; `None` if it is not set.
    fn reference(&self, field: &str) -> Result<Option<SecretKeySelector>, Fault> {
        match self.fields.and_then(|fields| fields.get(field)) {
            None | Some(Value::Null) => Ok(None),
            // what the error of serde says may have a part of a secret in it
            Some(value) => serde_json::from_value(value.clone()).map(Some).map_err(|_| {
                self.wrong(&format!(
                    "has a {field} that is no reference to a Secret: {{name: …, key: …}}"
                ))
            }),
        }
    }

    /// A field that has to be set.
    fn needed<T>(&self, field: &str, value: Option<T>) -> Result<T, Fault> {
        value.ok_or_else(|| self.wrong(&format!("has no {field}: it is needed")))
    }

    fn wrong(&self, what: &str) -> Fault {
        let sentence = format!("the config of the solver certlet.io/{} {what}", self.solver);
        Fault::new(FaultKind::Other, sentence)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(config: Option<Value>) -> Webhook {
        Webhook {
            group_name: "certlet.io".to_owned(),
            solver_name: "pdns".to_owned(),
            config,
        }
    }

    #[test]
    fn a_wrong_config_is_named_and_no_part_of_a_secret_is_shown() {
        for (config, words) in [
            (json!("url"), "is no object with url, key"),
            (json!([]), "is no object"),
            (
                json!({"ulr": "x"}),
                "has the unknown field \"ulr\": it may have url, key",
            ),
            (json!({"url": 7}), "has a url that is no text"),
            (json!({}), "has no url: it is needed"),
            (json!({"url": " "}), "has no url"),
            (
                json!({"url": "x", "key": "s3cret"}),
                "has a key that is no reference to a Secret",
            ),
        ] {
            let settings = settings(Some(config));
            let read = Config::new(&settings, &["url", "key"]).and_then(|config| {
                config.needed("url", config.text("url")?)?;
                config.reference("key")
            });
            let sentence = read.unwrap_err().sentence;
            assert!(
                sentence.starts_with("the config of the solver certlet.io/pdns ") && sentence.contains(words),
                "{sentence}"
            );
            assert!(!sentence.contains("s3cret"), "{sentence}");
        }
        let none = settings(None);
        let none = Config::new(&none, &["url"]).unwrap();
        assert_eq!(none.text("url").unwrap(), None);
        let good = settings(Some(json!({"url": " x ", "key": {"name": "n", "key": "k"}})));
        let good = Config::new(&good, &["url", "key"]).unwrap();
        assert_eq!(good.text("url").unwrap(), Some("x"));
        let reference = good.reference("key").unwrap().unwrap();
        assert_eq!((reference.name.as_str(), reference.key.as_deref()), ("n", Some("k")));
    }
}
