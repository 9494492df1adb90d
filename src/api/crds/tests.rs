use super::*;

#[test]
fn every_rule_names_a_field_that_exists() {
    assert_eq!(definitions().expect("rules fit the types").len(), 6);
}

#[test]
fn a_rule_about_a_field_that_does_not_exist_is_an_error() {
    let mut schema = json!({ "type": "object", "properties": { "spec": { "type": "object" } } });
    let rule = rule::Rule::new("VAL-00", "spec.nothing", "true", "never");
    let error = rule.apply(&mut schema).expect_err("no such field");
    assert_eq!(error, "VAL-00: there is no field nothing in spec.nothing");
}
