//! The project itself; what matters here is `site.conf` and the tests of it.
