//! One small program for each kind of user
