//! The floor: a program that knows nothing of BGP and writes the octets that a daemon would have
//! to write, to as many sockets, in as few system calls as it can.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::{BoxError, Outcome};
use crate::Options;

/// What a `write` carries at most: as a daemon with a full queue would do.
const WRITE_OCTETS: usize = 256 * 1024;

pub(crate) fn run(options: &Options, outcome: &mut Outcome) -> Result<(), BoxError> {
    let u = super::universe(options);
    let tables: Vec<Vec<u8>> =
        (0..options.members).map(|m| crate::wire::table(&u, m, false)).collect();
    let listener = TcpListener::bind((u.route_server_address(), crate::daemon::PORT))?;
    let mut readers = Vec::new();
    let mut writers: Vec<TcpStream> = Vec::new();
    for _ in 0..options.members {
        let reader = TcpStream::connect(listener.local_addr()?)?;
        writers.push(listener.accept()?.0);
        readers.push(reader);
    }
    let all: Vec<u8> = tables.concat();
    let total = all.len() as u64;
    let drain = std::thread::spawn(move || -> std::io::Result<()> { drain(&mut readers, total) });
    let (before, started) = (thread_cpu_secs(), Instant::now());
    for chunk in all.chunks(WRITE_OCTETS) {
        for writer in &mut writers {
            writer.write_all(chunk)?;
        }
    }
    outcome.cpu_secs = thread_cpu_secs() - before;
    drain.join().map_err(|_| "the draining thread panicked")??;
    outcome.wall_secs = started.elapsed().as_secs_f64();
    outcome.octets = total * u64::from(options.members);
    Ok(())
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
