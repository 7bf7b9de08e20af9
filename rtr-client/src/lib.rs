//! RPKI data as immutable snapshots.
