//! The connection to a cluster, and its errors.

use std::future::Future;
use std::time::Duration;

use temporalio_client::envconfig::LoadClientConfigProfileOptions;
use temporalio_client::tonic::{Code, Response, Status};
use temporalio_client::{Client, ClientOptions, Connection as Channel, ConnectionOptions};
use temporalio_common::envconfig::load_client_config_profile;
use tokio::runtime::Runtime;

use crate::error::{Error, Kind};
use crate::machine;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The namespace and the address unless something names others, as in Temporal's own command line.
const NAMESPACE: &str = "default";
const ADDRESS: &str = "localhost:7233";

/// Where the cluster is. What is absent comes from the variables `TEMPORAL_…` and the configuration file of Temporal's own command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) address: Option<String>,
    pub(crate) namespace: Option<String>,
}

/// A connected cluster.
pub(crate) struct Cluster {
    runtime: Runtime,
    client: Client,
    pub(super) address: String,
    pub(super) namespace: String,
    pub(super) identity: String,
}

impl Cluster {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// `Usage` when the settings are invalid, `System` when the cluster cannot be reached.
    pub(crate) fn connect(settings: Connection) -> Result<Self, Error> {
        let invalid = |e: &dyn std::fmt::Display| {
            Error::new(Kind::Usage, format_args!("cannot use the settings of Temporal: {e}"))
                .hint("They come from the options, the variables `TEMPORAL_…` and the file `temporal.toml`.")
        };
        let mut profile = load_client_config_profile(LoadClientConfigProfileOptions::default(), None).map_err(|e| invalid(&e))?;
        profile.address = settings.address.or(profile.address);
        profile.namespace = settings.namespace.or(profile.namespace);
        let address = profile.address.clone().unwrap_or_else(|| ADDRESS.to_owned());
        let namespace = profile.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        let mut options = ConnectionOptions::try_from(profile).map_err(|e| invalid(&e))?;
        let identity = format!("tempo {}@{}", machine::pid(), machine::host_name());
        options.connect_timeout = Some(CONNECT_TIMEOUT);
        options.identity.clone_from(&identity);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| Error::new(Kind::System, "cannot start the client of Temporal").because(e))?;
        let connected = runtime.block_on(async { tokio::time::timeout(CONNECT_TIMEOUT, Channel::connect(options)).await });
        let unreachable = |e: String| {
            Error::new(Kind::System, format_args!("cannot connect to Temporal at `{address}`: {e}"))
                .hint("Name the cluster with `--address HOST:7233` or `TEMPORAL_ADDRESS`.")
        };
        let channel = match connected {
            Ok(Ok(channel)) => channel,
            Ok(Err(e)) => return Err(unreachable(reason(&e))),
            Err(_) => return Err(unreachable(format!("no answer within {}s", CONNECT_TIMEOUT.as_secs()))),
        };
        let client = {
            let _entered = runtime.enter();
            Client::new(channel, ClientOptions::new(namespace.clone()).build())
        };
        Ok(Self {
            client: client.map_err(|e| invalid(&e))?,
            runtime,
            address,
            namespace,
            identity,
        })
    }

    /// The address, as it was given.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The client.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs a future on the threads of the client.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Makes a request; `what` completes the sentence "cannot …".
    pub(super) fn call<T, F>(&self, what: &str, request: impl FnOnce(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let answered = self.block_on(request(self.client()));
        answered.map(Response::into_inner).map_err(|status| self.error(what, &status))
    }

    fn error(&self, what: &str, status: &Status) -> Error {
        let why = status.message();
        let namespace = why.contains("amespace") && status.code() == Code::NotFound;
        let kind = match status.code() {
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists | Code::FailedPrecondition => Kind::Conflict,
            Code::InvalidArgument => Kind::Usage,
            Code::DeadlineExceeded => Kind::Timeout,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated => Kind::System,
        };
        let error = Error::new(kind, format_args!("cannot {what}: {}", why.trim_end_matches('.')));
        if namespace {
            return error.hint(format_args!(
                "The cluster at `{}` has no such namespace: choose one with `--namespace`.",
                self.address
            ));
        }
        if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) {
            return error.hint("Set the credentials with `TEMPORAL_API_KEY` or `TEMPORAL_TLS_…`.");
        }
        error
    }
}

/// The innermost cause of an error, which says what happened.
fn reason(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
