//! The hot paths of the daemon, each as a case of fixed size: timed by `cargo bench`, counted in
//! instructions by `rs-lab instructions`.

pub mod cases;
