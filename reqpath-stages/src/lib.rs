//! The stages of reqpath behind one door, one feature a stage crate
