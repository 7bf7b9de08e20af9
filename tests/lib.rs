//! Shared parts of the test package.

pub mod support;
