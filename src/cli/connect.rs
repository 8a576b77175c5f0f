//! The gateway of a run: where its calls go, and what gives them access.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rescind::api::{BaseUrl, Credentials, HttpApi, HttpSettings, Token, TokenCache};
use rescind::journal::RunFolder;
use rescind::sandbox::{self, Rules, World, base_url, bind, serve};
use rescind::sweep::TokenProvider;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::exit;
use super::notice::{Level, notice};
use super::settings::{Access, Resolved, Settings};
use crate::cli::error::CliError;

/// Where calls go, and the token they bear or how it is got.
pub(super) enum Gateway {
    /// To the API at an address.
    Http(Box<HttpApi>, TokenProvider),
    /// To the sandbox that is started inside this process: with a log-in, or
    /// with the sandbox's own token.
    Sandbox(Option<Arc<Credentials>>),
}

impl Gateway {
    /// Whether access is said where it is needed; nothing is obtained yet.
    pub(super) fn check(effective: &Resolved) -> Result<(), CliError> {
        Self::access(effective).map(drop)
    }

    /// The address, none for the sandbox, and what gives access.
    fn access(effective: &Resolved) -> Result<(Option<BaseUrl>, Option<Access>), CliError> {
        let environment = effective.environment()?;
        let (address, access) = (environment.base_url(), effective.access()?);
        if address.is_some() && access.is_none() {
            return Err(
                CliError::usage(format!("no token is given for {environment}")).hint(
                    "set one of RESCIND_TOKEN, RESCIND_TOKEN_FILE, RESCIND_TOKEN_COMMAND, \
                     or say who logs in (login-name and what goes with it)",
                ),
            );
        }
        Ok((address, access))
    }

    /// Obtains the token or what a log-in takes, and gets ready to call;
    /// nothing is sent.
    pub(super) fn open(effective: &Resolved, runtime: &Runtime) -> Result<Self, CliError> {
        let settings = &effective.settings;
        Ok(match Self::access(effective)? {
            (Some(address), Some(Access::Token(source))) => {
                let token = runtime.block_on(source.obtain()).map_err(|error| {
                    CliError::usage("the token cannot be obtained").caused_by(&error)
                })?;
                let api = client(settings, address)?;
                Self::Http(api, TokenProvider::fetched(source, token))
            }
            (Some(address), Some(Access::LogIn(plan))) => {
                let credentials = Arc::new(plan.credentials()?);
                let custody = keeping(settings, &address, credentials);
                Self::Http(client(settings, address)?, custody)
            }
            (_, Some(Access::LogIn(plan))) => Self::Sandbox(Some(Arc::new(plan.credentials()?))),
            (_, _) => Self::Sandbox(None),
        })
    }

    /// Whether the token was handed in by value for somebody's real clock:
    /// nobody knows when it expires.
    pub(super) fn bears_unknown(&self) -> bool {
        matches!(self, Self::Http(_, custody) if custody.is_given())
    }

    /// Gets ready to call. The sandbox runs until `shutdown`; its world is
    /// kept beside the run, so that a resume meets the same one.
    pub(super) async fn connect(
        self,
        settings: &Settings,
        run: &RunFolder,
        shutdown: CancellationToken,
    ) -> Result<(HttpApi, TokenProvider), CliError> {
        let credentials = match self {
            Self::Http(api, custody) => return Ok((*api, custody)),
            Self::Sandbox(credentials) => credentials,
        };
        let failed = |error: &(dyn std::error::Error + 'static)| {
            CliError::new(exit::ERROR, "cannot start the sandbox").caused_by(error)
        };
        let file = run.path().join("sandbox.world");
        let rules = settings.sandbox.given().cloned();
        let rules = rules.unwrap_or_else(Rules::sample);
        let users = rules.log_in.clone();
        let world = World::open(rules, Some(&file)).map_err(|error| failed(&error))?;
        let listener = bind(([127, 0, 0, 1], 0).into())
            .await
            .map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let custody = if let Some(credentials) = credentials {
            TokenProvider::log_in(credentials, None)
        } else if let Some(token) = world.token() {
            TokenProvider::given(Token::new(token, "the sandbox").map_err(|error| failed(&error))?)
        } else {
            // Only a log-in gets in, and nobody knows better who may.
            TokenProvider::log_in(Arc::new(credentials_of(users)), None)
        };
        tokio::spawn(serve(listener, world, shutdown));
        let url = BaseUrl::parse(&base_url(address)).map_err(|error| failed(&error))?;
        Ok((*client(settings, url)?, custody))
    }
}

/// Who may log in to the sandbox, as its rules have it.
fn credentials_of(users: sandbox::LogInRules) -> Credentials {
    Credentials {
        name: users.name,
        password: users.password.into(),
        app_id: "rescind".to_owned(),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        cid: users.cid,
        sec: users.sec.into(),
        device_id: None,
    }
}

/// A log-in whose token is kept on disk, if that was asked for.
fn keeping(settings: &Settings, address: &BaseUrl, credentials: Arc<Credentials>) -> TokenProvider {
    let Some(path) = &settings.token_cache else {
        return TokenProvider::log_in(credentials, None);
    };
    let cache = TokenCache::new(path.clone(), address, &credentials);
    let kept = cache.read(Timestamp::now()).unwrap_or_else(|error| {
        // The log is not there yet.
        notice(Level::Warning, format_args!("{error}; logging in"));
        None
    });
    TokenProvider::log_in(credentials, kept).kept_by(move |token, expires| {
        // A token whose end is not known is of no use to anybody later. The
        // file is small and written once in an hour or so: not worth a thread.
        if let Some(expires) = expires
            && let Err(error) = cache.keep(token, expires)
        {
            let source = std::error::Error::source(&error).map(tracing::field::display);
            tracing::warn!(%error, source, "the token is not kept");
        }
    })
}

fn client(settings: &Settings, base_url: BaseUrl) -> Result<Box<HttpApi>, CliError> {
    let http = HttpSettings {
        base_url,
        timeout: settings.timeout,
        connect_timeout: settings.timeout.min(Duration::from_secs(10)),
        ca_cert: settings.ca_cert.clone(),
        user_agent: concat!("rescind/", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    HttpApi::new(&http).map(Box::new).map_err(|error| {
        CliError::usage("the HTTP client cannot be made")
            .caused_by(&error)
            .hint("--ca-cert FILE names certificates to trust where the host has none")
    })
}
