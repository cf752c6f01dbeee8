//! The server, which all tests share, and a client of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempo::machine;
use temporalio_client::tonic::{IntoRequest as _, Response, Status};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};

use crate::harness::Env;

/// The server and its namespace.
pub(crate) struct Cluster {
    pub(crate) address: String,
    pub(crate) namespace: String,
    runtime: tokio::runtime::Runtime,
    /// It ends when its stdin is closed, with this process at the latest.
    _server: Child,
}

/// The server; `None` without Go.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).as_ref()
}

#[expect(clippy::print_stderr, reason = "it must be seen although no test fails")]
fn skip() {
    eprintln!("skipped: the tests of `tempo temporal` need Go");
}

impl Cluster {
    fn start() -> Option<Self> {
        let is_required = machine::variable("TEMPO_TEMPORAL").is_some();
        let path = machine::variable("PATH");
        if machine::find_program("go", path.as_deref()).is_none() {
            assert!(!is_required, "there is no `go` in the PATH");
            skip();
            return None;
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/temporal-server");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("temporal-server");
        let built = Command::new("go")
            .args(["build", "-ldflags", "-s -w", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source)
            .status()
            .unwrap();
        assert!(built.success(), "cannot build the server");
        let mut server: Child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, namespace) = line.trim().split_once(' ').expect("an address and a namespace");
        Some(Self {
            address: address.to_owned(),
            namespace: namespace.to_owned(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            _server: server,
        })
    }

    /// The environment and arguments of a `tempo temporal` command on this cluster.
    pub(crate) fn command(&self, env: &Env, args: &[&str]) -> Command {
        let mut command = env.command(&[&["temporal"], args].concat());
        command
            .env("TEMPORAL_ADDRESS", &self.address)
            .env("TEMPORAL_NAMESPACE", &self.namespace);
        if args.first() == Some(&"worker") {
            // A worker has no database.
            command.env_remove("TEMPO_DB");
        }
        command
    }

    /// Runs a `tempo temporal` command on this cluster.
    pub(crate) fn tempo(&self, env: &Env, args: &[&str]) -> crate::harness::CommandOutput {
        self.command(env, args).output().unwrap().into()
    }

    /// Makes a request as another client would.
    pub(crate) fn call<T, F>(&self, request: impl FnOnce(Client) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.runtime.block_on(async {
            let options = ConnectionOptions::new(format!("http://{}", self.address).parse::<temporalio_client::Url>().unwrap());
            let connection = Connection::connect(options.build()).await.unwrap();
            let client = Client::new(connection, ClientOptions::new(self.namespace.clone()).build()).unwrap();
            request(client).await.map(Response::into_inner)
        })
    }
}

/// Makes a request message a request.
pub(crate) fn request<T>(message: T) -> temporalio_client::tonic::Request<T> {
    message.into_request()
}
