//! certlets of test binaries that have ended: a shared one is never dropped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use super::bed::Bed;
use super::certlet::PROGRAM;

/// How long it may take until one that was killed is gone.
const END: Duration = Duration::from_secs(20);

/// Kills them, and waits until their ports are free.
///
/// # Panics
/// If one does not go.
pub(super) fn end(bed: &Bed) {
    let Ok(files) = std::fs::read_dir(bed.path("run")) else {
        return;
    };
    for path in files.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(pid) = name.strip_prefix("certlet-").and_then(|rest| rest.strip_suffix(".pid")) else {
            continue;
        };
        let owner = std::fs::read_to_string(&path).unwrap_or_default();
        if owner == std::process::id().to_string() || Path::new(&format!("/proc/{owner}")).exists() {
            continue;
        }
        // Its number may belong to another program by now.
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        if program == Path::new(PROGRAM) {
            drop(Command::new("kill").args(["-KILL", pid]).status());
            wait_for_end(pid);
        }
        drop(std::fs::remove_file(&path));
    }
}

fn wait_for_end(pid: &str) {
    let deadline = Instant::now() + END;
    while !has_ended(pid) {
        assert!(Instant::now() < deadline, "certlet {pid} was killed and is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Its files are closed when no thread is left but the first, and that one only for whoever asks how it ended.
fn has_ended(pid: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = stat
        .rsplit_once(')')
        .is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'));
    threads.count() <= 1 && is_zombie
}
