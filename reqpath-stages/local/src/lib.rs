//! The vantage of this process: its sockets, resolver, files and clock, with the kernel's own evidence
