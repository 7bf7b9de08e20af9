//! Threads: workers that own sessions, shards that own prefixes.
