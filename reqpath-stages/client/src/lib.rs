//! What happens before the first byte leaves: environment, hosts file, limits, clock
