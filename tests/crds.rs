//! The generated custom resource definitions: what is committed, what the field table says, and their size.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use certlet::api::crds;
use serde_json::{Value, json};

const FIELDS: &str = include_str!("data/crd-fields.md");
/// More than this and a client-side `kubectl apply`, which stores the object in an annotation, fails.
const GREATEST_SIZE: usize = 180 * 1024;

#[test]
fn the_committed_files_are_what_the_types_generate() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut committed: Vec<String> = std::fs::read_dir(&directory)
        .expect("crds/ exists")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .collect();
    // The file for `kubectl apply -k` names the others.
    committed.retain(|name| name != "Kustomization");
    committed.sort();
    let generated = crds::render().expect("the rules fit the types");
    let names: Vec<&str> = generated.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(committed, names);
    let listed = std::fs::read_to_string(directory.join("Kustomization")).expect("Kustomization");
    for (name, yaml) in generated {
        assert!(
            listed.contains(&format!("- {name}\n")),
            "crds/Kustomization does not list {name}"
        );
        let found = std::fs::read_to_string(directory.join(&name)).expect(&name);
        assert!(
            found == yaml,
            "crds/{name} is not what src/api generates: run `certlet crds --output-dir crds`"
        );
    }
}

#[test]
fn each_definition_can_be_applied_by_the_client() {
    for definition in crds::definitions().expect("generated") {
        let size = definition.to_string().len();
        assert!(
            size <= GREATEST_SIZE,
            "{} has {size} bytes",
            definition["metadata"]["name"]
        );
    }
}

#[test]
fn every_field_has_a_description_that_can_be_explained() {
    for definition in crds::definitions().expect("generated") {
        let spec = &schema(&definition)["properties"]["spec"];
        undescribed(spec, ".spec");
    }
}

/// Fails for a field of ours without a text. Affinity is Kubernetes' own, its parts are described there.
fn undescribed(schema: &Value, path: &str) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        assert!(
            field["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{path} has no description"
        );
        if name != "affinity" {
            undescribed(field, &path);
            undescribed(&field["items"], &path);
        }
    }
}

#[test]
fn every_field_of_the_table_has_its_type_and_constraints_and_there_are_no_others() {
    let expected = tables();
    assert_eq!(
        expected.len(),
        5,
        "Certificate, CertificateRequest, Issuer, Order, Challenge"
    );
    for definition in crds::definitions().expect("generated") {
        let kind = definition["spec"]["names"]["kind"].as_str().expect("a kind");
        let mut expected = expected[if kind == "ClusterIssuer" { "Issuer" } else { kind }].clone();
        if kind == "Challenge" {
            for (path, field) in &tables()["Issuer"] {
                if let Some(path) = path.strip_prefix(".spec.acme.solvers[].") {
                    expected.insert(format!(".spec.solver.{path}"), field.clone());
                }
            }
        }
        let pods: Vec<_> = expected
            .iter()
            .filter(|(path, _)| path.contains(".http01.ingress.podTemplate."))
            .map(|(path, field)| {
                (
                    path.replace(".ingress.podTemplate.", ".gatewayHTTPRoute.podTemplate."),
                    field.clone(),
                )
            })
            .collect();
        expected.extend(pods);
        // Stored by cert-manager's main branch; here the default is applied when it is read.
        if let Some(source) = expected.get_mut(".spec.acme.renewalInformationSource") {
            source.default = None;
        }
        let mut found = BTreeMap::new();
        for part in ["spec", "status"] {
            let top = schema(&definition);
            collect(top, part, &top["properties"][part], "", &mut found);
        }
        for (path, field) in &expected {
            let Some(found) = found.get(path) else {
                panic!("{kind} lacks {path}")
            };
            assert_eq!(found, field, "{kind} {path}");
        }
        let more: Vec<&String> = found.keys().filter(|path| !expected.contains_key(*path)).collect();
        assert!(
            more.is_empty(),
            "{kind} has fields that the table does not have: {more:?}"
        );
    }
}

#[test]
fn names_columns_and_selectable_fields_are_those_of_the_table() {
    let definitions = crds::definitions().expect("generated");
    for section in FIELDS.split("\n## ").skip(1) {
        let kind = section.split_whitespace().next().expect("a kind");
        let definition = definitions
            .iter()
            .find(|d| d["spec"]["names"]["kind"] == kind)
            .expect(kind);
        let version = &definition["spec"]["versions"][0];
        assert_eq!(
            definition["spec"]["names"],
            python(quoted(section, "names: `")),
            "{kind}"
        );
        let selectable = match quoted(section, "selectableFields=`") {
            "None" => Value::Null,
            fields => python(fields),
        };
        assert_eq!(version["selectableFields"], selectable, "{kind}");
        let columns: Vec<String> = version["additionalPrinterColumns"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|column| {
                let priority = column["priority"]
                    .as_u64()
                    .map(|p| format!(" (priority {p})"))
                    .unwrap_or_default();
                format!(
                    "{}=`{}`{priority}",
                    column["name"].as_str().expect("a name"),
                    column["jsonPath"].as_str().expect("a path")
                )
            })
            .collect();
        let line = section
            .lines()
            .find_map(|line| line.strip_prefix("printer columns: "))
            .expect("columns");
        assert_eq!(columns.join(", "), line, "{kind}");
        assert_eq!(version["subresources"], json!({ "status": {} }), "{kind}");
    }
}

/// What the table says about a field.
#[derive(Clone, Debug, Default, PartialEq)]
struct Field {
    kind: String,
    required: bool,
    format: Option<String>,
    enumeration: Option<Value>,
    item_enumeration: Option<Value>,
    pattern: Option<String>,
    default: Option<String>,
    list_type: Option<String>,
    list_keys: Option<Value>,
    any: bool,
    numbers: BTreeMap<String, u64>,
}

/// Constraints that make a rule affordable are in docs/validation.md, not in the table.
const BOUNDS: &[&str] = &[
    ".spec.secretName maxLength",
    ".spec.duration maxLength",
    ".spec.renewBefore maxLength",
    ".spec.acme.solvers[].waitInsteadOfSelfCheck maxLength",
    ".spec.acme.solvers[].http01.ingress.ingressClassName maxLength",
    ".spec.acme.solvers[].http01.ingress.serviceType maxLength",
    ".spec.acme.solvers[].http01.gatewayHTTPRoute.serviceType maxLength",
    ".spec.acme.solvers[].dns01.rfc2136.nameserver maxLength",
    ".spec.acme.solvers[].dns01.rfc2136.tsigAlgorithm maxLength",
    ".spec.otherNames[].oid maxLength",
    ".spec.renewal.windows[].cron maxLength",
    ".spec.renewal.windows[].timezone maxLength",
    ".status.authorizations[].url maxLength",
    ".status.authorizations[].identifier maxLength",
];

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Reads the generated schema into the table's terms.
fn collect(parent: &Value, name: &str, schema: &Value, path: &str, found: &mut BTreeMap<String, Field>) {
    let path = format!("{path}.{name}");
    let text = |key: &str| schema[key].as_str().map(str::to_owned);
    let items = &schema["items"];
    let kind = match (schema["type"].as_str(), &schema["additionalProperties"]) {
        (Some("array"), _) => format!("[]{}", items["type"].as_str().unwrap_or_default()),
        (Some("object"), Value::Object(of)) => format!(
            "map[string]{}",
            of.get("type").and_then(Value::as_str).unwrap_or_default()
        ),
        (Some(kind), _) => kind.to_owned(),
        (None, _) => "any".to_owned(),
    };
    let numbers = ["minLength", "maxLength", "minimum", "maximum"]
        .into_iter()
        .filter(|key| !BOUNDS.contains(&format!("{path} {key}").as_str()))
        .filter_map(|key| Some((key.to_owned(), schema[key].as_u64()?)))
        .collect();
    let present = |value: &Value| (!value.is_null()).then(|| value.clone());
    let field = Field {
        kind,
        required: parent["required"]
            .as_array()
            .is_some_and(|required| required.contains(&json!(name))),
        format: text("format"),
        enumeration: present(&schema["enum"]),
        item_enumeration: present(&items["enum"]),
        pattern: text("pattern"),
        default: text("default"),
        list_type: text("x-kubernetes-list-type"),
        list_keys: present(&schema["x-kubernetes-list-map-keys"]),
        any: schema["x-kubernetes-preserve-unknown-fields"] == json!(true),
        numbers,
    };
    found.insert(path.clone(), field);
    if name == "affinity" {
        return;
    }
    for (parent, path) in [(schema, path.clone()), (items, format!("{path}[]"))] {
        for (name, nested) in parent["properties"].as_object().into_iter().flatten() {
            collect(parent, name, nested, &path, found);
        }
    }
}

/// Reads the tables, by kind and path.
fn tables() -> BTreeMap<String, BTreeMap<String, Field>> {
    FIELDS
        .split("\n## ")
        .skip(1)
        .map(|section| {
            let kind = section.split_whitespace().next().expect("a kind").to_owned();
            (kind, section.lines().filter_map(row).collect())
        })
        .collect()
}

fn row(line: &str) -> Option<(String, Field)> {
    let line = line.strip_prefix("| `.")?.replace("\\|", "\u{1}");
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [path, kind, required, constraints, ..] = cells.as_slice() else {
        panic!("not a row: {line}")
    };
    let mut field = Field {
        kind: (*kind).to_owned(),
        required: *required == "yes",
        ..Field::default()
    };
    for constraint in constraints
        .replace('\u{1}', "|")
        .split("; ")
        .filter(|text| !text.is_empty() && !text.starts_with("CEL"))
    {
        let (key, value) = constraint.split_once('=').expect(constraint);
        match key {
            "format" => field.format = Some(value.to_owned()),
            "enum" => field.enumeration = Some(python(value)),
            "items enum" => field.item_enumeration = Some(python(value)),
            "pattern" => field.pattern = Some(value.replace("\\$", "$")),
            "default" => field.default = Some(value.to_owned()),
            "list-type" => field.list_type = Some(value.to_owned()),
            "list-map-keys" => field.list_keys = Some(python(value)),
            "preserve-unknown-fields" => field.any = true,
            number => drop(
                field
                    .numbers
                    .insert(number.to_owned(), value.parse().expect("a number")),
            ),
        }
    }
    Some((format!(".{}", path.trim_end_matches('`')), field))
}

/// A value as Python prints it.
fn python(text: &str) -> Value {
    serde_json::from_str(&text.replace('\'', "\"")).expect(text)
}

fn quoted<'a>(section: &'a str, before: &str) -> &'a str {
    let (_, after) = section.split_once(before).expect(before);
    after.split_once('`').expect("a closing mark").0
}
