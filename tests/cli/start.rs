//! Starting the program: without a cluster, with one that does not answer, under other names, into a closed pipe.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ended, PROGRAM, api::Server, certlet, kubeconfig, run};

/// Commands that reach a cluster.
const COMMANDS: [&[&str]; 8] = [
    &["status", "certificate", "web"],
    &["renew", "web"],
    &["plan"],
    &["approve", "r"],
    &["inspect", "secret", "web"],
    &["version"],
    &["check", "dns01", "issuer", "a.example"],
    &["create", "cr", "r", "-f", "certificate.yaml"],
];

/// The one sentence of a command that has failed.
#[track_caller]
fn sentence(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("more than one line: {ended:?}");
    };
    line.strip_prefix("certlet: ").unwrap()
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let certificate = "{apiVersion: cert-manager.io/v1, kind: Certificate, spec: {secretName: s, dnsNames: [a.example], issuerRef: {name: ca}, privateKey: {algorithm: ECDSA}}}";
    std::fs::write(home.path().join("certificate.yaml"), certificate).unwrap();
    home
}

#[test]
fn without_a_cluster_each_command_says_in_one_sentence_what_was_tried_and_what_to_do() {
    let home = home();
    for command in COMMANDS {
        let ended = certlet(command, home.path());
        let sentence = sentence(&ended);
        assert!(
            sentence.contains("there is no cluster to talk to: KUBECONFIG is not set, ")
                && sentence.contains(".kube/config does not exist")
                && sentence.contains("--kubeconfig FILE"),
            "{command:?}: {sentence}"
        );
    }
    assert!(!home.path().join("r.key").exists(), "no key is left without a request");
}

#[test]
fn an_api_server_that_is_not_there_is_named_in_one_sentence() {
    let home = home();
    // a port that was free a moment ago, and on which nothing listens
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = kubeconfig(home.path(), &format!("https://127.0.0.1:{port}"));
    for command in COMMANDS {
        if command == ["plan"] {
            // its remarks on webhooks and flags come first
            continue;
        }
        let ended = certlet(&[command, &["--kubeconfig", &config]].concat(), home.path());
        let sentence = sentence(&ended);
        let named = format!("the API server https://127.0.0.1:{port} cannot be reached: Connection refused");
        assert!(sentence.contains(&named), "{command:?}: {sentence}");
    }
    assert!(!home.path().join("r.key").exists(), "no key is left without a request");
}

#[test]
fn a_request_that_is_not_answered_ends_with_the_time_limit() {
    let home = home();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = kubeconfig(home.path(), &format!("http://{}", listener.local_addr().unwrap()));
    let args = ["renew", "web", "--kubeconfig", &config, "--request-timeout", "1s"];
    let ended = certlet(&args, home.path());
    assert_eq!(
        sentence(&ended),
        "cannot read the Certificate: the API server did not answer within 1s (--request-timeout)"
    );
}

/// `certlet create cr r --force` against the API server at a URL, where `r.key` is there already.
fn create_again(home: &Path, url: &str) -> Ended {
    std::fs::write(home.join("r.key"), "the old key").unwrap();
    let config = kubeconfig(home, url);
    let create = ["create", "cr", "r", "-f", "certificate.yaml", "--force", "--kubeconfig"];
    certlet(&[&create[..], &[config.as_str()]].concat(), home)
}

#[test]
fn a_request_that_is_refused_leaves_the_key_of_the_one_before() {
    let home = home();
    // the status 404 for every request
    let server = Server::start(|_| None);
    let ended = create_again(home.path(), &server.url);
    assert!(sentence(&ended).contains("not found"), "{ended:?}");
    assert!(
        server
            .asked()
            .iter()
            .any(|asked| asked.path.contains("certificaterequests"))
    );
    assert_eq!(std::fs::read(home.path().join("r.key")).unwrap(), b"the old key");
    assert!(!home.path().join("r.key.new").exists());
}

#[test]
fn a_request_whose_answer_is_lost_leaves_both_keys_and_names_the_new_one() {
    let home = home();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            // the request has come, and the connection ends
            drop(socket.peek(&mut [0]));
        }
    });
    let ended = create_again(home.path(), &url);
    assert!(sentence(&ended).contains("r.key.new"), "{ended:?}");
    assert_eq!(std::fs::read(home.path().join("r.key")).unwrap(), b"the old key");
    let kept = std::fs::read_to_string(home.path().join("r.key.new")).unwrap();
    assert!(kept.contains("PRIVATE KEY"));
    // nor does the next call lose it
    let again = create_again(home.path(), &url);
    assert!(sentence(&again).contains("r.key.new exists"), "{again:?}");
}

#[test]
fn the_flags_of_kubectl_choose_namespace_and_user() {
    let home = home();
    let server = Server::start(|_| None);
    let config = kubeconfig(home.path(), &server.url);
    let mut args = vec!["renew", "web", "--kubeconfig", &config];
    certlet(&args, home.path());
    args.extend([
        "--context",
        "x",
        "-n",
        "other",
        "--as",
        "ada",
        "--as-group",
        "g1",
        "--as-group",
        "g2",
    ]);
    certlet(&args, home.path());
    let asked = server.asked();
    let path = |namespace: &str| format!("/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/web");
    assert_eq!(asked[0].path, path("shop"));
    assert_eq!(asked[1].path, path("other"));
    for header in [
        "impersonate-user: ada",
        "impersonate-group: g1",
        "impersonate-group: g2",
    ] {
        assert!(asked[1].headers.iter().any(|line| line == header), "{asked:?}");
        assert!(!asked[0].headers.iter().any(|line| line == header), "{asked:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error_and_no_panic() {
    let home = home();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    for line in [
        "completion bash",
        "completion zsh",
        "completion kubectl",
        "crds",
        "version --client",
        "version --client -o yaml",
        "--help",
        "__complete re",
        "ca init --help",
        "ca init --name x -o json",
    ] {
        let mut program = Command::new(PROGRAM);
        program.args(line.split(' ')).current_dir(home.path()).stdout(closed());
        let ended = program.output().unwrap();
        let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), complaint.as_str()), (Some(0), ""), "{line}");
    }
    for (line, code) in [("renew", 2), ("status certificate web --kubeconfig /nowhere", 1)] {
        let mut program = Command::new(PROGRAM);
        program.args(line.split(' ')).stderr(closed()).stdout(Stdio::null());
        assert_eq!(program.status().unwrap().code(), Some(code), "{line}");
    }
}

#[test]
fn under_the_name_of_the_plugin_it_is_kubectl_certlet() {
    let home = home();
    let link = |name: &str| {
        let path = home.path().join(name);
        std::os::unix::fs::symlink(PROGRAM, &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plugin = link("kubectl-certlet");
    let help = run(&plugin, &["renew", "--help"], home.path()).stdout;
    assert!(help.contains("Usage: kubectl certlet renew"), "{help}");
    assert!(help.contains("\n  kubectl certlet renew web --wait"), "{help}");
    let wrong = run(&plugin, &["renew"], home.path());
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("Usage: kubectl certlet renew"), "{wrong:?}");
    let completions = run(&link("kubectl_complete-certlet"), &["inspect", "se"], home.path());
    assert!(
        completions.stdout.starts_with("secret\tShow a Secret"),
        "{completions:?}"
    );
    assert!(completions.stdout.ends_with("\n:4\n"), "{completions:?}");
}

#[test]
fn completions_have_the_names_of_objects_in_the_cluster_that_the_line_names() {
    let home = home();
    let server = Server::start(|asked| {
        let path = asked.path.split('?').next()?;
        let names: &[&str] = match path {
            "/apis/cert-manager.io/v1/namespaces/shop/certificates" => &["web", "api"],
            "/apis/cert-manager.io/v1/namespaces/other/certificates" => &["third"],
            "/api/v1/namespaces" => &["shop", "other"],
            _ => return None,
        };
        let items: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({"metadata": {"name": name}}))
            .collect();
        let list = serde_json::json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": {}, "items": items});
        Some(list.to_string().into_bytes())
    });
    let config = kubeconfig(home.path(), &server.url);
    let names = |words: &[&str]| -> Vec<String> {
        let line = [&["__complete"][..], words].concat();
        let ended = certlet(&line, home.path());
        let lines = ended.stdout.lines().filter(|line| !line.starts_with([':', '-']));
        lines.map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["renew", "--kubeconfig", &config, ""]), ["web", "api"]);
    assert_eq!(names(&["renew", "--kubeconfig", &config, "-n", "other", ""]), ["third"]);
    assert_eq!(names(&["renew", "--kubeconfig", &config, "-n", ""]), ["shop", "other"]);
    assert_eq!(names(&["renew", "--kubeconfig", &config, "--context", ""]), ["x"]);
    // in bash, by its own protocol
    let script = format!(
        "source <(\"$0\" completion bash); COMP_WORDS=(certlet renew --kubeconfig {config} w); COMP_CWORD=4; \
         _clap_complete_certlet certlet w --kubeconfig; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let folder = Path::new(PROGRAM).parent().unwrap().display();
    let script = format!("PATH={folder}:$PATH; {script}");
    let ended = run("bash", &["-c", &script, PROGRAM], home.path());
    assert_eq!(ended.stdout, "web\n", "{ended:?}");
}

#[test]
fn every_command_takes_the_same_three_formats() {
    let home = home();
    for format in ["table", "text", "json", "yaml"] {
        let ended = certlet(&["version", "--client", "-o", format], home.path());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let mut texts = vec![];
    for command in [
        &["status", "certificate"][..],
        &["renew"],
        &["plan"],
        &["approve"],
        &["deny"],
        &["inspect", "secret"],
        &["inspect", "cert"],
        &["inspect", "url"],
        &["ca", "verify"],
        &["create", "cr"],
        &["create", "csr"],
        &["version"],
    ] {
        let help = certlet(&[command, &["-h"]].concat(), home.path()).stdout;
        let start = help.find("--output <").unwrap_or_else(|| panic!("no --output: {help}"));
        let values = help[start..].find("possible values: ").map(|at| &help[start + at..]);
        let values = values.unwrap_or_else(|| panic!("no values: {help}"));
        texts.push(
            values
                .split(']')
                .next()
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    texts.dedup();
    assert_eq!(texts, ["possible values: table, json, yaml"]);
}
