//! The names on a leg: every resolver asked, every answer kept
