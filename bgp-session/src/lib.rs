//! The BGP session state machine, sans-I/O.
