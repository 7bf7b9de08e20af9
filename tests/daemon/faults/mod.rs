//! What fails around a route server, one file for each thing: a log line and a metric say so,
//! members are served meanwhile, and nothing needs a restart once the fault is lifted.

mod control_socket;
mod descriptors;
mod disk;
mod irr;
mod ports;
mod rtr;
mod server;
mod signals;
