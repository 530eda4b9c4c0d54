//! The connection on a leg: every attempt, with what the kernel saw
