//! Configuration: what the user typed, and what the program needs.
