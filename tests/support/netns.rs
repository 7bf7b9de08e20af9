//! An exchange's LAN: network namespaces on one bridge.
//!
//! Names carry the process id, so that runs beside each other do not meet and what a killed run
//! has left behind is found and removed by the next one.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// What every namespace of this harness starts with.
const PREFIX: &str = "rst";
/// The interface of a host that lies on the LAN.
pub const INTERFACE: &str = "eth1";

static SWEEP: Once = Once::new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// One bridge and the hosts on it; all of it goes when this is dropped.
#[derive(Debug)]
pub struct Lan {
    name: String,
    hosts: u8,
}

/// One namespace on the LAN. Its addresses all end in its number.
#[derive(Debug, Clone)]
pub struct Host {
    /// The namespace's name.
    pub namespace: String,
    /// Last part of each of its addresses.
    pub number: u8,
}

impl Lan {
    /// Makes the bridge. Panics without root: there is nothing to skip to.
    pub fn new() -> Self {
        let id = run("id", &["-u"]);
        assert_eq!(
            String::from_utf8_lossy(&id.stdout).trim(),
            "0",
            "these tests make network namespaces: run them as root (./test.sh does)"
        );
        SWEEP.call_once(sweep);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{serial}", std::process::id());
        let lan = Self { name, hosts: 0 };
        let bridge = lan.bridge_namespace();
        ip(&format!("netns add {bridge}"));
        // With snooping, neighbour discovery gets lost on a bridge without a querier.
        ip(&format!("-n {bridge} link add br0 type bridge mcast_snooping 0"));
        ip(&format!("-n {bridge} link set br0 up"));
        lan
    }

    /// A host with 192.0.2.n, 2001:db8:1::n and fe80::n.
    pub fn host(&mut self) -> Host {
        let host = self.link_local_host();
        let space = &host.namespace;
        ip(&format!("-n {space} addr add {}/24 dev {INTERFACE}", host.v4()));
        ip(&format!("-n {space} addr add {}/64 dev {INTERFACE} nodad", host.v6()));
        host
    }

    /// A host with fe80::n and nothing else.
    pub fn link_local_host(&mut self) -> Host {
        self.hosts += 1;
        let number = self.hosts;
        let host = Host { namespace: format!("{}-{number}", self.name), number };
        let (space, bridge) = (&host.namespace, self.bridge_namespace());
        ip(&format!("netns add {space}"));
        ip(&format!(
            "link add name port{number} netns {bridge} type veth peer name {INTERFACE} netns {space}"
        ));
        ip(&format!("-n {bridge} link set port{number} master br0 up"));
        ip(&format!("-n {space} link set lo up"));
        // Before `up`, else an EUI-64 address appears beside ours.
        ip(&format!("-n {space} link set {INTERFACE} addrgenmode none"));
        ip(&format!("-n {space} link set {INTERFACE} up"));
        // nodad: else the first seconds fail on a tentative address.
        ip(&format!("-n {space} addr add {}/64 dev {INTERFACE} nodad", host.link_local()));
        host
    }

    /// Pulls a host's cable out of the switch: nobody is told.
    pub fn unplug(&self, host: &Host) {
        self.switch_port(host, "down");
    }

    /// Puts it in again.
    pub fn plug(&self, host: &Host) {
        self.switch_port(host, "up");
    }

    fn switch_port(&self, host: &Host, state: &str) {
        ip(&format!("-n {} link set port{} {state}", self.bridge_namespace(), host.number));
    }

    fn bridge_namespace(&self) -> String {
        format!("{}-ix", self.name)
    }
}

impl Default for Lan {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for number in 1..=self.hosts {
            remove(&format!("{}-{number}", self.name));
        }
        remove(&self.bridge_namespace());
    }
}

impl Host {
    /// Its IPv4 address on the LAN.
    pub fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, self.number)
    }

    /// Its global IPv6 address on the LAN.
    pub fn v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(self.number))
    }

    /// Its link-local address on the LAN.
    pub fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(self.number))
    }

    /// A command that runs in this namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Runs `ip ARGUMENTS` in this namespace and gives what it printed.
    pub fn ip(&self, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.namespace))
    }

    /// A counter of the kernel's TCP/IP in this namespace, such as `TcpExt` `TCPMD5Failure`.
    pub fn kernel_counter(&self, group: &str, name: &str) -> u64 {
        let output = self.command("cat").arg("/proc/net/netstat").output().expect("cat runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{group}:")));
        let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
            panic!("no {group} in /proc/net/netstat");
        };
        names
            .split_whitespace()
            .zip(values.split_whitespace())
            .find(|(found, _)| *found == name)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {name} in /proc/net/netstat"))
    }
}

fn ip(arguments: &str) -> String {
    let output = run("ip", &arguments.split_whitespace().collect::<Vec<_>>());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed and does not run: {error}"))
}

/// Ends what still runs in a namespace of ours, then removes it.
fn remove(namespace: &str) {
    let pids = run("ip", &["netns", "pids", namespace]);
    let mut arguments = String::from("-KILL");
    for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
        let _ = write!(arguments, " {pid}");
    }
    if arguments.contains(' ') {
        run("kill", &arguments.split(' ').collect::<Vec<_>>());
    }
    run("ip", &["netns", "del", namespace]);
}

/// Removes the namespaces of runs whose process is gone.
fn sweep() {
    let list = run("ip", &["netns", "list"]);
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let Some(name) = line.split_whitespace().next() else { continue };
        let mut parts = name.split('-');
        let ours = parts.next() == Some(PREFIX);
        let Some(owner) = parts.next().and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if ours && !std::path::Path::new(&format!("/proc/{owner}")).exists() {
            remove(name);
        }
    }
}
