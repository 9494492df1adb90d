//! DNS servers that take updates: BIND, which every bed has, and Knot, which a test starts. `dig` looks at what they have.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::command::{run, run_with_input, try_run};
use super::wait::{IN_TIME, eventually};

/// BIND, the primary of the zones of `tests/testbed/dns/named.conf`.
pub(crate) const BIND: &str = "10.99.0.3:53";
/// The resolver for the zones of BIND and all other names of the bed: what to give as `--dns01-recursive-nameservers`.
pub(crate) const RESOLVER: &str = "10.99.0.4:53";
/// Where [`Knot`] answers, with its own zone `dns01.example`.
pub(crate) const KNOT: &str = "10.99.0.7:53";

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

/// Publishes these TXT records (as `dig` shows them) of a name in `dns01.example` at a server, with `nsupdate`.
pub(crate) async fn publish_txt(server: &str, name: &str, records: &[String]) {
    let (address, port) = server.rsplit_once(':').unwrap();
    let key = format!("hmac-sha256:certlet-sha256:{}", secret("certlet-sha256"));
    let adds: Vec<String> = records
        .iter()
        .map(|record| format!("update add {name}. 1 TXT {record}\n"))
        .collect();
    let script = format!("server {address} {port}\nzone dns01.example.\n{}send\n", adds.concat());
    run_with_input("nsupdate", &["-v", "-y", key.as_str()], &script).await;
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
        let child = Command::new("/usr/sbin/knotd")
            .args(["-c", "knot.conf"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (address, _) = KNOT.rsplit_once(':').unwrap();
        let at = format!("@{address}");
        eventually("Knot answers", IN_TIME, async || {
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
