//! A disk that is full or read-only, below the state directory and below that of MRT files: a
//! small file system of the daemon's own, in a mount namespace that ends with it.

use std::process::Command;
use std::time::{Duration, Instant};

use rs_tests::support::loopback::{
    ARRIVE, Exchange, Honest, hang, logged, measured, route, times_logged,
};
use rs_tests::support::process::output;
use rs_tests::support::raw::Speaker;
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::message;

/// RFC 4724: a member that keeps our routes, which a file says.
const GRACEFUL_RESTART: u8 = 64;
const UPDATE: u8 = 2;

/// What the daemon sees below `disk` of its directory.
fn mounted(command: &str) -> Vec<String> {
    let mount = "mkdir @directory@/disk && mount -t tmpfs -o size=64k rs-test @directory@/disk";
    let script = format!("{mount} && {command} exec \"$0\" \"$@\"");
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script]
        .map(str::to_owned)
        .to_vec()
}

struct Disk<'a>(&'a Exchange);

impl Disk<'_> {
    /// In the daemon's namespace.
    fn run(&self, script: &str) {
        let script = script.replace("@disk@", &self.path());
        let mut command = Command::new("nsenter");
        command.args(["-U", "-m", "--preserve-credentials", "-t"]);
        command.arg(self.0.server.id().to_string()).args(["sh", "-c", &script]);
        output(&mut command).unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    fn path(&self) -> String {
        self.0.server.directory().join("disk").display().to_string()
    }

    fn fill(&self) {
        self.run("dd if=/dev/zero of=@disk@/full bs=4k count=100 2>/dev/null || true");
    }

    fn empty(&self) {
        self.run("rm @disk@/full");
    }
}

fn exchange(text: &str) -> Exchange {
    Exchange::with(&["", "graceful_restart = true"], |config| {
        config.under = mounted("");
        *config = config.clone().text(text);
    })
}

/// The state and MRT files are tried again every 10 s.
const RETRIED: Duration = Duration::from_secs(60);

/// Member 3 with graceful restart: whether it is there goes into a file.
fn graceful(exchange: &Exchange) -> Speaker {
    let mut config = exchange.speaker_config(3);
    config.capabilities.push((GRACEFUL_RESTART, vec![0, 120, 0, 1, 1, 0x80, 0, 2, 1, 0x80]));
    let member = Speaker::established(config);
    // End-of-RIB of both families (RFC 4724 §2): the route server has just started, and tells a
    // member that keeps routes nothing before that.
    member.send(&message(UPDATE, &[0, 0, 0, 0])).unwrap();
    member.send(&message(UPDATE, &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1])).unwrap();
    member
}

/// The state cannot be written in some way: said once, tried again, and no member notices.
fn state_is_written_when_it_can_be(break_it: fn(&Disk<'_>), mend_it: fn(&Disk<'_>)) {
    let exchange = exchange("[state]\ndirectory = \"@directory@/disk/state\"");
    let disk = Disk(&exchange);
    assert_eq!(exchange.metric("rs_state_write_success", &[]), Ok(1.0));
    break_it(&disk);
    let mut honest = Honest::of(exchange.speaker(2), graceful(&exchange));
    measured(&exchange, "rs_state_write_success", &[], |value| value == 0.0);
    logged(&exchange, "cannot be written: what it should hold is lost at the next restart");
    honest.serve("with a disk that takes nothing");
    mend_it(&disk);
    eventually("it is written again", RETRIED, || {
        let value = exchange.metric("rs_state_write_success", &[])?;
        ensure(value == 1.0, || format!("{value}"))
    });
    logged(&exchange, "can be written again");
    disk.run("grep -q 127.0.0.3 @disk@/state/graceful-members.json");
    assert_eq!(times_logged(&exchange, "what it should hold is lost"), 1, "said once");
    honest.serve("with a disk again");
}

#[test]
fn a_full_disk_costs_the_state_until_there_is_room() {
    state_is_written_when_it_can_be(|disk| disk.fill(), |disk| disk.empty());
}

#[test]
fn a_read_only_disk_costs_the_state_until_it_is_writable() {
    state_is_written_when_it_can_be(
        |disk| disk.run("mount -o remount,ro @disk@"),
        |disk| disk.run("mount -o remount,rw,size=64k @disk@"),
    );
}

/// What is to be written at the end is written after the NOTIFICATIONs, and not for ever: a member
/// that is told nothing sends its traffic to a route server's next hops until its hold timer fires.
#[test]
fn members_are_told_of_the_end_before_a_disk_that_hangs_is_waited_for() {
    let mut exchange = Exchange::new(&["", "graceful_restart = true"]);
    hang(&exchange.server.directory().join("graceful-members.tmp"));
    let honest = Honest::of(exchange.speaker(2), graceful(&exchange));
    // An end that is not graceful has this one emptied, if it was not being written already.
    std::fs::write(exchange.server.directory().join("graceful-members.json"), "{}").unwrap();
    let begun = Instant::now();
    exchange.server.signal("TERM");
    for member in [&honest.sender, &honest.receiver] {
        member.wait("it is told", ARRIVE, |status| {
            ensure(status.notification.is_some(), || format!("{status:?}"))
        });
    }
    let told = Instant::now();
    assert_eq!(exchange.server.ended(), Some(0));
    // The disk is waited for 5 s: behind the NOTIFICATIONs, not ahead of them.
    let at_once = told - begun < Duration::from_secs(4);
    assert!(at_once || told.elapsed() > Duration::from_secs(2), "the disk came first");
    logged(&exchange, "the state files: still not done at the end of the process");
}

fn mrt_goes_on_when_it_can(break_it: fn(&Disk<'_>), mend_it: fn(&Disk<'_>)) {
    let exchange =
        exchange("[mrt]\ndirectory = \"@directory@/disk/mrt\"\ntables = \"off\"\nupdates = \"5m\"");
    let disk = Disk(&exchange);
    let mut honest = Honest::new(&exchange);
    honest.serve("with a disk");
    measured(&exchange, "rs_mrt_records_total", &[], |records| records >= 1.0);
    break_it(&disk);
    // What is left of the file's last page has room for tens of records, but not for this one.
    let large = route(2, "198.51.100.0/24", "").unknown(0xc0, 200, &"5a".repeat(3900));
    honest.sender.announce(&large);
    eventually("records are lost", ARRIVE, || {
        honest.serve("with a disk that takes nothing");
        let lost = exchange.metric("rs_mrt_dropped_total", &[])?;
        ensure(lost >= 1.0, || format!("{lost}"))
    });
    measured(&exchange, "rs_mrt_writable", &[], |value| value == 0.0);
    logged(&exchange, "MRT: UPDATEs cannot be written and are lost");
    mend_it(&disk);
    eventually("it is written again", RETRIED, || {
        honest.serve("with a disk again");
        let writable = exchange.metric("rs_mrt_writable", &[])?;
        ensure(writable == 1.0, || format!("{writable}"))
    });
    logged(&exchange, "MRT: files can be written again");
}

#[test]
fn a_full_disk_costs_mrt_records_until_there_is_room() {
    mrt_goes_on_when_it_can(|disk| disk.fill(), |disk| disk.empty());
}
