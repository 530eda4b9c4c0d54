//! Writing figures where people read them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Error;

/// Replaces the section of this name in a Markdown file, or adds it at the end.
///
/// # Errors
///
/// When the file cannot be read or written.
pub fn write_section(file: &Path, name: &str, text: &str) -> Result<(), Error> {
    let old = match fs::read_to_string(file) {
        Ok(old) => old,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            "# Results\n\nWritten by the benchmarks; each section names the command that wrote it.\n"
                .to_owned()
        }
        Err(e) => return Err(Error::io("read the results")(e)),
    };
    fs::write(file, replaced(&old, name, text)).map_err(Error::io("write the results"))
}

fn replaced(old: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
    let section = format!("{begin}\n{}\n{end}", text.trim_end());
    if let Some((before, rest)) = old.split_once(&begin)
        && let Some((_, after)) = rest.split_once(&end)
    {
        return format!("{before}{section}{after}");
    }
    format!("{}\n\n{section}\n", old.trim_end())
}

/// The machine, in one line: processor, cores, kernel.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut text = String::new();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    if let Some((_, model)) = model {
        let _ = write!(text, "{}, ", model.trim());
    }
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let _ = write!(text, "{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    if !kernel.is_empty() {
        let _ = write!(text, " {kernel}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_in_place_or_added() {
        let once = replaced("# Results\n", "a", "1");
        assert_eq!(once, "# Results\n\n<!-- begin a -->\n1\n<!-- end a -->\n");
        let two = replaced(&once, "b", "2\n");
        assert_eq!(replaced(&two, "a", "3"), two.replace("\n1\n", "\n3\n"));
    }
}
