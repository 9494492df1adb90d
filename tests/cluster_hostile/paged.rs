//! An API server without streaming lists, beside the bed's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Bed, IN_TIME, eventually};

/// Where it listens.
const PORT: &str = "6444";

/// A kube-apiserver over the bed's etcd with the feature gate `WatchList` off, as Kubernetes 1.33 is. Dropping it ends it.
pub(crate) struct PagedServer(Child);

impl PagedServer {
    /// Starts it with the arguments of the bed's own and waits until it is ready. Returns a kubeconfig with certlet's rights there.
    pub(crate) async fn start(bed: &Bed) -> (Self, PathBuf) {
        let pid = bed.read("run/apiserver.pid");
        let arguments = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap();
        let arguments = String::from_utf8(arguments).unwrap();
        let arguments = arguments.split_terminator('\0').skip(1).filter(|argument| {
            let name = argument.split('=').next().unwrap();
            name != "--secure-port" && !name.starts_with("--audit")
        });
        let log = std::fs::File::create(bed.path("logs/apiserver-paged.log")).unwrap();
        let child = Command::new("kube-apiserver")
            .args(arguments)
            .args([&format!("--secure-port={PORT}"), "--feature-gates=WatchList=false"])
            .current_dir(bed.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self(child);
        let elsewhere = |file: &str| bed.read(file).replace(":6443", &format!(":{PORT}"));
        let kubeconfig = bed.path("run/paged.kubeconfig");
        std::fs::write(&kubeconfig, elsewhere("certlet.kubeconfig")).unwrap();
        let admin = bed.path("run/paged-admin.kubeconfig");
        std::fs::write(&admin, elsewhere("kubeconfig")).unwrap();
        let flag = format!("--kubeconfig={}", admin.display());
        eventually("the API server without streaming lists", IN_TIME, async || {
            let args = [flag.clone(), "get".into(), "--raw".into(), "/readyz".into()];
            let answer = crate::support::command::try_run("kubectl", &args, None).await;
            answer.status.success().then_some(())
        })
        .await;
        (server, kubeconfig)
    }
}

impl Drop for PagedServer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
