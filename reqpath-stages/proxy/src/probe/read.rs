//! The bytes of one log.

use reqpath_core::{ContactKind, Context, Error, Source};

use crate::ProxyOptions;

/// The end of a log, from a file or from what a command prints.
pub(super) async fn read(options: &ProxyOptions, source: &Source, cx: &Context) -> Result<Vec<u8>, Error> {
    let trouble = |what, source| Error::Vantage { vantage: cx.vantage().name().into_owned(), what, source };
    if let Some(file) = &source.file {
        let permit = cx.permit(ContactKind::File)?;
        let read = cx.vantage().tail(permit, file, options.tail).await;
        return read.map_err(|source| trouble("read the end of a log", source));
    }
    let permit = cx.permit(ContactKind::Command)?;
    let time = cx.limit(options.command_time);
    let read = cx.vantage().command(permit, &source.command, options.tail, time).await;
    read.map_err(|source| trouble("run the command that prints a log", source))
}

/// The name of a log, as evidence has it.
pub(super) fn name(source: &Source) -> String {
    reqpath_core::escape(&source.shown(), 300)
}
