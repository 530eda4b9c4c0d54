//! A page of the documentation, read by the tests that hold it to what it says.
#![allow(dead_code, reason = "each test binary needs its own part of this")]

use std::path::Path;

/// A page: a table perhaps, and sections with numbers.
pub(crate) struct Page {
    name: String,
    text: String,
}

/// `## 3. The title`, and what stands below it.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) number: usize,
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { name: name.to_owned(), text }
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let numbered = |section: &str| {
            let (heading, text) = section.split_once('\n')?;
            let (number, title) = heading.split_once(". ")?;
            let (number, title) = (number.parse().ok()?, title.trim().to_owned());
            Some(Section { number, title, text: text.to_owned() })
        };
        self.text.split("\n## ").skip(1).filter_map(numbered).collect()
    }

    pub(crate) fn section(&self, number: usize) -> Section {
        let found = self.sections().into_iter().find(|section| section.number == number);
        found.unwrap_or_else(|| panic!("{} has no section {number}", self.name))
    }

    /// The cells of the first table, without its head.
    pub(crate) fn table(&self) -> Vec<Vec<&str>> {
        let rows = self.text.lines().skip_while(|line| !line.starts_with("|--")).skip(1);
        rows.take_while(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect()
    }
}

impl Section {
    /// What stands in the first block of this language.
    pub(crate) fn fence(&self, language: &str) -> Option<&str> {
        self.fences(language).next()
    }

    pub(crate) fn fences<'a>(&'a self, language: &str) -> impl Iterator<Item = &'a str> {
        let opening = format!("```{language}\n");
        let mut rest = self.text.as_str();
        std::iter::from_fn(move || {
            let (_, inside) = rest.split_once(&opening)?;
            let (inside, after) = inside.split_once("```")?;
            rest = after;
            Some(inside)
        })
    }
}
