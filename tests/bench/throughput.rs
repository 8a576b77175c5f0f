//! The whole way: a list of IDs, frozen, posted in batches of 100 by 64
//! workers, recorded before and after, and written to the results.
//!
//! `cargo bench --bench throughput [-- ROWS]` drives a trivial loopback server
//! in a process of its own, three times, and prints the median. With `oha` on
//! the path it drives the same server with the same body for comparison.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for the terminal"
)]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;

const BATCH: usize = 100;
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "serve") {
        return serve();
    }
    let rows = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(2_000_000);
    measure(rows);
}

/// A server that reads each request to its end and says `ok`.
#[tokio::main(flavor = "current_thread")]
async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}/v1", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    Ok(Response::new(Full::new(Bytes::from_static(
        b"{\"ok\":true}",
    ))))
}

/// The server in a process of its own; it ends with the benchmark.
struct Server(Child, String);

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self(child, url.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(rows: usize) {
    let home = tempfile::tempdir().unwrap();
    let list = home.path().join("list.csv");
    let mut text = String::from("tradingPermissionId\n");
    for row in 0..rows {
        writeln!(text, "{}", 1_000_000_000 + row).unwrap();
    }
    fs::write(&list, text).unwrap();
    let server = Server::start();
    let requests = rows.div_ceil(BATCH);
    println!("{rows} rows, {requests} requests of {BATCH} IDs, 64 at once, {ROUNDS} rounds");

    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for round in 0..ROUNDS {
        let runs = home.path().join(format!("runs-{round}"));
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_rescind"))
            .args(["run", "--base-url", &server.1, "--rate", "unlimited"])
            .args([
                "--verify",
                "off",
                "--workers",
                "64",
                "-q",
                "--progress=never",
            ])
            .args(["--batch-size", &BATCH.to_string()])
            .arg("--runs-dir")
            .arg(&runs)
            .arg(&list)
            .env("RESCIND_TOKEN", "a-token-for-the-benchmark")
            .output()
            .unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        ours.push(per_second(requests, seconds));
        println!("rescind  {seconds:7.2} s  {:9.0} requests/s", ours[round]);
        if let Some(rate) = oha(&server.1, requests, home.path()) {
            bare.push(rate);
            println!("oha                 {rate:9.0} requests/s");
        }
    }
    let ours = median(&mut ours);
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let ids = ours * BATCH as f64;
    println!("median: rescind {ours:.0} requests/s, {ids:.0} IDs/s, from start to exit");
    if !bare.is_empty() {
        let bare = median(&mut bare);
        println!("median: oha {bare:.0} requests/s; ratio {:.2}", ours / bare);
    }
}

/// What a bare load generator gets out of the same server; `None` without
/// one on the path.
fn oha(url: &str, requests: usize, home: &std::path::Path) -> Option<f64> {
    let ids: Vec<String> = (0..BATCH)
        .map(|id| (1_000_000_000 + id).to_string())
        .collect();
    let body = home.join("body.json");
    fs::write(
        &body,
        format!("{{\"tradingPermissionIds\":[{}]}}", ids.join(",")),
    )
    .unwrap();
    let begun = Instant::now();
    let output = Command::new("oha")
        .args([
            "-n",
            &requests.to_string(),
            "-c",
            "64",
            "--no-tui",
            "-m",
            "POST",
        ])
        .args(["-H", "content-type: application/json", "-D"])
        .arg(&body)
        .arg(format!("{url}/user/revoketradingpermissions"))
        .output()
        .ok()?;
    assert!(output.status.success());
    Some(per_second(requests, begun.elapsed().as_secs_f64()))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn per_second(requests: usize, seconds: f64) -> f64 {
    requests as f64 / seconds
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
