//! What must hold whatever a peer sends. Each module has a function `property` that panics when
//! it does not; a target of cargo-fuzz calls it with what it makes up, and [`tests`] with the
//! seeds, so that a stable compiler runs them too.

pub mod configuration;
pub mod frame;
pub mod open;
pub mod partition;
pub mod patterns;
pub mod requests;
pub mod roundtrip;
pub mod rpsl;
pub mod rtr;
pub mod session_events;
pub mod update_decode;

/// The exchange in memory of `rib`'s tests, with its oracle.
#[path = "../../rib/tests/common/mod.rs"]
mod exchange;

use bgp_wire::{DecodeContext, Families, Family};

/// The first octet of an UPDATE's input says what was negotiated; the rest is the body.
pub fn context(data: &[u8]) -> Option<(DecodeContext, &[u8])> {
    let (bits, body) = data.split_first()?;
    let bit = |n: u8| bits & (1 << n) != 0;
    // Set bits leave a family out, so that 0 has both.
    let families = [(Family::V4, bit(4)), (Family::V6, bit(5))];
    let families: Families =
        families.into_iter().filter(|(_, out)| !out).map(|(family, _)| family).collect();
    let cx = DecodeContext {
        four_octet_as: !bit(0),
        add_path_receive: [bit(1), bit(2)],
        families,
        extended_next_hop: !bit(3),
    };
    Some((cx, body))
}

/// Octets read from the front; behind the end there are zeros.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    macro_rules! properties {
        ($($name:ident),* $(,)?) => {
            $(#[test]
            fn $name() {
                for (path, octets) in seeds(stringify!($name)) {
                    println!("{path}");
                    crate::$name::property(&octets);
                }
            })*

            #[test]
            fn every_folder_of_seeds_belongs_to_a_property() {
                let folders = std::fs::read_dir(root()).unwrap();
                for folder in folders.map(|entry| entry.unwrap().file_name()) {
                    let known = [$(stringify!($name)),*];
                    assert!(known.iter().any(|name| folder == *name), "{folder:?}");
                }
            }
        };
    }

    properties!(
        configuration,
        frame,
        open,
        partition,
        patterns,
        requests,
        roundtrip,
        rpsl,
        rtr,
        session_events,
        update_decode,
    );

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
    }

    fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(root().join(target)).unwrap();
        let seeds: Vec<_> = files
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
            .collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds
    }
}
