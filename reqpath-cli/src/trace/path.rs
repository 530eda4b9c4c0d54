//! The walk along the path of a file.

use std::collections::HashMap;
use std::sync::Arc;

use reqpath_core::{Pipeline, Target, Trace, Vantage};
use reqpath_stages::local::{FarCommand, LocalVantage, NetnsVantage};
use reqpath_stages::path::{PathFile, PathFileError, Place};
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_stages::{Road, Walk};

use crate::error::Mistake;
use crate::render::Ahead;

/// What the flags say of the walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags {
    /// Only the client's own requests are made.
    pub(super) front_only: bool,
    /// Nothing is done.
    pub(super) dry_run: bool,
}

/// What is walked, and what a dry run says of it.
pub(super) fn walk(
    file: &PathFile,
    target: Target,
    road: Road,
    flags: Flags,
) -> Result<(Pipeline, Trace, Ahead), Mistake> {
    let mut walk = Walk::new(target, file.path.clone(), Arc::new(LocalVantage::new())).road(road);
    let mut places = HashMap::new();
    for (name, place) in &file.vantages {
        let mut said = said(place);
        if let Place::Far(command) = place {
            walk = walk.far(FarCommand::new(name.clone(), command));
            places.insert(name.clone(), said);
            continue;
        }
        walk = walk.vantage(match vantage(file, name, place) {
            Ok(vantage) => vantage,
            // What would be done can be told where it could not be done.
            Err(error) if flags.dry_run => {
                said = format!("{said}, which cannot be used here: {}", error.message());
                Arc::new(LocalVantage::named(name.clone()))
            }
            Err(error) => return Err(error.into()),
        });
        places.insert(name.clone(), said);
    }
    for given in &file.authorities {
        let bundle = Bundle::from_pem(&given.file, &given.pem)
            .map_err(|error| file.hop_error(&given.hop, &["sends", "ca"], error))?;
        walk = walk.believed(given.hop.clone(), Trust::Bundle(bundle));
    }
    if flags.front_only {
        walk = walk.front_only();
    }
    let front = walk.front()?.name().into_owned();
    let ahead = Ahead {
        path: Some(file.path.clone()),
        entries: walk.entries()?,
        reads: walk.reads()?,
        places,
        front,
    };
    let (pipeline, trace) = walk.ready()?;
    Ok((pipeline, trace, ahead))
}

fn vantage(file: &PathFile, name: &str, place: &Place) -> Result<Arc<dyn Vantage>, PathFileError> {
    let opened = match place {
        Place::Local => return Ok(Arc::new(LocalVantage::named(name.to_owned()))),
        Place::Namespace(namespace) => NetnsVantage::open(namespace),
        Place::Process(process) => NetnsVantage::of_process(*process),
        _ => return Err(file.vantage_error(name, "this program cannot look from such a place")),
    };
    let opened = opened.map_err(|error| file.vantage_error(name, crate::error::chain(&error)))?;
    Ok(Arc::new(opened.named(name.to_owned())))
}

fn said(place: &Place) -> String {
    match place {
        Place::Namespace(file) => format!("network namespace {}", file.display()),
        Place::Process(process) => format!("network namespace of process {process}"),
        Place::Far(command) => format!("far away, by {}", command.join(" ")),
        _ => "this process".to_owned(),
    }
}
