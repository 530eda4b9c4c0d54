//! For those who look at something of their own: a stage, its evidence and its cause.
//!
//! `cargo run -p reqpath-examples --bin custom_stage`
//! The stage reads a deployment marker that some other tool left; the cause says when it is a stale one.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use reqpath_core::{
    Case, Cause, Contact, ContactKind, Context, Decline, End, Error, Evidence, Finding, Left, Path, Pipeline,
    Stage, Subject, Target, Trace, cause,
};
use reqpath_stages::local::LocalVantage;
use serde::{Deserialize, Serialize};

/// What the marker file says.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// The file that was read.
    file: String,
    /// The version it names, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl Evidence for Marker {
    const KIND: &'static str = "acme.marker";

    fn source(&self, _: &Subject) -> String {
        format!("cat {}", self.file)
    }

    fn brief(&self) -> String {
        format!("deployed: {}", self.version.as_deref().unwrap_or("nothing"))
    }
}

/// Reads the deployment marker. Looks only; whether the version is right is for the cause.
#[derive(Debug)]
struct Deployment {
    file: String,
}

#[async_trait]
impl Stage for Deployment {
    fn name(&self) -> &'static str {
        "acme"
    }

    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        vec![Contact::new(ContactKind::File, self.file.clone(), 1, "the version that was deployed last")]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let permit = cx.permit(ContactKind::File)?;
        let read = cx.vantage().read(permit, &self.file, 4096).await;
        let version = read.ok().map(|bytes| reqpath_core::escape_bytes(bytes.trim_ascii(), 80));
        let left = if version.is_some() { Left::Alive } else { Left::Dead };
        cx.record(at, Marker { file: self.file.clone(), version });
        Ok(left)
    }
}

static CAUSES: &[&Cause] = &[&NOT_DEPLOYED];

cause! {
    /// Nothing was ever deployed here.
    ///
    /// The marker that every deployment leaves is missing, so no version of the service can answer.
    ///
    /// # What to do
    ///
    /// Deploy, or look at the right machine.
    pub static NOT_DEPLOYED: "acme.not_deployed" = not_deployed { blames(End::Far) }
}

fn not_deployed(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let marker = case.first::<Marker>(at)?;
    if let Some(version) = &marker.version {
        return Err(Decline::not(format!("{version} is deployed"), &marker));
    }
    Ok(Finding::new(at, &marker, format!("{} does not exist: nothing was deployed", marker.file))
        .next("acme deploy"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let pipeline = Pipeline::builder().stage(Deployment { file: "/nowhere/DEPLOYED".to_owned() }).build()?;
    let trace = Trace::new(Target::get("https://shop.example/")?, Arc::new(LocalVantage::new()));
    let report = pipeline.trace(trace).await;
    println!("{}", serde_json::to_string_pretty(&report.verdict)?);
    Ok(())
}
