//! `rescind sandbox`: the simulated API by itself.

use std::ffi::OsString;
use std::io::Write;

use rescind::bounded_file;
use rescind::sandbox::{Rules, World, base_url, bind, serve};
use tokio_util::sync::CancellationToken;

use crate::cli::args::Sandbox;
use crate::cli::error::CliError;
use crate::cli::settings::{Given, Layers};
use crate::cli::signals::Signals;
use crate::cli::{exit, session};

/// Far more than any rules.
const LARGEST: usize = 1 << 20;

/// Serves the sandbox until a signal comes. The first line on standard output
/// is its base URL.
pub(in crate::cli) fn sandbox(
    options: &Sandbox,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    let rules = rules(options, variables)?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CliError::usage("the sandbox cannot be started").caused_by(error)
    };
    let runtime = session::runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| failed(&error))?;
        let world = World::open(rules, options.world.as_deref()).map_err(|error| failed(&error))?;
        let listener = bind(options.listen).await.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(listener, world, shutdown.clone()));
        writeln!(out, "{}", base_url(address))
            .and_then(|()| out.flush())
            .map_err(|error| failed(&error))?;
        signals.next().await;
        shutdown.cancel();
        match served.await {
            Ok(Ok(())) => Ok(exit::COMPLETE),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    })
}

/// The rules of the file that is named, or of the settings' `[sandbox]` table.
fn rules(
    options: &Sandbox,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Rules, CliError> {
    let given = Given {
        config: options.config.clone(),
        values: Vec::new(),
    };
    let effective = Layers::gather(&given, variables)?.settle(None)?;
    let table = effective.settings.sandbox.given();
    let mut rules = match (&options.rules, table) {
        (Some(path), _) => {
            let text = bounded_file::text(path, LARGEST).map_err(|error| {
                CliError::usage(format!("cannot read {}", path.display())).caused_by(&error)
            })?;
            toml::from_str(&text).map_err(|error| {
                CliError::usage(format!("{} holds no sandbox rules", path.display()))
                    .caused_by(&error)
            })?
        }
        (None, Some(rules)) => rules.clone(),
        (None, None) => {
            if let Some(path) = &options.config {
                return Err(CliError::usage(format!(
                    "{} holds no [sandbox] table",
                    path.display()
                ))
                .hint("a file of nothing but rules is given with --rules"));
            }
            Rules::default()
        }
    };
    if let Some(seed) = options.seed {
        rules.seed = seed;
    }
    if let Some(token) = &options.token {
        rules.token = Some(token.clone());
    }
    Ok(rules)
}
