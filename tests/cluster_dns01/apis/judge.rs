//! lego gets a certificate through a server of ours, then certlet does, and what both sent is compared.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::process::Command;

use super::{
    asked::{Asked, beyond, print},
    records::ZONE,
    server::{Api, Server},
};
use crate::{
    stage::{challenge_says, name_in, no_challenges, record_of, recursive, removed},
    support::{
        Bed, Certlet,
        command::{on_path, split_pem},
        dns::{BIND, RESOLVER, dig_txt},
        openssl_verify,
        scene::{Scene, certificate, field, issuer},
    },
};

/// lego's client and providers; `tests/testbed/build.sh lego` builds it.
const LEGO: &str = "bed-lego";
/// A name server of the zone. lego looks it up as programs do, and the bed's resolver is not that of the machine.
const NAME_SERVER: &str = "ns1.dns01.example";

/// A provider that is judged.
pub(super) struct Case<'a> {
    /// Its name for lego.
    pub(super) provider: &'a str,
    /// lego's environment variables.
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// A name to prove whose records stay; `None` for new names whose records are removed.
    pub(super) kept: Option<&'a str>,
    /// The solver of certlet's issuer.
    pub(super) solver: &'a str,
    /// The Secret with the credentials.
    pub(super) secret: &'a str,
    /// What certlet sends and lego does not, and why that is right.
    pub(super) exceptions: &'a [(&'a str, &'a str)],
}

/// The API of a provider and a namespace. `None` where lego is not built, which is said.
pub(super) async fn open<A: Api>(api: A, test: &str) -> Option<(Scene, Server)> {
    let bed = Bed::attach().await;
    if on_path(LEGO).is_none() {
        bed.skip(test, "tests/testbed/build.sh lego has not been run");
        return None;
    }
    let server = Server::start(&bed, api).await;
    Some((Scene::new().await, server))
}

/// Both programs get a certificate for a name and its wildcard, and leave no record; certlet sends nothing that lego does not, the exceptions
/// apart.
pub(super) async fn judge(scene: &Scene, server: &Server, case: &Case<'_>) {
    let others = lego_asks(scene, server, case).await;
    let _certlet = start(scene, server).await;
    prepare(scene, case.solver, case.secret).await;
    let host = case.host(scene, "own");
    scene
        .apply(&certificate("own", &[&host, &format!("*.{host}")], ""))
        .await;
    scene.ready("own").await;
    let pebble = scene.bed.pebble();
    for name in [&host, &format!("any.{host}")] {
        scene.verify_secret("own-tls", &pebble, 0, name).await;
    }
    no_challenges(scene).await;
    case.is_clean(&host).await;
    let own = server.asked();
    print("certlet", &own, server.words);
    // which calls there are depends on what comes within one moment, and so which exceptions there are
    let is_excused = |what: &String| case.exceptions.iter().any(|(excused, _)| excused == what);
    let mut found = beyond(&own, &others, server.words);
    found.retain(|what| !is_excused(what));
    assert_eq!(found, BTreeSet::new());
}

/// lego gets a certificate for a name and its wildcard, and leaves no record. What it sent.
pub(super) async fn lego_asks(scene: &Scene, server: &Server, case: &Case<'_>) -> Vec<Asked> {
    let host = case.host(scene, "lego");
    lego(scene, server, case, &host).await;
    case.is_clean(&host).await;
    let asked = server.asked();
    print("lego", &asked, server.words);
    asked
}

impl Case<'_> {
    fn host(&self, scene: &Scene, name: &str) -> String {
        self.kept.map_or_else(|| name_in(scene, name, ZONE), str::to_owned)
    }

    async fn is_clean(&self, host: &str) {
        if self.kept.is_none() {
            removed(&record_of(host)).await;
        }
    }
}

/// A wrong credential, and what is said about it.
pub(super) struct Wrong<'a> {
    /// The Secret that has it instead.
    pub(super) secret: &'a str,
    /// What may be in no sentence and no log.
    pub(super) hidden: &'a str,
    /// What is in the reason of the Challenge.
    pub(super) words: &'a [&'a str],
}

/// A wrong credential is named in one sentence that does not show it, and nothing is written. The right one is enough then.
pub(super) async fn refusal(scene: &Scene, server: &Server, case: &Case<'_>, wrong: &Wrong<'_>) {
    let Wrong { secret, hidden, words } = wrong;
    let certlet = start(scene, server).await;
    prepare(scene, case.solver, secret).await;
    let host = case.host(scene, "wrong");
    let before = dig_txt(BIND, &record_of(&host)).await;
    scene.apply(&certificate("wrong", &[&host], "")).await;
    let reason = field(&challenge_says(scene, words[0]).await, "/status/reason");
    println!("{reason}");
    for word in *words {
        assert!(reason.contains(word), "{word:?} in {reason}");
    }
    assert!(!reason.contains(hidden) && !reason.contains('\n'), "{reason}");
    assert!(!certlet.log().contains(hidden));
    assert_eq!(dig_txt(BIND, &record_of(&host)).await, before);
    scene.apply(case.secret).await;
    scene.ready("wrong").await;
    no_challenges(scene).await;
    case.is_clean(&host).await;
}

/// A certlet that trusts the API.
async fn start(scene: &Scene, server: &Server) -> Certlet {
    Certlet::launch(&scene.bed)
        .args(&[&recursive()])
        .variable("SSL_CERT_FILE", server.ca().to_str().unwrap())
        .variable("NO_PROXY", "*")
        .ready()
        .await
}

async fn prepare(scene: &Scene, solver: &str, secret: &str) {
    let pebble = scene.bed.pebble();
    scene.apply(secret).await;
    scene
        .apply(&issuer("Issuer", pebble.directory(), &pebble, solver, ""))
        .await;
}

/// lego gets a certificate for a name and its wildcard.
async fn lego(scene: &Scene, server: &Server, case: &Case<'_>, host: &str) {
    let (bed, pebble) = (&scene.bed, scene.bed.pebble());
    bed.name(NAME_SERVER, BIND.split(':').next().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let wild = format!("*.{host}");
    let file = folder.path().join("chain.pem");
    let output = Command::new(LEGO)
        .args([pebble.directory(), RESOLVER, file.to_str().unwrap(), case.provider])
        .args([host, &wild])
        // with nothing of this machine's own accounts
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .env("LEGO_CA_CERTIFICATES", pebble.ca_file())
        .env("SSL_CERT_FILE", server.ca())
        .envs(case.variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lego: {said}");
    let chain = std::fs::read_to_string(file).unwrap();
    let (chain, root) = (split_pem(&chain), pebble.trust(0).await);
    for name in [host, &format!("any.{host}")] {
        assert_eq!(openssl_verify(&root, &chain, name).await, Ok(()), "{said}");
    }
}
