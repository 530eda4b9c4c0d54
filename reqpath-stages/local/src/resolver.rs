//! The system resolver, asked in a thread that nobody has to wait for.

use std::borrow::Cow;
use std::convert::identity;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, getaddrinfo};
use reqpath_core::{SystemAnswer, SystemLookupError};
use tokio::sync::{Semaphore, oneshot};

use crate::place::Place;

/// How many threads may wait for the system resolver at a time.
///
/// One look-up with dead nameservers holds its thread for half a minute; the rest must not pile up.
const THREADS: usize = 64;

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(THREADS)));

/// Asks `getaddrinfo` as an ordinary program does.
///
/// It cannot be cancelled, so it runs in a thread of its own that ends when it ends:
/// neither the runtime nor the process waits for it.
///
/// That thread is started from the place, and so is of it.
pub(crate) async fn resolve(place: &impl Place, name: &str) -> Result<SystemAnswer, SystemLookupError> {
    let free = FREE.clone().acquire_owned().await.map_err(|closed| trouble(&closed))?;
    let (answer, heard) = oneshot::channel();
    let name = name.to_owned();
    let asking = move || {
        let looked_up = look_up(&name);
        drop(free);
        // Nobody listens any more when the time was up.
        let _ = answer.send(looked_up);
    };
    let start = || {
        let thread = thread::Builder::new().name("getaddrinfo".to_owned()).stack_size(512 * 1024);
        thread.spawn(asking).map(drop)
    };
    place.here(start).await.and_then(identity).map_err(|error| trouble(&error))?;
    heard.await.map_err(|gone| trouble(&gone))?
}

fn look_up(name: &str) -> Result<SystemAnswer, SystemLookupError> {
    // One entry an address, not one for each kind of socket.
    let hints = AddrInfoHints { socktype: dns_lookup::SockType::Stream.into(), ..AddrInfoHints::default() };
    let answers = getaddrinfo(Some(name), None, Some(hints)).map_err(failure)?;
    let mut addresses = Vec::new();
    for answer in answers {
        // A family that is neither IPv4 nor IPv6 is nothing a client could dial.
        let Ok(answer) = answer else { continue };
        let address = answer.sockaddr.ip();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(SystemAnswer::new(addresses))
}

fn failure(error: LookupError) -> SystemLookupError {
    let symbol = match error.kind() {
        LookupErrorKind::Again => "EAI_AGAIN",
        LookupErrorKind::Badflags => "EAI_BADFLAGS",
        LookupErrorKind::NoName => "EAI_NONAME",
        LookupErrorKind::NoData => "EAI_NODATA",
        LookupErrorKind::Fail => "EAI_FAIL",
        LookupErrorKind::Family => "EAI_FAMILY",
        LookupErrorKind::Socktype => "EAI_SOCKTYPE",
        LookupErrorKind::Service => "EAI_SERVICE",
        LookupErrorKind::Memory => "EAI_MEMORY",
        LookupErrorKind::System => "EAI_SYSTEM",
        // glibc's number for a name that exists, and has no address of the family asked for.
        _ if error.error_num() == -9 => "EAI_ADDRFAMILY",
        _ => "EAI_OTHER",
    };
    let words = io::Error::from(error).to_string();
    let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
    SystemLookupError::new(symbol, words)
}

/// Nothing the resolver said: it could not be asked.
fn trouble(error: &dyn std::error::Error) -> SystemLookupError {
    SystemLookupError::new(Cow::Borrowed("EAI_SYSTEM"), error.to_string())
}
