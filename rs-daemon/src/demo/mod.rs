//! `rs-daemon demo`: an exchange on loopback.
