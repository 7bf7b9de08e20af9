//! Import verdicts and export plans.
