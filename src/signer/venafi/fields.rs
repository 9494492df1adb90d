//! Custom fields of requests (ANO-06): those of the issuer, and those of the request, which take precedence.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Reason of a request whose custom fields cannot be used (SGN-04).
pub(crate) const CUSTOM_FIELDS: &str = "CustomFieldsError";
/// The type that a field may have.
const PLAIN: &str = "Plain";

/// A custom field.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct CustomField {
    /// The name.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
    /// The type: `Plain`, or nothing.
    #[serde(rename = "type", default)]
    kind: String,
}

/// The fields of an annotation, which is a JSON array. An empty text has none.
///
/// # Errors
/// If it is something else; why, as a sentence.
pub(crate) fn parse(annotation: &str) -> Result<Vec<CustomField>, String> {
    if annotation.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Option<Vec<CustomField>> = serde_json::from_str(annotation).map_err(|error| error.to_string())?;
    Ok(fields.unwrap_or_default())
}

/// The fields of a request, by name: of two with one name, the last counts.
///
/// # Errors
/// If one has an unknown type; why, as a sentence.
pub(crate) fn merge(issuer: Vec<CustomField>, request: Vec<CustomField>) -> Result<Vec<CustomField>, String> {
    let all = issuer.into_iter().chain(request);
    let by_name: BTreeMap<String, CustomField> = all.map(|field| (field.name.clone(), field)).collect();
    let known = |field: &CustomField| ["", PLAIN].contains(&field.kind.as_str());
    if let Some(unknown) = by_name.values().find(|field| !known(field)) {
        return Err(format!(
            "certificate request contains an invalid custom fields type: {:?}",
            crate::text::excerpt(&unknown.kind)
        ));
    }
    Ok(by_name.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_request_take_precedence_and_are_sorted_by_name() {
        let issuer = parse(r#"[{"name":"b","value":"1"},{"name":"a","value":"2","type":"Plain"}]"#).unwrap();
        let request = parse(r#"[{"name":"b","value":"3"}]"#).unwrap();
        let merged = merge(issuer, request).unwrap();
        let pairs: Vec<_> = merged
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "2"), ("b", "3")]);
        assert_eq!(parse("").unwrap().len() + parse("null").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_list_of_fields_is_refused() {
        for wrong in ["{}", r#"[{"name":1}]"#, r#"[{"name":"a"}]"#, "x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let list = parse(r#"[{"name":"a","value":"b","type":"List"}]"#).unwrap();
        assert_eq!(
            merge(list, Vec::new()).unwrap_err(),
            "certificate request contains an invalid custom fields type: \"List\""
        );
    }
}
