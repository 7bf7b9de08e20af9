//! The session state machine from outside: by state, by timer, in collisions, two of them
//! connected in memory, and under random events.

mod capabilities;
mod collisions;
mod endings;
mod pair;
mod pairs;
mod properties;
mod rig;
mod states;
mod timers;
