//! The floor: a program that knows nothing of BGP and writes the octets that a daemon would have
//! to write, to as many sockets, in as few system calls as it can.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::{BoxError, Outcome};
use crate::universe::Universe;

/// What a `write` carries at most: as a daemon with a full queue would do.
const WRITE_OCTETS: usize = 256 * 1024;
/// One writing is short against what else a machine does: the median of so many counts.
const REPEATS: usize = 5;

pub(crate) fn run(u: &Universe, outcome: &mut Outcome) -> Result<(), BoxError> {
    let all: Vec<u8> = (0..u.spec.members).flat_map(|m| crate::wire::table(u, m, false)).collect();
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        times.push(write_once(u, &all)?);
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    (outcome.cpu_secs, outcome.wall_secs) = times[REPEATS / 2];
    outcome.octets = all.len() as u64 * u64::from(u.spec.members);
    outcome.figure("least CPU, s", times[0].0);
    outcome.figure("most CPU, s", times[REPEATS - 1].0);
    Ok(())
}

/// CPU and wall time of writing everything to everybody.
fn write_once(u: &Universe, all: &[u8]) -> Result<(f64, f64), BoxError> {
    let listener = TcpListener::bind((u.route_server_address(), 0))?;
    let mut readers = Vec::new();
    let mut writers: Vec<TcpStream> = Vec::new();
    for _ in 0..u.spec.members {
        let reader = TcpStream::connect(listener.local_addr()?)?;
        writers.push(listener.accept()?.0);
        readers.push(reader);
    }
    let total = all.len() as u64;
    let drain = std::thread::spawn(move || -> std::io::Result<()> { drain(&mut readers, total) });
    let (before, started) = (thread_cpu_secs(), Instant::now());
    for chunk in all.chunks(WRITE_OCTETS) {
        for writer in &mut writers {
            writer.write_all(chunk)?;
        }
    }
    let cpu_secs = thread_cpu_secs() - before;
    drain.join().map_err(|_| "the draining thread panicked")??;
    Ok((cpu_secs, started.elapsed().as_secs_f64()))
}

fn drain(readers: &mut [TcpStream], each: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; WRITE_OCTETS];
    let mut left = vec![each; readers.len()];
    while left.iter().any(|l| *l > 0) {
        for (reader, left) in readers.iter_mut().zip(&mut left).filter(|(_, l)| **l > 0) {
            *left -= reader.read(&mut buffer)? as u64;
        }
    }
    Ok(())
}

fn thread_cpu_secs() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    nanos.unwrap_or(0) as f64 / 1e9
}
