//! Certificate Manager, `SaaS`, and Next-Gen Trust Security, which has the same API without applications: issuing template, request and retrieval.

use http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Order, Product, Retrieved,
    policy::{Keys, Part, Policy, Rules, Sizes, curve_bits},
    server::{Call, Server},
};
use crate::{
    api::GoDuration,
    signer::fault::{Fault, FaultKind},
    text::excerpt,
};

/// What requests are marked with, as by cert-manager.
const ORIGIN: &str = "cert-manager";
/// The address of the requester, which the API wants. This one is sent by clients that do not know their own.
const ADDRESS: &str = "0.0.0.0";
/// States of a request that will never have a certificate.
const ENDED: [&str; 5] = ["FAILED", "REJECTED", "REJECTED_APPROVAL", "CANCELLED", "DELETED"];

/// Application and alias of an issuing template in a zone of `SaaS`.
pub(super) fn application(zone: &str) -> Option<(&str, &str)> {
    let (application, alias) = zone.split_once('\\')?;
    (!application.is_empty() && !alias.is_empty() && !alias.contains('\\')).then_some((application, alias))
}

/// An issuing template.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Template {
    id: String,
    name: Option<String>,
    #[serde(rename = "subjectCNRegexes")]
    common_names: Option<Vec<String>>,
    #[serde(rename = "subjectORegexes")]
    organizations: Option<Vec<String>>,
    #[serde(rename = "subjectOURegexes")]
    organizational_units: Option<Vec<String>>,
    #[serde(rename = "subjectSTRegexes")]
    provinces: Option<Vec<String>>,
    #[serde(rename = "subjectLRegexes")]
    localities: Option<Vec<String>>,
    #[serde(rename = "subjectCValues")]
    countries: Option<Vec<String>>,
    san_regexes: Option<Vec<String>>,
    key_types: Option<Vec<KeyType>>,
    recommended_settings: Option<Recommended>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyType {
    #[serde(rename = "keyType")]
    algorithm: String,
    #[serde(rename = "keyLengths")]
    lengths: Option<Vec<u32>>,
    #[serde(rename = "keyCurves")]
    curves: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recommended {
    #[serde(rename = "subjectOValue")]
    organization: Option<String>,
    #[serde(rename = "subjectOUValue")]
    organizational_unit: Option<String>,
    #[serde(rename = "subjectSTValue")]
    province: Option<String>,
    #[serde(rename = "subjectLValue")]
    locality: Option<String>,
    #[serde(rename = "subjectCValue")]
    country: Option<String>,
}

impl Template {
    fn policy(self) -> (String, Policy) {
        let Self {
            id,
            name: _,
            common_names,
            organizations,
            organizational_units,
            provinces,
            localities,
            countries,
            san_regexes,
            key_types,
            recommended_settings,
        } = self;
        let Recommended {
            organization,
            organizational_unit,
            province,
            locality,
            country,
        } = recommended_settings.unwrap_or_default();
        let part = |default: Option<String>, patterns| Part {
            default: default.filter(|value| !value.is_empty()).into_iter().collect(),
            rules: Rules::patterns(patterns),
        };
        let policy = Policy {
            common_name: Rules::patterns(common_names),
            dns: Rules::patterns(san_regexes),
            organization: part(organization, organizations),
            organizational_unit: part(organizational_unit, organizational_units),
            province: part(province, provinces),
            locality: part(locality, localities),
            country: part(country, countries),
            keys: keys(key_types.unwrap_or_default()),
            rsa_bits: None,
        };
        (id, policy)
    }
}

/// The allowed keys; `None` if all are. The first entry of an algorithm counts.
fn keys(types: Vec<KeyType>) -> Option<Keys> {
    if types.is_empty() {
        return None;
    }
    let mut keys = Keys::default();
    for KeyType {
        algorithm,
        lengths,
        curves,
    } in types
    {
        if algorithm.eq_ignore_ascii_case("RSA") {
            keys.rsa
                .get_or_insert_with(|| Sizes::OneOf(lengths.unwrap_or_default()));
        } else {
            let bits = |name: &String| curve_bits(name);
            keys.curves
                .get_or_insert_with(|| Sizes::OneOf(curves.iter().flatten().map(bits).collect()));
        }
    }
    Some(keys)
}

/// The identifier and the policy of the issuing template that a zone names.
pub(super) async fn template(server: &Server, zone: &str) -> Result<(String, Policy), Fault> {
    let missing = |fault: Fault| of_zone(fault, zone);
    if server.product() == Product::Ngts {
        let call = Call::get(&["v1", "certificateissuingtemplates"]);
        let response = server.call(&call).await?;
        let answer: Templates = server.read(&call, &response, &[StatusCode::OK]).map_err(missing)?;
        let mut templates = answer.templates.unwrap_or_default().into_iter();
        let found = templates.find(|template| template.name.as_deref() == Some(zone));
        let found = found.ok_or_else(|| {
            let sentence = format!(
                "{} has no issuing template {:?} (spec.venafi.zone)",
                server.text,
                excerpt(zone)
            );
            Fault::settings(sentence)
        })?;
        return Ok(found.policy());
    }
    let (application, alias) = application(zone).ok_or_else(|| Fault::settings(WRONG_ZONE))?;
    let path = [
        "outagedetection",
        "v1",
        "applications",
        application,
        "certificateissuingtemplates",
        alias,
    ];
    let call = Call::get(&path);
    let response = server.call(&call).await?;
    let found: Template = server.read(&call, &response, &[StatusCode::OK]).map_err(missing)?;
    Ok(found.policy())
}

/// A zone of `SaaS` that is none.
pub(super) const WRONG_ZONE: &str =
    r"spec.venafi.zone must be an application and the alias of an issuing template, with one \ between them";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Templates {
    #[serde(rename = "certificateIssuingTemplates")]
    templates: Option<Vec<Template>>,
}

/// Whatever is wrong with a zone is not a matter of the requester.
fn of_zone(fault: Fault, zone: &str) -> Fault {
    match fault.kind {
        FaultKind::Request => Fault {
            kind: FaultKind::Settings,
            sentence: format!("{} (spec.venafi.zone is {:?})", fault.sentence, excerpt(zone)),
        },
        FaultKind::Denied | FaultKind::Settings | FaultKind::Unavailable | FaultKind::Limited(_) => fault,
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Application {
    id: String,
    certificate_issuing_template_alias_id_map: Map<String, Value>,
}

/// Requests a certificate. Returns the identifier of the request.
pub(super) async fn request(server: &Server, order: &Order<'_>, template: &str) -> Result<String, Fault> {
    let mut body = json!({
        "certificateSigningRequest": order.csr_pem,
        "certificateIssuingTemplateId": template,
        "apiClientInformation": {"type": ORIGIN, "identifier": ADDRESS},
        "validityPeriod": period(order.duration),
    });
    if let (Product::Cloud, Some((name, alias))) = (server.product(), application(order.zone)) {
        let path = ["outagedetection", "v1", "applications", "name", name];
        let call = Call::get(&path);
        let response = server.call(&call).await?;
        let read = server.read(&call, &response, &[StatusCode::OK]);
        let Application {
            id,
            certificate_issuing_template_alias_id_map: templates,
        } = read.map_err(|fault| of_zone(fault, order.zone))?;
        let template = templates.get(alias).and_then(Value::as_str).unwrap_or(template);
        if let Some(body) = body.as_object_mut() {
            body.insert("applicationId".to_owned(), json!(id));
            body.insert("certificateIssuingTemplateId".to_owned(), json!(template));
        }
    }
    let call = Call::post(&["outagedetection", "v1", "certificaterequests"], &body);
    let response = server.call(&call).await?;
    let answer: Value = server.read(&call, &response, &[StatusCode::CREATED])?;
    let id = answer.pointer("/certificateRequests/0/id").and_then(Value::as_str);
    let id = id.ok_or_else(|| server.foreign(&call.text()))?;
    Ok(id.to_owned())
}

/// A lifetime as an ISO 8601 duration, in days if it is one of days: some CAs read no hours.
fn period(duration: SignedDuration) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let (days, rest) = (duration.as_secs() / DAY, duration.as_secs() % DAY);
    let rest_text = GoDuration::from_seconds(rest).to_string().to_uppercase();
    match (days, rest) {
        (0, _) => format!("PT{rest_text}"),
        (_, 0) => format!("P{days}D"),
        _ => format!("P{days}DT{rest_text}"),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Progress {
    status: String,
    certificate_ids: Option<Vec<String>>,
    error_information: Option<Information>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Information {
    message: Option<String>,
}

/// Fetches the certificate of a request.
pub(super) async fn retrieve(server: &Server, id: &str) -> Result<Retrieved, Fault> {
    let path = ["outagedetection", "v1", "certificaterequests", id];
    let call = Call::get(&path);
    let response = server.call(&call).await?;
    let Progress {
        status,
        certificate_ids,
        error_information,
    } = server.read(&call, &response, &[StatusCode::OK])?;
    if ENDED.contains(&status.as_str()) {
        let why = error_information.unwrap_or_default().message.unwrap_or_default();
        let why = if why.is_empty() {
            why
        } else {
            format!(": {}", excerpt(&why))
        };
        return Err(Fault {
            kind: FaultKind::Request,
            sentence: format!("{} ended the request with the status {status}{why}", server.text),
        });
    }
    let certificate = certificate_ids.unwrap_or_default().into_iter().next();
    let Some(certificate) = certificate.filter(|_| status == "ISSUED") else {
        return Ok(Retrieved::Pending(status));
    };
    let path = [
        "outagedetection",
        "v1",
        "certificates",
        certificate.as_str(),
        "contents",
    ];
    let call = Call {
        query: Some("chainOrder=EE_FIRST&format=PEM"),
        ..Call::get(&path)
    };
    let response = server.call(&call).await?;
    match response.status {
        StatusCode::OK => Ok(Retrieved::Chain(response.body.to_vec())),
        // the CA has not signed it yet, or the service does not find it yet
        StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::ACCEPTED => Ok(Retrieved::Pending(status)),
        _ => Err(server.refused(&call, &response)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_an_application_and_an_alias() {
        assert_eq!(application(r"My App\Default"), Some(("My App", "Default")));
        for wrong in ["App", r"\Default", r"App\", r"a\b\c", ""] {
            assert_eq!(application(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_lifetime_is_written_in_days_if_it_can_be() {
        for (hours, wanted) in [(24, "P1D"), (2160, "P90D"), (1, "PT1H0M0S"), (25, "P1DT1H0M0S")] {
            assert_eq!(period(SignedDuration::from_hours(hours)), wanted);
        }
    }

    #[test]
    fn a_template_is_a_policy() {
        let template: Template = serde_json::from_str(
            r#"{"id":"1","name":"Default","subjectCNRegexes":[".*\\.example"],"sanRegexes":null,"subjectCValues":["DE"],
                "keyTypes":[{"keyType":"RSA","keyLengths":[2048,4096]},{"keyType":"EC","keyCurves":["P256","ED25519"]}],
                "recommendedSettings":{"subjectOValue":"Example","key":{"type":"RSA","length":2048}}}"#,
        )
        .unwrap();
        let (id, policy) = template.policy();
        assert_eq!(
            (id.as_str(), policy.organization.default.as_slice()),
            ("1", ["Example".to_owned()].as_slice())
        );
        let keys = policy.keys.unwrap();
        assert_eq!(keys.rsa, Some(Sizes::OneOf(vec![2048, 4096])));
        assert_eq!(keys.curves, Some(Sizes::OneOf(vec![256, 0])));
        assert!(policy.dns.0.is_empty() && policy.common_name.0.len() == 1);
        assert!(super::keys(Vec::new()).is_none());
    }
}
