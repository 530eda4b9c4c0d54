//! Several roads at the same time: most of what a trace does is to wait.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqpath_testkit::lab;

/// How many roads are up at a time.
const AT_ONCE: usize = 3;

/// Plays every case, and fails with all that went wrong.
pub(crate) fn each<T: Sync>(cases: &[T], play: impl Fn(&T) -> Result<(), String> + Sync) {
    lab::rootless(|| {
        let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(why) = play(case) {
                            wrong.lock().unwrap().push(why);
                        }
                    }
                });
            }
        });
        let wrong = wrong.into_inner().unwrap();
        assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    });
}
