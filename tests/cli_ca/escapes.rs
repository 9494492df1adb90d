//! Names that steer a terminal: every subcommand without a cluster, with ESC and the like in every string that it can meet.

use std::fs;
use std::process::Output;

use crate::place::{Place, Server};

const HOSTILE: &str = include_str!("../data/hostile/esc.csr");
/// Escape, C1, direction, no width, line break: each in a name.
const EVIL: &str = "good\u{1b}[8m\u{9b}0m\u{202e}\u{200b}evil";

/// Nothing but text reaches the terminal.
#[track_caller]
fn clean(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8(said).unwrap();
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
    };
    assert!(!said.contains(bad), "{said:?}");
    said
}

/// A certificate whose every string is hostile, with its key: `evil.pem`, `evil-key.pem`.
fn evil_certificate(place: &Place) {
    place.put(
        "evil.cnf",
        format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=x\nprompt=no\nutf8=yes\nstring_mask=utf8only\n[dn]\nCN={EVIL}\nO={EVIL}\n[x]\n\
             subjectAltName=@names\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,digitalSignature\n[names]\n\
             DNS.1=good\u{1b}[8m.example\nemail.1=a\u{1b}[8m@a.example\nURI.1=spiffe://a/\u{1b}[8m\notherName.1=1.2.3.4;UTF8:{EVIL}\nDNS.2=localhost\n"
        ),
    );
    place.openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -config evil.cnf -keyout evil-key.pem -out evil.pem");
}

#[test]
fn hostile_requests_are_shown_escaped_and_not_signed() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put("esc.csr", HOSTILE);
    for output in ["table", "json", "yaml"] {
        for command in ["ca show", "inspect cert"] {
            let shown = clean(&place.attempt(&format!("{command} esc.csr -o {output}")));
            assert!(
                shown.contains("evil.example") && shown.to_lowercase().contains("1b"),
                "{shown}"
            );
        }
    }
    let refused = place.attempt("ca sign esc.csr --profile server");
    assert!(!refused.status.success());
    let said = clean(&refused);
    assert!(said.contains("control characters"), "{said}");
    assert!(!fs::exists(place.path().join("esc.pem")).unwrap());
    place.certlet("ca sign esc.csr --host good.example --profile server");
}

#[test]
fn hostile_certificates_are_shown_escaped() {
    let place = Place::new();
    evil_certificate(&place);
    place.certlet("ca init --name root --out other");
    for output in ["table", "json", "yaml"] {
        let shown = clean(&place.attempt(&format!("ca show evil.pem -o {output}")));
        assert!(shown.contains("evil"), "{shown}");
        for ca in ["evil.pem", "other.pem"] {
            clean(&place.attempt(&format!("ca verify evil.pem --ca {ca} --host b.example -o {output}")));
        }
        clean(&place.attempt(&format!("ca issue --host a.example --ca evil.pem --force -o {output}")));
        clean(&place.attempt(&format!(
            "ca renew evil.pem --force -o {output} --ca other.pem --ca-key evil-key.pem"
        )));
    }
    let parsed: serde_json::Value = serde_json::from_str(&place.certlet("ca show evil.pem -o json")).unwrap();
    let names = parsed[0]["names"].to_string();
    assert!(
        parsed[0]["names"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name.as_str() == Some("good\u{1b}[8m.example")),
        "{names}"
    );
    let yaml: serde_json::Value = serde_saphyr::from_str(&place.certlet("ca show evil.pem -o yaml")).unwrap();
    assert_eq!(yaml[0]["names"], parsed[0]["names"]);

    let server = Server::start(&place, "evil.pem", "evil-key.pem");
    for output in ["table", "json", "yaml"] {
        let shown = clean(&place.attempt(&format!(
            "inspect url https://localhost:{} --ca evil.pem -o {output}",
            server.port
        )));
        assert!(shown.contains("evil"), "{shown}");
    }
}

#[test]
fn hostile_files_and_arguments_are_told_escaped() {
    let place = Place::new();
    place.certlet("ca init --name root");
    let evil =
        |template: &str| template.replace("EVIL", &EVIL.replace('\u{1b}', "\\u001b").replace('\u{9b}', "\\u009b"));
    for file in [
        r#"{"CN":"EVIL","hosts":["a.example"]}"#,
        r#"{"CN":"a","hosts":["EVIL"]}"#,
        r#"{"CN":"a","hosts":["EVIL@a.example"]}"#,
        r#"{"CN":"a","hosts":["EVIL://a.example"]}"#,
        r#"{"CN":"a","EVIL":1}"#,
        r#"{"CN":"a","names":[{"OID":{"EVIL":"a"}}]}"#,
        r#"{"CN":"a","key":{"algo":"EVIL"}}"#,
        r#"{"CN":"a","ca":{"expiry":"EVIL"}}"#,
    ] {
        place.put("a.json", evil(file));
        clean(&place.attempt("ca init a.json --force --out b"));
        clean(&place.attempt("ca issue a.json --force"));
    }
    for config in [
        r#"{"signing":{"profiles":{"EVIL":{}}}}"#,
        r#"{"signing":{"default":{"EVIL":1}}}"#,
        r#"{"signing":{"default":{"usages":["EVIL"]}}}"#,
        r#"{"signing":{"default":{"expiry":"EVIL"}}}"#,
        r#"{"signing":{"default":{"crl_url":"EVIL"}}}"#,
        r#"{"signing":{"default":{"name_whitelist":"EVIL("}}}"#,
        r#"{"EVIL":1}"#,
    ] {
        place.put("config.json", evil(config));
        clean(&place.attempt("ca issue --config config.json --host a.example --force"));
        clean(&place.attempt("ca issue --config config.json --profile x --host a.example --force"));
    }
    place.put(
        "evil.pem",
        format!("-----BEGIN {EVIL}-----\nAAAA\n-----END {EVIL}-----\n-----BEGIN {EVIL}-----\n"),
    );
    for command in [
        "ca show evil.pem",
        "ca verify evil.pem",
        "ca sign evil.pem",
        "ca renew evil.pem",
        "ca issue --host a --ca-key evil.pem",
    ] {
        clean(&place.attempt(command));
    }
    let name = format!("{EVIL}.pem");
    place.put(&name, "");
    for arguments in [
        vec!["ca", "show", name.as_str()],
        vec!["ca", "verify", name.as_str()],
        vec!["ca", "issue", "--host", EVIL],
        vec!["ca", "issue", "--name", EVIL],
        vec!["ca", "init", "--name", EVIL, "--out", EVIL],
        vec!["inspect", "url", EVIL],
        vec!["inspect", "secret", EVIL],
        vec!["status", EVIL],
        vec!["plan", "-n", EVIL],
        vec!["plan", "--", EVIL],
        vec!["renew", EVIL],
        vec!["approve", EVIL],
        vec!["deny", EVIL],
        vec!["run", "--config", EVIL],
    ] {
        clean(&place.run(env!("CARGO_BIN_EXE_certlet"), &arguments));
    }
}
