//! A raw BGP speaker for a network namespace, driven by lines of JSON (see `support::raw`).

use std::process::ExitCode;

fn main() -> ExitCode {
    match rs_tests::support::raw::serve(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raw-speaker: {error}");
            ExitCode::FAILURE
        }
    }
}
