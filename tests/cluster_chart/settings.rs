//! Each of the 246 settings of cert-manager's chart (HLM-03, HLM-04, HLM-05, HLM-06): it has its effect, is refused with a sentence, or is named in
//! NOTES.txt.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::helm::{Helm, Rendered};
use crate::support::bed::project;

/// What tests/data/chart/settings.yaml says about a setting.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    setting: String,
    default: Option<Value>,
    to: Value,
    #[serde(default)]
    with: Value,
    changes: Option<String>,
    removes: Option<String>,
    fails: Option<String>,
    notes: Option<String>,
}

fn rows() -> Vec<Row> {
    serde_saphyr::from_str(include_str!("../data/chart/settings.yaml")).unwrap()
}

/// Values with one setting, given as `image.tag`.
fn set(setting: &str, value: &Value) -> Value {
    let nested = |inner: Value, name: &str| Value::Object(Map::from_iter([(name.to_owned(), inner)]));
    setting.rsplit('.').fold(value.clone(), nested)
}

/// As helm merges values: maps with maps, everything else is replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}

/// cert-manager's own values.yaml.
fn defaults(rows: &[Row]) -> Value {
    let mut values = json!({});
    for row in rows {
        if let Some(default) = &row.default {
            merge(&mut values, &set(&row.setting, default));
        }
    }
    values
}

/// Lines that are more often in one text than in the other.
fn more_in<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let mut lines: BTreeMap<&str, i32> = BTreeMap::new();
    for line in one.lines() {
        *lines.entry(line).or_default() += 1;
    }
    for line in other.lines() {
        if let Some(count) = lines.get_mut(line) {
            *count -= 1;
        }
    }
    lines
        .into_iter()
        .filter_map(|(line, count)| (count > 0).then_some(line))
        .collect()
}

impl Row {
    /// Whether the two are as the row says.
    fn holds(&self, without: &Rendered, with: &Rendered) -> bool {
        let Self {
            changes,
            removes,
            fails,
            notes,
            ..
        } = self;
        let has = |lines: &[&str], text: &str| lines.iter().any(|line| line.contains(text));
        if let Some(sentence) = fails {
            return with.error.contains(sentence.as_str()) && with.manifest.is_empty();
        }
        let all = |rendered: &Rendered| format!("{}{}", rendered.manifest, rendered.hooks);
        let (before, after) = (all(without), all(with));
        let added = more_in(&after, &before);
        let removed = more_in(&before, &after);
        let said = more_in(&with.notes, &without.notes);
        let accepted = without.error.is_empty() && with.error.is_empty();
        accepted
            && match (changes, removes, notes) {
                (Some(text), None, None) => has(&added, text),
                (None, Some(text), None) => has(&removed, text),
                (None, None, Some(text)) => {
                    let named: Vec<&str> = said.into_iter().filter(|line| line.contains(&self.setting)).collect();
                    after == before && has(&named, text)
                }
                _ => panic!("one thing is expected of {}", self.setting),
            }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_setting_of_cert_managers_chart_has_its_effect_or_is_refused_or_is_named() {
    let Some(helm) = Helm::prepare("every_setting_of_cert_managers_chart").await else {
        return;
    };
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.setting.as_str()).collect();
    assert_eq!(names.len(), 246);
    let defaults = defaults(&rows);
    let mut cases = Vec::new();
    for row in &rows {
        let mut without = defaults.clone();
        merge(&mut without, &row.with);
        let mut with = without.clone();
        merge(&mut with, &set(&row.setting, &row.to));
        cases.extend([without, with]);
    }
    let rendered = helm.render(&cases).await;
    let pairs = rows.iter().zip(rendered.chunks(2));
    let wrong: Vec<String> = pairs
        .filter(|(row, pair)| !row.holds(&pair[0], &pair[1]))
        .map(|(row, pair)| {
            let lines = more_in(&pair[1].manifest, &pair[0].manifest);
            format!("{row:?}: {}{}\n{lines:?}", pair[0].error, pair[1].error)
        })
        .collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_copy_of_cert_managers_values_renders_the_same_as_no_values() {
    let Some(helm) = Helm::prepare("a_copy_of_cert_managers_values").await else {
        return;
    };
    let rendered = helm.render(&[json!({}), defaults(&rows())]).await;
    let [none, copy] = rendered.as_slice() else {
        unreachable!()
    };
    assert_eq!((none.error.as_str(), copy.error.as_str()), ("", ""));
    let probe = ["          initialDelaySeconds: 10", "          successThreshold: 1"];
    assert_eq!(
        more_in(&copy.manifest, &none.manifest),
        probe,
        "the liveness probe waits as cert-manager's"
    );
    assert_eq!(more_in(&none.manifest, &copy.manifest), [""; 0]);
    assert!(none.manifest.contains("image: certlet:"), "{}", none.manifest);
    assert_eq!(copy.notes, none.notes);
    assert!(!none.notes.contains("have no effect"), "{}", none.notes);
}

/// The names of groups of settings, and of settings, in a schema. Those below an open object are nobody's.
fn names(schema: &Value, path: &str, groups: &mut BTreeSet<String>, leaves: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        leaves.insert(path.to_owned());
        return;
    };
    groups.insert(path.to_owned());
    for (name, inner) in properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        names(inner, &path, groups, leaves);
    }
}

fn schema_names() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = std::fs::read_to_string(project().join("deploy/chart/values.schema.json")).unwrap();
    let (mut groups, mut leaves) = Default::default();
    names(&serde_json::from_str(&text).unwrap(), "", &mut groups, &mut leaves);
    (groups, leaves)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_name_that_no_chart_has_is_refused_and_in_global_it_is_named() {
    let Some(helm) = Helm::prepare("a_name_that_no_chart_has").await else {
        return;
    };
    let (groups, _) = schema_names();
    let misspelt: Vec<String> = groups
        .iter()
        .map(|group| format!("{group}.tpyo").trim_matches('.').to_owned())
        .collect();
    let cases: Vec<Value> = misspelt.iter().map(|setting| set(setting, &json!(1))).collect();
    assert!(cases.len() > 30, "{misspelt:?}");
    for (setting, rendered) in misspelt.iter().zip(helm.render(&cases).await) {
        if setting == "global.tpyo" {
            assert!(
                rendered.notes.contains("global.tpyo: this chart has no such setting"),
                "{}",
                rendered.notes
            );
        } else {
            assert!(
                rendered.error.contains("additional properties 'tpyo' not allowed"),
                "{setting}: {rendered:?}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_setting_that_is_null_counts_as_not_set() {
    let Some(helm) = Helm::prepare("a_setting_that_is_null").await else {
        return;
    };
    let (_, settings) = schema_names();
    // a number of replicas is needed
    let settings: Vec<&String> = settings.iter().filter(|setting| *setting != "replicaCount").collect();
    let cases: Vec<Value> = settings.iter().map(|setting| set(setting, &Value::Null)).collect();
    let rendered = helm.render(&cases).await;
    let refused: Vec<_> = settings
        .iter()
        .zip(&rendered)
        .filter(|(_, rendered)| !rendered.error.is_empty())
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn each_setting_of_the_schema_is_in_values_yaml_or_known_to_have_no_effect() {
    let (_, schema) = schema_names();
    let read = |file: &str| std::fs::read_to_string(project().join("deploy/chart").join(file)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let without: Vec<Value> = serde_saphyr::from_str(&read("files/without-effect.yaml")).unwrap();
    let idle: BTreeSet<&String> = without
        .iter()
        .flat_map(|group| group["settings"].as_object().unwrap().keys())
        .collect();
    let is_in_values = |setting: &String| values.pointer(&format!("/{}", setting.replace('.', "/"))).is_some();
    // a field of a probe is a setting of the schema and no line of values.yaml
    let is_field = |setting: &String| setting.starts_with("livenessProbe.");
    let unknown: Vec<&String> = schema
        .iter()
        .filter(|setting| !(is_in_values(setting) || idle.contains(setting) || is_field(setting)))
        .collect();
    assert_eq!(unknown, [""; 0]);
    let known: BTreeSet<String> = rows().into_iter().map(|row| row.setting).collect();
    let mut invented = idle.iter().filter(|setting| !known.contains(**setting));
    assert_eq!(invented.next(), None);
}
