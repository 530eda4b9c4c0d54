//! A real nginx that ends TLS, and the program looking at it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::real::{Flavour, Nginx, NginxBuilder, require};

use crate::common::{Run, name, trace};

/// One nginx with one name, and the authority its visitors trust.
pub(crate) struct Front {
    pub(crate) nginx: Nginx,
    pub(crate) name: String,
    pub(crate) folder: tempfile::TempDir,
}

/// What is to be served, for each nginx there is.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) root: Authority,
    builder: NginxBuilder,
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self { name: name(), root: Authority::named("Front Root").unwrap(), builder: Nginx::builder() }
    }

    /// A server for our name that shows this certificate, with more directives.
    pub(crate) fn shows(self, leaf: &Leaf, more: &str) -> Self {
        let name = self.name.clone();
        self.server_for(&name, "leaf", leaf, more)
    }

    /// A server for a name.
    pub(crate) fn server_for(mut self, name: &str, file: &str, leaf: &Leaf, more: &str) -> Self {
        self.builder = self.builder.certificate(file, leaf.chain_pem(), leaf.key_pem()).server(&format!(
            "listen {{listen}} ssl; server_name {name};
             ssl_certificate {{certificate:{file}}}; ssl_certificate_key {{key:{file}}};
             {more}
             location / {{ return 200 'open'; }}"
        ));
        self
    }

    /// Any other change of the configuration.
    pub(crate) fn with(mut self, change: impl FnOnce(NginxBuilder) -> NginxBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    pub(crate) fn start(self, flavour: Flavour) -> Option<Front> {
        let nginx = require(self.builder.flavour(flavour).start())?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), self.root.certificate_pem()).unwrap();
        Some(Front { nginx, name: self.name, folder })
    }
}

impl Front {
    pub(crate) fn port(&self) -> u16 {
        self.nginx.address().port()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}/", self.name, self.port())
    }

    /// Flags that lead to it and trust its authority.
    pub(crate) fn flags(&self) -> Vec<String> {
        let resolve = format!("{}:{}:127.0.0.1", self.name, self.port());
        let ca = self.folder.path().join("ca.pem").display().to_string();
        ["--resolve", &resolve, "--cacert", &ca].map(str::to_owned).to_vec()
    }

    /// `reqpath trace --json` of it, with more flags.
    pub(crate) fn trace(&self, more: &[&str]) -> Run {
        let mut arguments = self.flags();
        if !more.contains(&"--max-time") {
            arguments.extend(["--max-time", "8"].map(str::to_owned));
        }
        arguments.extend(more.iter().map(|&flag| flag.to_owned()));
        arguments.push(self.url());
        trace(arguments)
    }

    /// A file beside its authority's.
    pub(crate) fn file(&self, file: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(file);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

/// The workers of an nginx, standing still until dropped: the kernel opens connections, and nobody answers.
pub(crate) struct Frozen(Vec<u32>);

impl Frozen {
    pub(crate) fn workers_of(nginx: &Nginx) -> Self {
        let master = nginx.pid();
        let children: PathBuf = Path::new("/proc").join(format!("{master}/task/{master}/children"));
        let children = fs::read_to_string(children).unwrap();
        let workers: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        assert!(!workers.is_empty(), "no worker below {master}");
        signal("-STOP", &workers);
        Self(workers)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(name: &str, pids: &[u32]) {
    let status = Command::new("kill").arg(name).args(pids.iter().map(u32::to_string)).status().unwrap();
    assert!(status.success(), "kill {name} {pids:?}");
}
