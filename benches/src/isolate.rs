//! A network of the lab's own: a namespace whose loopback has MTU 1500 and answers for every
//! address that a load uses. Made without root where the kernel allows user namespaces.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const INSIDE: &str = "RS_LAB_INSIDE";

/// Starts this program again inside a new network namespace; returns only once inside.
pub(crate) fn enter() -> io::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return set_up_loopback();
    }
    let mut command = Command::new("unshare");
    // `-r` maps us to root inside; with real root it is not needed and may be forbidden.
    if !is_root()? {
        command.arg("--map-root-user");
    }
    command.arg("--net").arg("--").arg(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    Err(command.exec())
}

fn is_root() -> io::Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().any(|l| l.starts_with("Uid:\t0")))
}

fn set_up_loopback() -> io::Result<()> {
    let commands = [
        "link set lo up mtu 1500",
        // A LAN for daemons that want members to be directly connected: its addresses are all
        // local, so that nothing ever leaves through it and every segment goes over loopback.
        "link add lan0 mtu 1500 type veth peer name lan1",
        "link set lan0 up",
        "link set lan1 up",
        "addr add 172.20.0.1/16 dev lan0",
        "-6 addr add 2001:7f8:fff::1/64 dev lan0 nodad",
        // AnyIP: every address of these networks is local.
        "route add local 172.20.0.0/16 dev lo table local",
        "-6 route add local 2001:7f8:fff::/64 dev lo table local",
    ];
    for arguments in commands {
        let status = Command::new("ip").args(arguments.split(' ')).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("ip {arguments}: {status}")));
        }
    }
    // IPv6 lets nobody bind to an address that is local by a route alone, unless told so.
    std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1")
}
