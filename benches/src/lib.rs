//! What a trace costs, beside its peers
