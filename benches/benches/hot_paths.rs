//! The cases whose instructions `rs-lab instructions` counts, timed:
//! `cargo bench -p rs-benches --bench hot_paths`.

use divan::Bencher;
use divan::counter::ItemsCount;
use rs_benches::cases::{self, CASES};

fn main() {
    divan::main();
}

#[divan::bench(args = CASES.iter().map(|case| case.name))]
fn hot_path(bencher: Bencher<'_, '_>, name: &str) {
    let Some(case) = cases::find(name) else { return };
    bencher.counter(ItemsCount::new(case.items)).bench_local(case.prepare());
}
