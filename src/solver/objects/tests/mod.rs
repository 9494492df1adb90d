mod edit;
mod ingress;
mod pod;
mod route;
mod shared;
mod sweep;

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use super::*;
use crate::api::http01::Http01Ingress;
use crate::solver::classes::{PathType, class_of};

fn path(host: &str, token: &str) -> ChallengePath {
    ChallengePath {
        host: Host::parse(host).unwrap(),
        token: Token::parse(token).unwrap(),
    }
}

fn pairs(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn config(value: Value) -> Http01Ingress {
    serde_json::from_value(value).unwrap()
}

fn json_of(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// The temporary Ingress of these challenges, each with a Challenge of its own.
fn ingress_for(solver: Value, class: &str, paths: &[(&str, &str)]) -> Value {
    let solver = config(solver);
    let challenges = paths.iter().enumerate().map(|(n, (host, token))| {
        (
            solver.clone(),
            path(host, token),
            challenge_owner(&format!("order-{n}"), &format!("uid-{n}")),
        )
    });
    let groups = group(challenges.collect());
    assert_eq!(groups.len(), 1);
    let exposure = Exposure {
        namespace: "shop",
        order_uid: "order-uid",
        group: &groups[0],
        class: class_of(None, Some(class)),
        path_type: PathType::Exact,
        service: "cm-acme-http-solver-certlet",
        extra_labels: &pairs(&[("team", "red"), ("acme.cert-manager.io/http-domain", "mine")]),
    };
    json_of(&temporary_ingress(&exposure))
}

#[test]
fn adler32_is_that_of_zlib() {
    // python3 -c 'import zlib; print(zlib.adler32(b"Wikipedia"), zlib.adler32(b"x" * 70000))'
    assert_eq!(adler32("Wikipedia"), 300_286_872);
    assert_eq!(adler32(""), 1);
    assert_eq!(adler32(&"x".repeat(70_000)), ADLER_LONG);
}

const ADLER_LONG: u32 = 740_832_257;

#[test]
fn derived_names_are_valid_stable_and_distinct() {
    let name = derived_name(&["a", "b"]);
    assert_eq!(name, derived_name(&["a", "b"]));
    assert_ne!(name, derived_name(&["ab", ""]));
    assert!(name.starts_with("cm-acme-http-solver-") && name.len() <= 63, "{name}");
}
