//! One shard of the routing table.
