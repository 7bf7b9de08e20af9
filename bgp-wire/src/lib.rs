//! BGP messages as octets and as values (RFC 4271).
