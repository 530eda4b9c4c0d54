//! What a fake place tells when its kernel or its files are asked.

use reqpath_core::{Listener, PortUse, Route, Unavailable};

/// What a look at a fake place gives: the thing itself, an [`Unavailable`], a `Result`, or a closure.
///
/// A closure is asked each time, so what it tells may change.
///
/// ```
/// use reqpath_core::{PortUse, Route, Unavailable};
/// use reqpath_testkit::vantage::FakeVantage;
///
/// let vantage = FakeVantage::builder()
///     .route([192, 0, 2, 7], Route::new("unicast"))
///     .ports(([192, 0, 2, 7], 80), || Ok(PortUse::new(32_768, 60_999, 28_232)))
///     .descriptors((12, 1024))
///     .file("/etc/hosts", "127.0.0.1 localhost\n")
///     .file("/etc/shadow", Unavailable::Permission)
///     .build();
/// # drop(vantage);
/// ```
pub trait Tells<T>: Send + Sync {
    /// What it tells this time.
    fn tell(&self) -> Result<T, Unavailable>;
}

impl<T> Tells<T> for Unavailable {
    fn tell(&self) -> Result<T, Unavailable> {
        Err(self.clone())
    }
}

impl<T: Clone + Send + Sync> Tells<T> for Result<T, Unavailable> {
    fn tell(&self) -> Result<T, Unavailable> {
        self.clone()
    }
}

impl<T, F: Fn() -> Result<T, Unavailable> + Send + Sync> Tells<T> for F {
    fn tell(&self) -> Result<T, Unavailable> {
        self()
    }
}

impl Tells<Self> for Route {
    fn tell(&self) -> Result<Self, Unavailable> {
        Ok(self.clone())
    }
}

impl Tells<Self> for PortUse {
    fn tell(&self) -> Result<Self, Unavailable> {
        Ok(*self)
    }
}

impl Tells<Self> for Option<Listener> {
    fn tell(&self) -> Result<Self, Unavailable> {
        Ok(*self)
    }
}

impl Tells<Option<Self>> for Listener {
    fn tell(&self) -> Result<Option<Self>, Unavailable> {
        Ok(Some(*self))
    }
}

impl Tells<Self> for (u64, u64) {
    fn tell(&self) -> Result<Self, Unavailable> {
        Ok(*self)
    }
}

impl Tells<Self> for Vec<u8> {
    fn tell(&self) -> Result<Self, Unavailable> {
        Ok(self.clone())
    }
}

impl Tells<Vec<u8>> for &'static str {
    fn tell(&self) -> Result<Vec<u8>, Unavailable> {
        Ok(self.as_bytes().to_vec())
    }
}

impl Tells<Vec<u8>> for String {
    fn tell(&self) -> Result<Vec<u8>, Unavailable> {
        Ok(self.as_bytes().to_vec())
    }
}
