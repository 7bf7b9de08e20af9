//! IRR: sets from an IRRd server or RPSL dumps.
