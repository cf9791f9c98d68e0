//! Who listens on a port: the process id and name, as Linux tells them.
//!
//! The tables of sockets name an inode, and the open files of a process name it again. Of processes
//! of other users the files cannot be read; elsewhere than on Linux there are no such tables.

use std::fs;
use std::net::SocketAddr;

/// The most processes that are looked at.
const PROCESSES_MAX: usize = 4_096;
/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// Who listens on the port of `address`, if it can be told: `python3 (pid 4711)`.
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().find_map(|table| inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        Some((pid, entry.path()))
    });
    processes.take(PROCESSES_MAX).find_map(|(pid, folder)| {
        let mut files = fs::read_dir(folder.join("fd")).ok()?.flatten();
        let holds = files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        holds.then(|| format!("{} (pid {pid})", name.trim_end()))
    })
}

/// The inode of the socket that listens on `port`, in one of the kernel's tables.
fn inode(table: &str, port: u16) -> Option<u64> {
    let port = format!("{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let is_it = state == LISTENS && local.rsplit_once(':').is_some_and(|(_, at)| at == port);
        // Of the fields from the state on, the inode is the seventh.
        fields.nth(5)?.parse().ok().filter(|_| is_it)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_the_socket_that_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1D4C 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 20\n\
            1: 0100007F:1D4C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 29931 1 0 100\n";
        assert_eq!((inode(table, 7500), inode(table, 7501)), (Some(29931), None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_of_this_process_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of(listener.local_addr().unwrap()).unwrap();
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    }
}
