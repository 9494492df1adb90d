use super::*;
use crate::api::{Certificate, CertificateSpec, Issuer, Order};

fn refused<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
    parse::<T>(json).expect_err(json).to_string()
}

fn certificate(spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{{"name":"web"}},
            "spec":{{"secretName":"web-tls","issuerRef":{{"name":"ca"}},{spec}}}}}"#
    )
}

#[test]
fn a_field_that_does_not_fit_is_named_with_its_value() {
    let cases = [
        (
            r#""duration":"90d""#,
            r#"spec.duration: "90d" is not a duration: there is no unit "d"; write 2160h"#,
        ),
        (
            r#""privateKey":{"algorithm":"rsa"}"#,
            "spec.privateKey.algorithm: unknown variant `rsa`, expected one of `RSA`, `ECDSA`, `Ed25519`",
        ),
        (
            r#""dnsNames":["a",7]"#,
            "spec.dnsNames[1]: invalid type: integer `7`, expected a string",
        ),
        (
            r#""renewBeforePercentage":5000000000"#,
            "spec.renewBeforePercentage: invalid value: integer `5000000000`, expected i32",
        ),
        (
            r#""renewal":{"windows":[{"cron":"x"}]}"#,
            "spec.renewal.windows[0]: missing field `windowDuration`",
        ),
    ];
    for (spec, says) in cases {
        assert_eq!(refused::<Certificate>(&certificate(spec)), says);
    }
}

#[test]
fn a_part_is_named_as_part_of_the_whole() {
    let error = parse::<CertificateSpec>(r#"{"secretName":"a","issuerRef":{}}"#)
        .expect_err("no name")
        .under("spec");
    assert_eq!(error.to_string(), "spec.issuerRef: missing field `name`");
    let error = parse::<CertificateSpec>("{}").expect_err("nothing").under("spec");
    assert_eq!(error.to_string(), "spec: missing field `issuerRef`");
}

#[test]
fn a_password_is_never_repeated() {
    let wrong = certificate(r#""keystores":{"jks":{"create":true,"password":4711}}"#);
    assert_eq!(
        refused::<Certificate>(&wrong),
        "spec.keystores.jks.password: must be a string"
    );
    let right = certificate(
        r#""keystores":{"pkcs12":{"create":true,"password":"hunter2"},"jks":{"create":true,"password":"hunter2"}}"#,
    );
    let shown = format!("{:?}", parse::<Certificate>(&right).expect("valid"));
    assert!(shown.contains("(hidden)") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn unknown_fields_are_tolerated_and_defaults_are_not_stored() {
    let json = r#"{"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"le"},"spec":{"future":1,"acme":{
        "server":"https://a","privateKeySecretRef":{"name":"k"},"more":{},
        "solvers":[{"http01":{"ingress":{"podTemplate":{"spec":{"resources":{"limits":{"cpu":1,"memory":"64Mi"}}}}}}},
                   {"dns01":{"webhook":{"groupName":"g","solverName":"s","config":{"a":[1,null]}}}}]}}}"#;
    let issuer: Issuer = parse(json).expect("tolerated");
    let mut expected: Value = serde_json::from_str(json).expect("JSON");
    expected["spec"].as_object_mut().expect("an object").remove("future");
    expected["spec"]["acme"]
        .as_object_mut()
        .expect("an object")
        .remove("more");
    assert_eq!(serde_json::to_value(&issuer).expect("plain data"), expected);
}

#[test]
fn what_another_controller_wrote_is_read_and_written_back_as_it_was() {
    let json = r#"{"apiVersion":"acme.cert-manager.io/v1","kind":"Order","metadata":{"name":"o","namespace":"n"},
        "spec":{"request":"YQ==","duration":"2160h0m0s","dnsNames":["a.example"],"issuerRef":{"group":"cert-manager.io","kind":"Issuer","name":"le"}},
        "status":{"state":"valid","url":"https://ca/o","finalizeURL":"https://ca/f","certificate":"Yg==","failureTime":"2026-11-21T09:00:00Z",
          "authorizations":[{"url":"https://ca/a","identifier":"a.example","wildcard":false,"initialState":"pending",
            "challenges":[{"url":"https://ca/c","token":"t","type":"http-01"}]}]}}"#;
    let order: Order = parse(json).expect("an Order");
    let expected: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(serde_json::to_value(&order).expect("plain data"), expected);
}
