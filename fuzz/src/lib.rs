//! What must hold whatever a peer sends. Each module has a function `property` that panics when
//! it does not; a target of cargo-fuzz calls it with what it makes up, and [`tests`] with the
//! seeds, so that a stable compiler runs them too.

pub mod frame;
pub mod open;
pub mod roundtrip;
pub mod session_events;
pub mod update_decode;

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

    properties!(frame, open, roundtrip, session_events, update_decode);

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
