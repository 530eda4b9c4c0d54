//! Scenario files as tests: one `#[test]` each.

use std::path::{Path, PathBuf};

use super::error::{Place, RunError, ScenarioError};
use super::{Scenario, error};

/// The scenario files of a directory, by name.
///
/// ```
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
/// let files = reqpath_testkit::scenario::files(directory)?;
/// assert!(files.is_sorted() && files.iter().any(|file| file.ends_with("tcp_refused.toml")));
/// # Ok::<(), reqpath_testkit::scenario::ScenarioError>(())
/// ```
///
/// # Errors
///
/// When the directory cannot be read.
pub fn files(directory: impl AsRef<Path>) -> Result<Vec<PathBuf>, ScenarioError> {
    let directory = directory.as_ref();
    let unreadable = |source| ScenarioError::Unreadable { file: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a test of each scenario file that is named, and one that fails while a file of the directory is not.
///
/// The directory is below the package that has the test; names are those of the files, without `.toml`.
/// Needs a test of its own file: `scenarios! { in "scenarios"; tcp_refused, dns_nxdomain }`.
///
/// ```
/// # mod tests {
/// reqpath_testkit::scenarios! { in "scenarios"; healthy_http, tcp_refused }
/// # }
/// ```
#[macro_export]
macro_rules! scenarios {
    (in $directory:literal; $($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::scenario::check(
                    concat!(env!("CARGO_MANIFEST_DIR"), "/", $directory, "/", stringify!($name), ".toml")
                );
            }
        )+

        #[test]
        fn every_file_is_a_test() {
            $crate::scenario::check_list(
                concat!(env!("CARGO_MANIFEST_DIR"), "/", $directory),
                &[$(stringify!($name)),+],
            );
        }
    };
}

/// Plays a scenario file wherever it can be played, compares the places, and fails the test by a panic.
///
/// Who may not make network namespaces gets them in a user namespace, where the system lets them.
/// What the machine lacks is skipped, with a printed reason; with `REQPATH_REQUIRE_REAL=1` it fails.
///
/// ```
/// // What the macro writes into each of its tests:
/// reqpath_testkit::scenario::check(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/http_error_503.toml"));
/// ```
///
/// # Panics
///
/// When the file is no scenario, a fault was not there, or a verdict is not as expected.
pub fn check(file: impl AsRef<Path>) {
    let file = file.as_ref();
    #[cfg(target_os = "linux")]
    crate::lab::rootless(|| play(file));
    #[cfg(not(target_os = "linux"))]
    play(file);
}

#[allow(clippy::panic, clippy::print_stderr, reason = "fails or skips the calling test, and says why")]
fn play(file: &Path) {
    let scenario = Scenario::load(file).unwrap_or_else(|wrong| panic!("{}", error::told(&wrong)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let play = |place| match runtime.block_on(scenario.run_at(place)) {
        Ok(ran) => Some(ran),
        Err(RunError::NotPlayed { why, .. }) => {
            eprintln!("not played {place}: {why}");
            None
        }
        Err(error) if error.is_missing() && !is_required() => {
            eprintln!("SKIPPED: {}", error.told());
            None
        }
        Err(error) => panic!("{}", error.told()),
    };
    let (on_fakes, on_lab) = (play(Place::Fakes), play(Place::Lab));
    for ran in [&on_fakes, &on_lab].into_iter().flatten() {
        for observed in &ran.observed {
            eprintln!("{}: {observed}", ran.place);
        }
    }
    if let (Some(on_fakes), Some(on_lab)) = (on_fakes, on_lab)
        && let Err(error) = scenario.agree(&on_fakes, &on_lab)
    {
        panic!("{error}");
    }
}

/// Fails the test when a directory has scenario files that are not on the list, or the other way round.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let directory = tempfile::tempdir()?;
/// std::fs::write(directory.path().join("shop_is_shut.toml"), "")?;
/// reqpath_testkit::scenario::check_list(&directory, &["shop_is_shut"]);
///
/// let forgotten = std::panic::catch_unwind(|| reqpath_testkit::scenario::check_list(&directory, &[]));
/// assert!(forgotten.is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When it has, or cannot be read.
#[allow(clippy::panic, reason = "fails the calling test, and says why")]
pub fn check_list(directory: impl AsRef<Path>, listed: &[&str]) {
    let found = files(directory).unwrap_or_else(|error| panic!("{}", error::told(&error)));
    let found: Vec<String> =
        found.iter().filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned())).collect();
    let forgotten: Vec<&String> = found.iter().filter(|name| !listed.contains(&name.as_str())).collect();
    assert!(forgotten.is_empty(), "files that are no test: {forgotten:?}");
    let gone: Vec<&&str> = listed.iter().filter(|name| !found.iter().any(|known| known == *name)).collect();
    assert!(gone.is_empty(), "tests without a file: {gone:?}");
}

#[cfg(unix)]
fn is_required() -> bool {
    std::env::var_os(crate::real::REQUIRE_REAL).is_some_and(|value| value == "1")
}

#[cfg(not(unix))]
fn is_required() -> bool {
    false
}
