//! DNS servers that take updates: BIND, which every bed has, and Knot, which a test starts. `dig` looks at what they have.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::bed::Bed;
use super::command::{run, run_with_input, try_run};
use super::wait::{IN_TIME, eventually};

/// BIND, the primary of the zones of `tests/testbed/dns/named.conf`.
pub(crate) const BIND: &str = "10.99.0.3:53";
/// The resolver for the zones of BIND and all other names of the bed: what to give as `--dns01-recursive-nameservers`.
pub(crate) const RESOLVER: &str = "10.99.0.4:53";
/// Where [`Knot`] answers, with its own zone `dns01.example`.
pub(crate) const KNOT: &str = "10.99.0.7:53";

/// Where a [`Named`] answers as an authoritative server, and nobody else does.
pub(crate) const SECOND: &str = "10.99.0.8:53";
/// Where a [`Named`] answers as a recursive server.
pub(crate) const SECOND_RECURSIVE: &str = "10.99.0.6:53";
/// Where a [`Named`] answers as a server that has lost its copies of zones.
pub(crate) const SECOND_LOST: &str = "10.99.0.5:53";
/// Where nothing answers.
pub(crate) const NOBODY: &str = "10.99.0.10:53";

/// The files of both servers.
fn files() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/dns"))
}

/// The secret of a key of `named.conf`, in base64. Knot has the same keys.
pub(crate) fn secret(key: &str) -> String {
    let config = std::fs::read_to_string(files().join("named.conf")).unwrap();
    let begin = format!("key \"{key}\" ");
    let line = config.lines().find(|line| line.starts_with(&begin)).unwrap();
    line.split('"').nth(3).unwrap().to_owned()
}

/// The TXT records of a name at a server, sorted, as `dig` shows them. The server is `address:port`.
pub(crate) async fn dig_txt(server: &str, name: &str) -> Vec<String> {
    let (address, port) = server.rsplit_once(':').unwrap();
    let at = format!("@{address}");
    let shown = run("dig", &["+short", "+tcp", at.as_str(), "-p", port, name, "TXT"]).await;
    let mut records: Vec<String> = shown.lines().map(str::to_owned).collect();
    records.sort();
    records
}

/// Publishes these TXT records (as `dig` shows them) of a name in `dns01.example` at a server.
pub(crate) async fn publish_txt(server: &str, name: &str, records: &[String]) {
    let adds: Vec<String> = records
        .iter()
        .map(|record| format!("update add {name}. 1 TXT {record}"))
        .collect();
    let adds: Vec<&str> = adds.iter().map(String::as_str).collect();
    nsupdate(server, "dns01.example", &adds).await;
}

/// Changes records at BIND as whoever holds the key `certlet-sha256`: lines of nsupdate, such as `update add NAME 60 TXT "x"`.
pub(crate) async fn nsupdate(server: &str, zone: &str, lines: &[&str]) {
    let (address, port) = server.rsplit_once(':').unwrap();
    let key = secret("certlet-sha256");
    let lines = lines.join("\n");
    let input = format!("server {address} {port}\nzone {zone}\nkey hmac-sha256:certlet-sha256 {key}\n{lines}\nsend\n");
    run_with_input("nsupdate", &["-v"], &input).await;
}

/// The serial number of a zone at a server, as `dig` shows it; `None` if the server does not have the zone.
pub(crate) async fn dig_serial(server: &str, zone: &str) -> Option<u32> {
    let (address, port) = server.rsplit_once(':').unwrap();
    let at = format!("@{address}");
    let asked = [
        "+short",
        "+tcp",
        "+norecurse",
        "+time=1",
        "+tries=1",
        at.as_str(),
        "-p",
        port,
        zone,
        "SOA",
    ];
    let shown = try_run("dig", &asked, None).await.stdout;
    shown.split_whitespace().nth(2)?.parse().ok()
}

/// A BIND of a test's own: one at a time. It has three views, each at an address of its own: [`SECOND`], [`SECOND_RECURSIVE`] and
/// [`SECOND_LOST`].
pub(crate) struct Named {
    child: Child,
    program: PathBuf,
    folder: tempfile::TempDir,
}

/// The zones of a [`Named`], each as `named.conf` has them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Zones<'a> {
    /// At [`SECOND`]. Zones without files there are those of the second one.
    pub(crate) second: &'a str,
    /// At [`SECOND_RECURSIVE`]; everything else is asked from [`RESOLVER`].
    pub(crate) recursive: &'a str,
    /// At [`SECOND_LOST`].
    pub(crate) lost: &'a str,
    /// The secret of the key `certlet-sha256`; empty for that of BIND.
    pub(crate) secret: &'a str,
}

impl Named {
    /// Starts it with these zones. `files` are the files of primary zones: their names, and their content.
    pub(crate) async fn start(bed: &Bed, zones: Zones<'_>, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        // the copy that the bed runs: a profile of AppArmor knows the installed program
        let program = bed.path("dns/named");
        let child = spawn(&program, folder.path(), zones).await;
        Self { child, program, folder }
    }

    /// Ends it and starts it again with these zones. Files and journals stay; copies of secondary zones have no files, and are
    /// transferred again.
    pub(crate) async fn restart(&mut self, zones: Zones<'_>) {
        self.child.kill().await.unwrap();
        self.child = spawn(&self.program, self.folder.path(), zones).await;
    }
}

async fn spawn(program: &std::path::Path, folder: &std::path::Path, zones: Zones<'_>) -> Child {
    let Zones {
        second,
        recursive,
        lost,
        secret: key,
    } = zones;
    let bare = |server: &'static str| server.rsplit_once(':').unwrap().0;
    let [at, at_recursive, at_lost] = [SECOND, SECOND_RECURSIVE, SECOND_LOST].map(bare);
    let key = if key.is_empty() {
        secret("certlet-sha256")
    } else {
        key.to_owned()
    };
    let config = format!(
        "options {{ directory \".\"; listen-on port 53 {{ {at}; {at_recursive}; {at_lost}; }}; listen-on-v6 {{ none; }};
pid-file \"named.pid\"; session-keyfile \"session.key\"; dnssec-validation no; notify no; empty-zones-enable no; }};
controls {{ }};
key \"certlet-sha256\" {{ algorithm hmac-sha256; secret \"{key}\"; }};
view \"second\" {{ match-destinations {{ {at}; }}; recursion no; {second} }};
view \"lost\" {{ match-destinations {{ {at_lost}; }}; recursion no; {lost} }};
view \"recursive\" {{ recursion yes; allow-recursion {{ any; }}; forward only; forwarders {{ {}; }}; {recursive} }};
",
        bare(RESOLVER)
    );
    std::fs::write(folder.join("named.conf"), config).unwrap();
    let log = folder.join("log");
    let out = std::fs::File::create(&log).unwrap();
    let mut child = Command::new(program)
        .args(["-c", "named.conf", "-g", "-n", "1"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("a second BIND runs", IN_TIME, async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(child.try_wait().unwrap().is_none(), "it has ended: {log}");
        log.lines().any(|line| line.ends_with(" running")).then_some(())
    })
    .await;
    child
}

/// A server that takes questions and never answers.
pub(crate) struct Silent {
    _udp: tokio::net::UdpSocket,
    _tcp: tokio::net::TcpListener,
}

impl Silent {
    /// At [`NOBODY`].
    pub(crate) async fn start() -> Self {
        Self {
            _udp: tokio::net::UdpSocket::bind(NOBODY).await.unwrap(),
            _tcp: tokio::net::TcpListener::bind(NOBODY).await.unwrap(),
        }
    }
}

/// A Knot of a test's own, at [`KNOT`]: one at a time.
pub(crate) struct Knot {
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Knot {
    /// Starts it, with its zones as they are in the sources.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(files()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        let spawn = || {
            Command::new("/usr/sbin/knotd")
                .args(["-c", "knot.conf"])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        };
        let mut child = spawn();
        let (address, _) = KNOT.rsplit_once(':').unwrap();
        let at = format!("@{address}");
        eventually("Knot answers", IN_TIME, async || {
            // that of an earlier test may still have had the port
            if child.try_wait().unwrap().is_some() {
                child = spawn();
            }
            let asked = [
                "+short",
                "+tcp",
                "+time=1",
                "+tries=1",
                at.as_str(),
                "dns01.example",
                "SOA",
            ];
            let finished = try_run("dig", &asked, None).await;
            finished.stdout.contains("ns1.dns01.example").then_some(())
        })
        .await;
        Self {
            _child: child,
            _folder: folder,
        }
    }
}
