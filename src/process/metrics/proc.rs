//! Metrics of the process and the clock (MET-09, MET-10) from `/proc`, as Prometheus' client for Go reports them.

use super::text::{Page, sample};

/// Linux reports CPU times in hundredths of a second.
const TICKS: f64 = 100.0;
/// The value for "unlimited" of Prometheus' client for Go: the largest 64-bit number.
const UNLIMITED: f64 = 18_446_744_073_709_551_615.0;

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
/// Writes the metrics; `now` is in seconds since 1970.
pub fn write(now: i64, page: &mut Page) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let (status, limits) = (read("status"), read("limits"));
    let octets = octets(&read("net/netstat"));
    let now = Some(now as f64);
    let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64);
    let memory = |name| kib(&status, name).map(|kib| kib * 1024.0);
    // values that cannot be read are skipped
    for (name, type_, help, value) in [
        (
            "certmanager_clock_time_seconds",
            "counter",
            "The time, in seconds since 1970; deprecated.",
            now,
        ),
        (
            "certmanager_clock_time_seconds_gauge",
            "gauge",
            "The time, in seconds since 1970.",
            now,
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time used.",
            cpu_seconds(),
        ),
        ("process_open_fds", "gauge", "Open file descriptors.", open_files),
        (
            "process_max_fds",
            "gauge",
            "Most open file descriptors.",
            limit(&limits, "Max open files"),
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Address space in use.",
            memory("VmSize"),
        ),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Most address space.",
            limit(&limits, "Max address space"),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use.",
            memory("VmRSS"),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process started, in seconds since 1970.",
            started_at(),
        ),
        (
            "process_network_receive_bytes_total",
            "counter",
            "Bytes received over the network, by all processes in the same network namespace.",
            octets.map(|(received, _)| received),
        ),
        (
            "process_network_transmit_bytes_total",
            "counter",
            "Bytes sent over the network, by all processes in the same network namespace.",
            octets.map(|(_, sent)| sent),
        ),
    ] {
        if let Some(value) = value {
            page.head(name, type_, help);
            sample(&mut page.text, name, &[], value);
        }
    }
}

/// The value of a line of `/proc/self/status` such as `VmRSS:  1234 kB`, in bytes.
fn kib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
}

/// The soft limit in a line of `/proc/self/limits`.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(UNLIMITED),
        soft => soft.parse().ok(),
    }
}

/// `InOctets` and `OutOctets` of `/proc/self/net/netstat`. Its lines are pairs of names and values.
fn octets(netstat: &str) -> Option<(f64, f64)> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        pairs.find(|(name, _)| *name == wanted)?.1.parse::<f64>().ok()
    };
    Some((value("InOctets")?, value("OutOctets")?))
}

/// The fields of `/proc/self/stat`, from the third on.
fn stat_fields(wanted: &[usize]) -> Option<Vec<f64>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    wanted.iter().map(|at| fields.get(*at)?.parse().ok()).collect()
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> Option<f64> {
    Some(stat_fields(&[11, 12])?.iter().sum::<f64>() / TICKS)
}

/// The start of this process, in seconds since 1970.
fn started_at() -> Option<f64> {
    let machine = std::fs::read_to_string("/proc/stat").ok()?;
    let booted = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<f64>().ok()? + stat_fields(&[19])?.first()? / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_octets_are_read_by_their_names() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
        assert_eq!(limit(limits, "Max address space"), Some(UNLIMITED));
        assert_eq!(limit(limits, "Max locked memory"), None);
        let netstat =
            "TcpExt: SyncookiesSent InOctets\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 3 4 5\n";
        assert_eq!(octets(netstat), Some((4.0, 5.0)));
        assert_eq!(octets("IpExt: InOctets\n"), None);
    }
}
