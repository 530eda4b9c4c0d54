//! The handshake on a leg: the chain as served, whatever the verdict
