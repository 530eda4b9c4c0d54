//! The request and its answer on a leg, over the connection that was judged
