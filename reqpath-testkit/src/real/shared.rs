//! What several parts, or the descriptions of several parts, have word for word.

/// The looks at a part that is held by its field `leash` and has a `room`.
macro_rules! held {
    ($log:literal) => {
        #[doc = $log]
        #[must_use]
        pub const fn log(&self) -> &$crate::real::Log {
            self.leash.output()
        }

        /// Its process id.
        #[must_use]
        pub const fn pid(&self) -> u32 {
            self.leash.pid()
        }

        /// Its private directory.
        #[must_use]
        pub const fn room(&self) -> &$crate::real::Room {
            &self.room
        }

        /// The program behind it, to signal it or to see whether it still runs.
        #[must_use]
        pub const fn leash(&mut self) -> &mut $crate::real::Leash {
            &mut self.leash
        }
    };
}

/// Where a part listens whose description has a field `place`.
macro_rules! placed {
    ($at:literal) => {
        /// Listens on this address instead of `127.0.0.1`; the port is still chosen free.
        #[must_use]
        pub fn on(mut self, ip: impl Into<std::net::IpAddr>) -> Self {
            self.place = $crate::real::place::Place::Free(ip.into());
            self
        }

        #[doc = $at]
        #[must_use]
        pub const fn at(mut self, address: std::net::SocketAddr) -> Self {
            self.place = $crate::real::place::Place::Fixed(address);
            self
        }
    };
}

/// The placeholders of a configuration that is a field `draft`.
macro_rules! drafted {
    ($upstream:literal) => {
        /// Listens on this address instead of `127.0.0.1`; ports are still chosen free.
        #[must_use]
        pub fn on(mut self, ip: impl Into<std::net::IpAddr>) -> Self {
            self.draft.ip = ip.into();
            self
        }

        /// Gives `{listen:NAME}` this address and port, with `""` for the nameless `{listen}`.
        #[must_use]
        pub fn at(mut self, name: &str, address: std::net::SocketAddr) -> Self {
            self.draft.fixed.insert(name.to_owned(), address);
            self
        }

        #[doc = $upstream]
        #[must_use]
        pub fn upstream(mut self, name: &str, address: std::net::SocketAddr) -> Self {
            self.draft.upstream(name, address);
            self
        }

        /// Gives the placeholder `{name}` a meaning.
        #[must_use]
        pub fn value(mut self, name: &str, value: impl ToString) -> Self {
            self.draft.value(name, value);
            self
        }

        /// Puts a file into the private directory; `{file:NAME}` is its path.
        #[must_use]
        pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
            self.draft.file(name, content);
            self
        }

        /// Puts a certificate chain and its key, both PEM, into the private directory.
        #[must_use]
        pub fn certificate(mut self, name: &str, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
            self.draft.certificate(name, chain, key);
            self
        }
    };
}

pub(in crate::real) use {drafted, held, placed};
