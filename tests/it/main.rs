//! One integration binary: everything that is shown from outside a room.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod conformance;
