//! The reqpath program: where a request died, and why
