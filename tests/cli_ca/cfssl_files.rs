//! cfssl's files as people have them: keys in any case, empty names, restrictions. cfssl judges where it can.

use std::fs;

use crate::place::Place;

#[test]
fn keys_match_in_upper_and_lower_case_as_in_cfssl() {
    let (theirs, ours) = (Place::new(), Place::new());
    for place in [&theirs, &ours] {
        place.put(
            "ca-csr.json",
            r#"{ "CN": "kubernetes", "key": {"algo": "rsa", "size": 2048},
                 "names": [{"C": "DE", "ST": "Saxony", "L": "Leipzig", "O": "k8s", "OU": "Ops"}], "CA": {"expiry": "876000h", "pathlen": 1} }"#,
        );
        place.put(
            "server-csr.json",
            r#"{ "cn": "etcd", "Hosts": ["etcd-1.lab", "10.1.0.7"], "Key": {"algo": "rsa", "size": 3072}, "Names": [{"c": "DE", "o": "Example"}] }"#,
        );
        place.put(
            "ca-config.json",
            r#"{"Signing": {"Profiles": {"Web": {"Usages": ["server auth"], "EXPIRY": "100h"}}}}"#,
        );
    }
    theirs.cfssl("gencert -initca ca-csr.json", "ca");
    theirs.cfssl(
        "gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=Web server-csr.json",
        "server",
    );
    ours.certlet("ca init ca-csr.json");
    ours.certlet("ca issue --config ca-config.json --profile Web server-csr.json");
    for name in ["ca.pem", "server.pem"] {
        assert_eq!(ours.facts(name), theirs.facts(name), "{name}");
        assert_eq!(ours.lifetime(name), theirs.lifetime(name), "{name}");
    }
    let said = ours.refused("ca issue --config ca-config.json --profile web server-csr.json --out other");
    assert!(
        said.contains("there is no profile \"web\""),
        "the names of profiles are people's own: {said}"
    );
}

#[test]
fn what_is_not_known_is_never_dropped_in_silence() {
    let place = Place::new();
    for (file, key) in [
        (r#"{"CN": "a", "extensions": []}"#, "extensions"),
        (r#"{"CN": "a", "names": [{"O": "b", "G": "c"}]}"#, "g"),
        (r#"{"CN": "a", "key": {"algo": "ecdsa", "curve": 1}}"#, "curve"),
        (r#"{"CN": "a", "ca": {"expire": "10h"}}"#, "expire"),
    ] {
        place.put("a.json", file);
        let output = place.attempt("ca init a.json --force");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains(&format!("warning: \"{key}\" is unknown")),
            "{said}"
        );
    }
    place.put("a.json", r#"{"CN": "a", "cn": "b"}"#);
    assert!(place.refused("ca init a.json --force").contains("\"cn\" occurs twice"));
    place.put("a.json", r#"{"CN": "a", "hosts": "b.example"}"#);
    let said = place.refused("ca init a.json --force");
    assert!(said.contains("a.json cannot be parsed: hosts"), "{said}");
}

#[test]
fn empty_and_missing_hosts_are_left_out() {
    let place = Place::new();
    place.certlet("ca init --name root");
    for (name, csr) in [
        (
            "proxy",
            r#"{"CN":"system:kube-proxy","hosts":[""],"key":{"algo":"ecdsa","size":256},"names":[{"O":"system:node-proxier"}]}"#,
        ),
        (
            "admin",
            r#"{"CN":"admin","hosts":["","10.0.0.5"],"key":{"algo":"rsa","size":2048},"names":[{"O":"system:masters"}]}"#,
        ),
        (
            "ops",
            r#"{"CN":"ops","hosts":null,"key":{"algo":"ecdsa","size":256},"names":null}"#,
        ),
    ] {
        place.put(&format!("{name}-csr.json"), csr);
        place.certlet(&format!("ca issue --profile client {name}-csr.json"));
        // cfssl signs these too, with an empty DNS name that RFC 5280 section 4.2.1.6 forbids
        place.cfssl(
            &format!("gencert -ca=ca.pem -ca-key=ca-key.pem {name}-csr.json"),
            "theirs",
        );
        let sans = place.run(
            "openssl",
            &[
                "x509",
                "-in",
                &format!("{name}.pem"),
                "-noout",
                "-ext",
                "subjectAltName",
            ],
        );
        let sans = String::from_utf8_lossy(&sans.stdout).into_owned();
        assert!(!sans.contains("DNS:"), "{sans}");
        assert_eq!(sans.contains("IP Address:10.0.0.5"), name == "admin", "{sans}");
    }
}

/// cfssl from 1.6.2 on; openssl reads the result.
#[test]
fn mail_addresses_and_other_attributes_are_part_of_the_subject() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put(
        "user-csr.json",
        r#"{"CN":"Jo Example","hosts":["jo@a.example"],
            "names":[{"C":"DE","O":"Example","E":"jo@a.example","OID":{"2.5.4.42":"Jo","2.5.4.97":"VATDE-123"}}]}"#,
    );
    place.certlet("ca issue --profile client user-csr.json");
    let subject = place.openssl("x509 -in user.pem -noout -subject -nameopt RFC2253");
    for part in [
        "emailAddress=jo@a.example",
        "GN=Jo",
        "organizationIdentifier=VATDE-123",
        "CN=Jo Example",
        "C=DE",
    ] {
        assert!(subject.contains(part), "{subject}");
    }
    place.put("user-csr.json", r#"{"CN":"Jo","names":[{"OID":{"given name":"Jo"}}]}"#);
    let said = place.refused("ca issue --profile client user-csr.json --force");
    assert!(said.contains("\"given name\" is no object identifier"), "{said}");
}

#[test]
fn the_dot_of_a_fully_qualified_name_is_left_out() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put(
        "api-csr.json",
        r#"{"CN":"api","hosts":["api.svc","api.svc.cluster.local."]}"#,
    );
    place.certlet("ca issue --profile server api-csr.json");
    place.certlet("ca issue --profile server --host b.svc.cluster.local. --out b");
    for (file, name) in [("api", "api.svc.cluster.local"), ("b", "b.svc.cluster.local")] {
        place.openssl(&format!("verify -CAfile ca.pem -verify_hostname {name} {file}.pem"));
        assert!(
            place
                .certlet(&format!("ca verify --host {name} {file}.pem"))
                .contains("good")
        );
    }
}

#[test]
fn uris_can_be_said_in_files_and_by_a_flag() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put(
        "c-csr.json",
        r#"{"CN":"client 42","hosts":["https://id.example/clients/42"]}"#,
    );
    place.certlet("ca issue --profile client c-csr.json");
    place.openssl("req -new -newkey rsa:2048 -nodes -subj /CN=x -keyout k.pem -out x.csr");
    place.certlet("ca sign --profile client --uri https://id.example/clients/42 x.csr");
    for file in ["c.pem", "x.pem"] {
        let sans = place.openssl(&format!("x509 -in {file} -noout -ext subjectAltName"));
        assert!(sans.contains("URI:https://id.example/clients/42"), "{sans}");
    }
    let said = place.refused("ca sign --profile client --host https://id.example/ x.csr --force");
    assert!(said.contains("or --uri"), "{said}");
    assert!(place.refused("ca sign --uri id x.csr --force").contains("not a URI"));
}

/// What may be signed is what cfssl signs, and nothing is written where it refuses.
#[test]
fn a_name_whitelist_is_kept() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put(
        "ca-config.json",
        r#"{"signing":{"profiles":{"web":{"expiry":"720h","usages":["server auth"],"name_whitelist":"^[a-z]+\\.lab$"}}}}"#,
    );
    for (name, csr) in [
        ("good", r#"{"CN":"good.lab","hosts":["good.lab","b.lab"]}"#),
        ("nocn", r#"{"hosts":["good.lab"]}"#),
        ("addresses", r#"{"CN":"good.lab","hosts":["10.0.0.1"]}"#),
        ("evil", r#"{"CN":"good.lab","hosts":["good.lab","evil.example.com"]}"#),
        ("cn", r#"{"CN":"evil.example.com","hosts":["good.lab"]}"#),
        ("mail", r#"{"CN":"good.lab","hosts":["a@evil.example.com"]}"#),
        ("newline", "{\"CN\":\"good.lab\\nx\",\"hosts\":[\"good.lab\"]}"),
    ] {
        place.put(&format!("{name}.json"), csr);
        let script = format!(
            "set -o pipefail; cfssl gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=web {name}.json 2>/dev/null | grep -q BEGIN"
        );
        let theirs = place.run("bash", &["-c", &script]).status.success();
        let ours = place.attempt(&format!("ca issue --config ca-config.json --profile web {name}.json"));
        let said = String::from_utf8_lossy(&ours.stderr).into_owned();
        assert_eq!(ours.status.success(), theirs, "{name}: {said}");
        assert_eq!(place.path().join(format!("{name}.pem")).exists(), theirs, "{name}");
        assert!(theirs || said.contains("name_whitelist"), "{name}: {said}");
    }
    place.openssl("req -new -newkey rsa:2048 -nodes -subj /CN=evil.example.com -keyout k.pem -out e.csr");
    let said = place.refused("ca sign --config ca-config.json --profile web e.csr");
    assert!(said.contains("does not allow the name \"evil.example.com\""), "{said}");
}

#[test]
fn a_restriction_that_is_not_understood_refuses() {
    let place = Place::new();
    place.certlet("ca init --name root");
    for setting in [
        r#""csr_whitelist":{"subject":true}"#,
        r#""CSRWhitelist":{"subject":true}"#,
        r#""allowed_extensions":["1.2.3.4"]"#,
        r#""auth_key":"default""#,
        r#""remote":"other""#,
        r#""auth_remote":{"remote":"other","auth_key":"k"}"#,
        r#""not_after":"2030-01-01T00:00:00Z""#,
        r#""name_whitelist":"[""#,
        r#""something_new":true"#,
    ] {
        place.put(
            "ca-config.json",
            format!(r#"{{"signing":{{"profiles":{{"web":{{{setting}}}}}}}}}"#),
        );
        let said = place.refused("ca issue --config ca-config.json --profile web --host a.lab");
        let key = setting.split('"').nth(1).unwrap().to_lowercase();
        assert!(said.contains(&key), "{setting}: {said}");
        // another profile of the same file restricts nothing
        place.certlet("ca issue --config ca-config.json --profile server --host b.lab --force");
    }
    assert!(!fs::exists(place.path().join("a.lab.pem")).unwrap());
    place.put(
        "ca-config.json",
        r#"{"signing":{"profiles":{"web":{"ocsp_no_check":true}}},"auth_keys":{}}"#,
    );
    let output = place.attempt("ca issue --config ca-config.json --profile web --host a.lab");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("\"ocsp_no_check\" is unknown"),
        "{said}"
    );
    assert!(!said.contains("auth_keys"), "{said}");
}
