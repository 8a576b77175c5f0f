//! `rescind sandbox`: the simulated API by itself.

use std::ffi::OsString;
use std::io::Write;

use rescind::sandbox::{Rules, World, base_url, bind, serve};
use rescind::small;
use tokio_util::sync::CancellationToken;

use super::args::Sandbox;
use super::problem::Problem;
use super::settings::{Given, Layers};
use super::signals::Signals;
use super::{carry, exit};

/// Far more than any rules.
const LARGEST: usize = 1 << 20;

/// Serves the sandbox until a signal comes. The first line on standard output
/// is its base URL.
pub(super) fn sandbox(
    options: &Sandbox,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let rules = rules(options, variables)?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Problem::usage("the sandbox cannot be started").caused_by(error)
    };
    let runtime = carry::runtime()?;
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
) -> Result<Rules, Problem> {
    let given = Given {
        config: options.config.clone(),
        values: Vec::new(),
    };
    let effective = Layers::gather(&given, variables)?.settle(None)?;
    let table = effective.settings.sandbox.given();
    let mut rules = match (&options.rules, table) {
        (Some(path), _) => {
            let text = small::text(path, LARGEST).map_err(|error| {
                Problem::usage(format!("cannot read {}", path.display())).caused_by(&error)
            })?;
            toml::from_str(&text).map_err(|error| {
                Problem::usage(format!("{} holds no sandbox rules", path.display()))
                    .caused_by(&error)
            })?
        }
        (None, Some(rules)) => rules.clone(),
        (None, None) => {
            if let Some(path) = &options.config {
                return Err(
                    Problem::usage(format!("{} holds no [sandbox] table", path.display()))
                        .hint("a file of nothing but rules is given with --rules"),
                );
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
