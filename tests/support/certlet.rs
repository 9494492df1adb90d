//! certlet processes: started, watched, stopped and killed by tests.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::bed::Bed;
use super::leftovers;
use super::names::{Names, plain_http};

/// The program that is tested.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_certlet");

/// A running `certlet run`. Dropping it kills it; a test that fails prints the end of its log.
pub(crate) struct Certlet {
    process: Killer,
    slot: Slot,
    log: PathBuf,
    pid_file: PathBuf,
}

/// Kills a certlet from elsewhere, for example from a [`FaultProxy`](super::FaultProxy).
#[derive(Clone)]
pub(crate) struct Killer(Arc<Mutex<Child>>);

/// What a certlet is to be started with.
pub(crate) struct Launch {
    bed: Bed,
    kubeconfig: PathBuf,
    leader_election: bool,
    program: PathBuf,
    args: Vec<String>,
    variables: Vec<(String, String)>,
}

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(30);
/// How long an orderly end may take.
const STOP: Duration = Duration::from_secs(20);

impl Certlet {
    /// Starts a certlet with the bed's DNS and addresses and these further arguments, and waits until it is ready.
    pub(crate) async fn start(bed: &Bed, args: &[&str]) -> Self {
        Self::launch(bed).args(args).ready().await
    }

    /// The one certlet that the tests of this binary share. It is started by the first test that asks.
    ///
    /// A test that needs other arguments, or counts what certlet does, starts its own instead; both act on the whole
    /// cluster, so a test binary uses one way or the other.
    pub(crate) async fn shared(bed: &Bed) -> &'static Self {
        static SHARED: OnceCell<Certlet> = OnceCell::const_new();
        SHARED.get_or_init(async || Self::start(bed, &[]).await).await
    }

    /// Kills certlets of test binaries that have ended: a shared certlet is never dropped.
    pub(crate) fn end_leftovers(bed: &Bed) {
        leftovers::end(bed);
    }

    /// A start with further settings: end it with [`Launch::ready`] or [`Launch::spawn`].
    pub(crate) fn launch(bed: &Bed) -> Launch {
        Launch {
            bed: bed.clone(),
            // With the rights that deploy/ gives it, and no others.
            kubeconfig: bed.path("certlet.kubeconfig"),
            leader_election: false,
            program: PROGRAM.into(),
            args: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Where it answers `/metrics`.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.slot.metrics()
    }

    /// Where it answers `/livez` and `/readyz`.
    pub(crate) fn health_address(&self) -> SocketAddr {
        self.slot.health()
    }

    /// Where it answers challenges.
    pub(crate) fn challenge_address(&self) -> SocketAddr {
        self.slot.challenges()
    }

    /// A page of its HTTP servers (`/metrics`, `/readyz` …), or what went wrong.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) async fn page(&self, path: &str) -> Result<(u16, String), String> {
        let address = if path == "/metrics" {
            self.metrics_address()
        } else {
            self.health_address()
        };
        let answer = plain_http()
            .get(format!("http://{address}{path}"))
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| error.to_string())?))
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// If the process ends or does not get ready, with its log.
    pub(crate) async fn wait_ready(&self) {
        let deadline = Instant::now() + START;
        loop {
            let answer = self.page("/readyz").await;
            if answer.as_ref().is_ok_and(|(status, _)| *status == 200) {
                return;
            }
            if let Some(status) = self.process.ended() {
                panic!(
                    "certlet ended with {status} instead of becoming ready; its log:\n{}",
                    self.log()
                );
            }
            assert!(
                Instant::now() < deadline,
                "certlet is not ready after {START:?} ({answer:?}); its log:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log contains a text.
    pub(crate) async fn wait_for_log(&self, text: &str) {
        super::eventually(&format!("{text:?} in the log"), START, async || {
            self.log().contains(text).then_some(())
        })
        .await;
    }

    /// Kills it at once (SIGKILL).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Something that can kill it from elsewhere.
    pub(crate) fn killer(&self) -> Killer {
        self.process.clone()
    }

    /// Sends a signal by its name (`STOP`, `CONT`, `TERM`).
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success(), "kill -s {name} {pid} failed");
    }

    /// Asks it to end (SIGTERM) and returns how it did.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) async fn stop(&self) -> ExitStatus {
        self.keep_metrics();
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended, and returns how it did.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = self.process.ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "certlet has not ended after {STOP:?}; its log:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// If the whole suite runs, keeps its page of metrics beside its log, for those who judge what certlet has said. One that hangs, or has
    /// ended, has none.
    fn keep_metrics(&self) {
        if std::env::var_os("CERTLET_AUDITS").is_none() || self.process.ended().is_some() {
            return;
        }
        let limit = Duration::from_secs(2);
        let read = || {
            let mut stream = std::net::TcpStream::connect_timeout(&self.metrics_address(), limit)?;
            stream.set_read_timeout(Some(limit))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: certlet\r\nConnection: close\r\n\r\n")?;
            let mut page = Vec::new();
            stream.read_to_end(&mut page).map(|_| page)
        };
        // over TLS there is no answer to such a request
        if let Ok(page) = read()
            && page.starts_with(b"HTTP/")
        {
            std::fs::write(self.log.with_extension("metrics"), page).unwrap();
        }
    }

    /// Processor time that it has used since its start, in seconds. Asking costs it nothing, as a look at its metrics would.
    ///
    /// # Panics
    /// If the process has ended.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // user and system time, in hundredths of a second
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        ticks / 100.0
    }

    /// Resident memory now and at its highest since the start (`VmRSS`, `VmHWM`), in KiB.
    ///
    /// # Panics
    /// If the process has ended.
    pub(crate) fn memory_kib(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        })
    }
}

impl Drop for Certlet {
    fn drop(&mut self) {
        self.keep_metrics();
        self.process.kill();
        // Somebody may have cleaned up before.
        drop(std::fs::remove_file(&self.pid_file));
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines.get(lines.len().saturating_sub(80)..).unwrap_or_default();
            eprintln!("--- the end of {}:\n{}\n---", self.log.display(), end.join("\n"));
        }
    }
}

impl Killer {
    /// SIGKILL; returns when the process is gone. Killing it twice is harmless.
    pub(crate) fn kill(&self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        drop(child.kill());
        drop(child.wait());
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()
            .unwrap()
    }

    fn id(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).id()
    }
}

impl Launch {
    /// With another kubeconfig: of a service account, or through a proxy.
    pub(crate) fn kubeconfig(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.kubeconfig);
        self
    }

    /// Another build of certlet.
    pub(crate) fn program(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.program);
        self
    }

    /// With leader election, which is off otherwise.
    pub(crate) fn leader_election(mut self) -> Self {
        self.leader_election = true;
        self
    }

    /// With further arguments, which win over those that the harness gives.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// With an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(self) -> Certlet {
        let certlet = self.spawn();
        certlet.wait_ready().await;
        certlet
    }

    /// Starts it and does not wait.
    pub(crate) fn spawn(self) -> Certlet {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        Certlet::end_leftovers(&self.bed);
        let slot = Slot::take();
        let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let log = self
            .bed
            .path(&format!("logs/certlet-{}-{number}-{test}.log", std::process::id()));
        let file = std::fs::File::create(&log).unwrap();

        let mut command = Command::new(&self.program);
        let arguments = self.arguments(&slot);
        command.args(&arguments).envs(self.variables).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().expect("cannot start certlet");

        let pid_file = self.bed.path(&format!("run/certlet-{}.pid", child.id()));
        std::fs::write(&pid_file, std::process::id().to_string()).unwrap();
        Certlet {
            process: Killer(Arc::new(Mutex::new(child))),
            slot,
            log,
            pid_file,
        }
    }

    /// Our flags, unless the test gives them itself (not every flag may be repeated), and then the test's.
    fn arguments(&self, slot: &Slot) -> Vec<String> {
        let defaults = [
            ("--kubeconfig", self.kubeconfig.display().to_string()),
            ("--leader-elect", self.leader_election.to_string()),
            ("--cluster-resource-namespace", "cert-manager".to_owned()),
            ("--acme-http01-solver-nameservers", Names::SERVER.to_owned()),
            ("--acme-http01-listen-address", slot.challenges().to_string()),
            ("--acme-http01-advertise-address", slot.challenges().ip().to_string()),
            ("--metrics-listen-address", slot.metrics().to_string()),
            ("--internal-healthz-listen-address", slot.health().to_string()),
        ];
        let given: Vec<&str> = self
            .args
            .iter()
            .filter_map(|argument| argument.split('=').next())
            .collect();
        let ours = defaults.into_iter().filter(|(flag, _)| !given.contains(flag));
        let ours = ours.map(|(flag, value)| format!("{flag}={value}"));
        std::iter::once("run".to_owned())
            .chain(ours)
            .chain(self.args.iter().cloned())
            .collect()
    }
}

/// Addresses of its own for each certlet that runs at the same time: several replicas live side by side.
struct Slot(u16);

static SLOTS: Mutex<[bool; 6]> = Mutex::new([false; 6]);

impl Slot {
    fn take() -> Self {
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let free = slots
            .iter()
            .position(|taken| !taken)
            .expect("at most six certlets run at the same time");
        slots[free] = true;
        Self(u16::try_from(free).unwrap())
    }

    fn challenges(&self) -> SocketAddr {
        // 10.99.0.1, then 10.99.0.3 and so on: 10.99.0.2 is the second ingress controller's.
        let last = if self.0 == 0 { 1 } else { self.0 + 2 };
        format!("10.99.0.{last}:8089").parse().unwrap()
    }

    fn metrics(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9402 + 10 * self.0))
    }

    fn health(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9403 + 10 * self.0))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        SLOTS.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(self.0)] = false;
    }
}
