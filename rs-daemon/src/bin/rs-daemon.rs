//! Entry point of the daemon.

/// Small buffers go between threads all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    rs_daemon::start::main()
}
