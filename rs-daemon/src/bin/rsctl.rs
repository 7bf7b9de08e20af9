//! Entry point of the control program.

fn main() -> std::process::ExitCode {
    rs_daemon::cli::main()
}
