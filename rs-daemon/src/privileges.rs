//! Least privilege: what is left to the process once it runs.
//!
//! Both steps come before the first thread is made, since capabilities and landlock are a thread's
//! and are inherited by those that it makes. So they come before listening, too: of root's powers
//! only the one to bind ports below 1024 stays, which a reload that adds a listener needs later.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{self, Gid, Group, Uid, User};

use crate::config::Config;

/// The kernel interface that the rules are written for; an older kernel enforces what it knows.
const LANDLOCK: ABI = ABI::V5;
/// All that stays of root: ports below 1024.
const KEPT: Capability = Capability::CAP_NET_BIND_SERVICE;

/// What landlock lets be written to, once it is in force, which it is for good: each directory as
/// device and inode, since the kernel's rule names the directory that stood there at the start.
static CONFINED: OnceLock<Vec<(u64, u64)>> = OnceLock::new();

/// Why the daemon does not run as it was told to.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("--user {0}: there is no such user; adduser --system {0} would make one")]
    NoUser(String),
    /// Somebody else's rights were asked for.
    #[error("--user {0}: only root can start the daemon for another user")]
    NotRoot(String),
    /// Root would stay root.
    #[error("--user {0}: that is root; leave --user out to run as root")]
    IsRoot(String),
    /// A directory that the user needs.
    #[error("{} cannot be made for {user}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whose it should be.
        user: String,
        /// What is wrong.
        error: io::Error,
    },
    /// The system said no.
    #[error("--user {user}: {step}: {error}")]
    System {
        /// Who we wanted to be.
        user: String,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Where the daemon writes: control socket, state, cached IRR answers, MRT files.
#[must_use]
pub fn written(config: &Config) -> Vec<PathBuf> {
    let mut directories = BTreeSet::from([config.state.directory.clone()]);
    directories.extend(config.control.socket.parent().map(Path::to_owned));
    directories.extend(config.irr.as_ref().and_then(|irr| irr.cache.clone()));
    directories.extend(config.mrt.as_ref().map(|mrt| mrt.directory.clone()));
    // A relative path without a directory in it.
    directories
        .into_iter()
        .map(|path| if path.as_os_str().is_empty() { ".".into() } else { path })
        .collect()
}

/// Goes on as `name`, with no capability but that to bind ports below 1024. Directories that are
/// written to and missing are made first, and are the user's.
///
/// # Errors
/// When that is not possible; the process should end then.
pub fn become_user(name: &str, config: &Config) -> Result<(), PrivilegeError> {
    let system = |step, error| PrivilegeError::System { user: name.to_owned(), step, error };
    let user = User::from_name(name).map_err(|error| system("looking it up", error.into()))?;
    let user = user.ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))?;
    if user.uid.is_root() {
        return Err(PrivilegeError::IsRoot(name.to_owned()));
    }
    if unistd::geteuid() == user.uid {
        return Ok(());
    }
    if !unistd::geteuid().is_root() {
        return Err(PrivilegeError::NotRoot(name.to_owned()));
    }
    for directory in written(config) {
        make_for(&directory, user.uid, user.gid).map_err(|error| PrivilegeError::Directory {
            path: directory,
            user: name.to_owned(),
            error,
        })?;
    }
    switch(name, user.uid, user.gid).map_err(|(step, error)| system(step, error))?;
    tracing::info!(user = name, kept = %KEPT, "privileges are dropped");
    Ok(())
}

/// A group by its name or its number.
///
/// # Errors
/// When there is none of that name, or the system cannot say.
pub fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let found = Group::from_name(group)?.ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no group {group:?}"))
    })?;
    Ok(found.gid.as_raw())
}

/// What is there stays whose it is: it may be /tmp.
fn make_for(directory: &Path, uid: Uid, gid: Gid) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(directory)?;
    // Not what a link points at that somebody put there meanwhile.
    std::os::unix::fs::lchown(directory, Some(uid.as_raw()), Some(gid.as_raw()))
}

fn switch(name: &str, uid: Uid, gid: Gid) -> Result<(), (&'static str, io::Error)> {
    let system = |step| move |error: Errno| (step, io::Error::from(error));
    let capability = |step| move |error: caps::errors::CapsError| (step, io::Error::other(error));
    let text = CString::new(name).map_err(|error| ("the name", io::Error::other(error)))?;
    // A container may not have it to give.
    let had = caps::has_cap(None, CapSet::Permitted, KEPT).unwrap_or(false);
    let kept: CapsHashSet = had.then_some(KEPT).into_iter().collect();
    // Without CAP_SETPCAP the bounding set stays, which nothing is executed from anyway.
    for other in caps::all() {
        if other != KEPT {
            let _ = caps::drop(None, CapSet::Bounding, other);
        }
    }
    unistd::initgroups(&text, gid).map_err(system("its groups"))?;
    prctl::set_keepcaps(true).map_err(system("keeping a capability"))?;
    unistd::setresgid(gid, gid, gid).map_err(system("its group"))?;
    unistd::setresuid(uid, uid, uid).map_err(system("its number"))?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
        .map_err(capability("inheritable capabilities"))?;
    caps::set(None, CapSet::Effective, &CapsHashSet::new())
        .map_err(capability("capabilities in effect"))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(capability("capabilities"))?;
    caps::set(None, CapSet::Effective, &kept).map_err(capability("capabilities in effect"))?;
    prctl::set_keepcaps(false).map_err(system("keeping a capability"))?;
    prctl::set_no_new_privs().map_err(system("no new privileges"))
}

/// From here on nothing is executed, and nothing written outside of `directories`, whatever the
/// file permissions say. Where the kernel has no landlock, the log says so.
pub fn confine(directories: &[PathBuf]) {
    let status = match restrict(directories) {
        Ok(status) => status,
        Err(error) => {
            tracing::warn!(%error, "landlock: not in force, file permissions alone hold");
            return;
        }
    };
    match status {
        RulesetStatus::FullyEnforced => {
            tracing::info!(?directories, "landlock: nothing else is written to, nothing executed");
        }
        RulesetStatus::PartiallyEnforced => {
            tracing::info!(?directories, "landlock: enforced as far as this kernel has it");
        }
        RulesetStatus::NotEnforced => {
            tracing::info!(
                "landlock: this kernel has none, or has it switched off: file permissions alone hold"
            );
            return;
        }
    }
    let _ = CONFINED.set(directories.iter().filter_map(|path| identity(path)).collect());
}

/// Directories of a configuration that this process will not be able to write to, whatever their
/// permissions are. A new process could.
#[must_use]
pub fn out_of_reach(config: &Config) -> Vec<PathBuf> {
    let confined = CONFINED.get();
    let mut directories = written(config);
    directories.retain(|path| confined.is_some_and(|confined| !is_beneath(path, confined)));
    directories
}

/// What an error of writing to `path` means where landlock is the reason for it: the directory was
/// named by a reload, or is not the one that stood there at the start.
#[must_use]
pub fn explained(error: io::Error, path: &Path) -> io::Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    match CONFINED.get() {
        Some(confined) if denied && !is_beneath(path, confined) => io::Error::new(
            error.kind(),
            format!(
                "{error}: landlock lets the daemon write only where it did when it started; \
                 restart it to have it write here, too"
            ),
        ),
        _ => error,
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether a path is, or will be once it is made, below one of the directories. One that cannot be
/// looked at counts: that is a matter of permissions.
fn is_beneath(path: &Path, directories: &[(u64, u64)]) -> bool {
    let Ok(path) = std::path::absolute(path) else { return true };
    let Some(there) = path.ancestors().find(|path| path.exists()) else { return true };
    let Ok(there) = there.canonicalize() else { return true };
    there.ancestors().filter_map(identity).any(|found| directories.contains(&found))
}

/// What is denied outside of the directories. Reading is not: configuration, VRP files and dumps
/// may lie anywhere, and `rsctl diff` reads what it is given.
fn denied() -> BitFlags<AccessFs> {
    AccessFs::from_write(LANDLOCK) | AccessFs::Execute
}

fn restrict(directories: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default().handle_access(denied())?.create()?;
    for directory in directories {
        // It is made now, since its parent will not be writable.
        if let Err(error) = std::fs::create_dir_all(directory) {
            tracing::warn!(directory = %directory.display(), %error, "cannot be made");
            continue;
        }
        match PathFd::new(directory) {
            Ok(open) => {
                let allowed = AccessFs::from_write(LANDLOCK);
                rules = rules.add_rule(PathBeneath::new(open, allowed))?;
            }
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "cannot be opened");
            }
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Landlock holds for a thread and what it makes: the test's own thread stays free.
    #[test]
    fn nothing_is_written_outside_and_nothing_is_executed() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("read"), "text").unwrap();
        let (inside_path, outside_path) = (inside.path().to_owned(), outside.path().to_owned());
        let confined = std::thread::spawn(move || {
            let missing = inside_path.join("made");
            let status = restrict(std::slice::from_ref(&missing)).unwrap();
            let inside = std::fs::write(missing.join("file"), "x")
                .and_then(|()| std::fs::rename(missing.join("file"), missing.join("other")))
                .and_then(|()| std::fs::remove_file(missing.join("other")));
            let read = std::fs::read_to_string(outside_path.join("read"));
            let write = std::fs::write(outside_path.join("file"), "x");
            let execute = Command::new("/bin/true").status();
            (status, inside, read, write, execute)
        });
        let (status, inside, read, write, execute) = confined.join().unwrap();
        inside.unwrap();
        assert_eq!(read.unwrap(), "text");
        if status == RulesetStatus::NotEnforced {
            eprintln!("this kernel has no landlock: only that nothing fails has been tested");
            return;
        }
        assert_eq!(write.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(execute.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(!outside.path().join("file").exists());
    }

    #[test]
    fn a_directory_that_is_made_anew_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["state", "state/below", "other"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("state/below"), at("link")).unwrap();
        // Like a rule, a descriptor keeps the inode from being given to another directory.
        let held = std::fs::File::open(at("state")).unwrap();
        let confined = [identity(&at("state")).unwrap()];
        for within in ["state", "state/below", "state/not/yet", "link", "link/not/yet"] {
            assert!(is_beneath(&at(within), &confined), "{within}");
        }
        for outside in ["other", "not/yet", "state/../other"] {
            assert!(!is_beneath(&at(outside), &confined), "{outside}");
        }
        std::fs::remove_dir_all(at("state")).unwrap();
        assert!(!is_beneath(&at("state"), &confined), "gone");
        std::fs::create_dir(at("state")).unwrap();
        assert!(!is_beneath(&at("state"), &confined), "made anew");
        drop(held);
    }

    #[test]
    fn all_that_is_written_is_named() {
        let text = "[exchange]\nasn = 64500\n[control]\nsocket = \"/run/x/control.sock\"\n\
                    [state]\ndirectory = \"/var/lib/x\"\n[irr]\nserver = \"127.0.0.1:43\"\n\
                    cache = \"/var/cache/x\"\n[mrt]\ndirectory = \"/var/spool/x\"\n\
                    [[route_server]]\nname = \"rs1\"\n\
                    router_id = \"192.0.2.1\"\nlisten = [\"127.0.0.1:1790\"]\n";
        let config = crate::config::parse(Path::new("rs.toml"), text).unwrap();
        let names = ["/run/x", "/var/cache/x", "/var/lib/x", "/var/spool/x"].map(PathBuf::from);
        assert_eq!(written(&config), names);
    }

    #[test]
    fn groups_are_found_by_name_and_number() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert_eq!(group_id("990").unwrap(), 990);
        let error = group_id("no-such-group").unwrap_err().to_string();
        assert_eq!(error, "there is no group \"no-such-group\"");
    }

    #[test]
    fn nobody_becomes_a_user_who_is_not_there() {
        let text = "[exchange]\nasn = 64500\n[[route_server]]\nname = \"rs1\"\n\
                    router_id = \"192.0.2.1\"\nlisten = [\"127.0.0.1:1790\"]\n\
                    [route_server.import]\nirr = \"off\"\nrpki = \"off\"\n";
        let config = crate::config::parse(Path::new("rs.toml"), text).unwrap();
        let error = become_user("no-such-user", &config).unwrap_err().to_string();
        assert!(error.contains("there is no such user"), "{error}");
        let error = become_user("root", &config).unwrap_err().to_string();
        assert!(error.contains("leave --user out"), "{error}");
    }
}
