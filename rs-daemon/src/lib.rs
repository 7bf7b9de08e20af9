//! The route server daemon: threads, sockets, configuration, control socket, HTTP and metrics.
//!
//! The only crate, beside `rtr-client`, that reads clocks and sockets. `rs-daemon` and `rsctl`
//! are thin binaries over this library, so that tests reach everything.

mod bmp;
pub mod cli;
pub mod config;
pub mod control;
pub mod data;
pub mod demo;
pub mod http;
pub mod import;
pub mod irr;
mod mrt;
pub mod net;
mod plain;
pub mod privileges;
pub mod runtime;
pub mod start;
mod times;
