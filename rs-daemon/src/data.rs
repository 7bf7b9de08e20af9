//! Assembly of the routing data snapshots (RPKI, IRR) and their distribution.
