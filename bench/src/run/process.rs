//! What a process used, from `/proc`: CPU time and memory.

use std::io;
use std::time::Duration;

/// Kernel ticks per second as `/proc` counts them; 100 on every Linux since 2.6.
const TICK: Duration = Duration::from_millis(10);
/// The two clocks may differ by this much before a thread must have died with its share.
const CLOCKS_APART: Duration = Duration::from_millis(40);

/// CPU time so far, user and system, by two clocks.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// Whole process, dead threads too, in steps of 10 ms.
    ticks: Duration,
    /// Living threads, to the nanosecond.
    threads: Duration,
    /// The part of `ticks` outside the kernel.
    user: Duration,
}

impl Cpu {
    /// The share of the CPU time since `before` that was spent outside the kernel, in percent.
    pub(crate) fn user_percent(&self, before: &Cpu) -> f64 {
        let all = self.ticks.saturating_sub(before.ticks).as_secs_f64();
        if all > 0.0 { self.user.saturating_sub(before.user).as_secs_f64() / all * 100.0 } else { 0.0 }
    }

    /// The CPU time used since `before`.
    pub(crate) fn since(&self, before: &Cpu) -> Duration {
        let ticks = self.ticks.saturating_sub(before.ticks);
        let threads = self.threads.saturating_sub(before.threads);
        if ticks.abs_diff(threads) > CLOCKS_APART { ticks } else { threads }
    }
}

pub(crate) fn cpu(pid: u32) -> io::Result<Cpu> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name may hold spaces; fields are counted from after its bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let mut times = fields.skip(11).map(|field| TICK * field.parse::<u32>().unwrap_or(0));
    let (user, system) = (times.next().unwrap_or_default(), times.next().unwrap_or_default());
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        threads += schedstat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Cpu { ticks: user + system, threads: Duration::from_nanos(threads), user })
}

/// Memory now, in MiB: shared pages divided among their users, and counted whole.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) pss_mib: f64,
    pub(crate) rss_mib: f64,
}

pub(crate) fn memory(pid: u32) -> io::Result<Memory> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let mib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        line.trim().trim_end_matches(" kB").parse::<f64>().map_or(f64::NAN, |kib| kib / 1024.0)
    };
    Ok(Memory { pss_mib: mib("Pss:"), rss_mib: mib("Rss:") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_read_its_own_use() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.pss_mib > 0.1 && memory.rss_mib >= memory.pss_mib, "{memory:?}");
        let before = cpu(pid).unwrap();
        assert!(cpu(pid).unwrap().since(&before) < Duration::from_secs(1));
    }
}
