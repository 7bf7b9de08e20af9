//! Entry point of the daemon.

fn main() -> std::process::ExitCode {
    rs_daemon::start::main()
}
