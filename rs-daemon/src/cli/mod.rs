//! `rsctl`: commands and tables.
