//! ON PAPER: definitions in files, with line and column. Never sees the file that tempo keeps.

pub(crate) mod steps;
