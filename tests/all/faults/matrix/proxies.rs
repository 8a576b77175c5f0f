//! The usual proxy variables, and `--ca-cert`: the built binary, a proxy and
//! an API behind it that is known by a name which only the proxy can reach.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use tempfile::TempDir;

use super::{
    authority::{Authority, Flaw, HOST},
    nameless,
};
use crate::{
    support::fault_server::{Fault, Puppet},
    support::process::{Ended, Running, rescind, summary},
    support::scripted_server::{Greeting, Server, Step, head, http, send},
};

const TOKEN: &str = "t0ken-behind-the-proxy";
const PASSWORD: &str = "p4ssword-of-the-proxy";

/// A folder with a list and the certificate of the authority to trust.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("ca.pem"), Authority::trusted().pem()).unwrap();
    fs::write(home.path().join("list.csv"), "1001\n1002\n").unwrap();
    home
}

/// Runs the binary against an address, with these variables.
fn run(home: &Path, url: &str, options: &str, variables: &[(&str, &str)]) -> Ended {
    let line = format!(
        "run list.csv --base-url {url} --yes --rate unlimited --retry-initial 5ms --retry-max 20ms \
         --max-attempts 2 {options}"
    );
    let mut command = rescind(home);
    command
        .args(line.split_whitespace())
        .env("RESCIND_TOKEN", TOKEN);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.env_remove("http_proxy").env_remove("https_proxy");
    command.envs(variables.iter().copied());
    Running::start(&mut command).end()
}

fn no_fault() -> Fault {
    Fault {
        befalls: |_, _| false,
        executes: false,
        steps: Arc::new(Vec::new),
    }
}

/// An API that proves to be [`HOST`].
fn api() -> Puppet {
    let acceptor = Authority::trusted().acceptor(Flaw::Nothing);
    Puppet::start(Greeting::Tls(acceptor), no_fault())
}

/// A proxy that leads to `to`, whatever it is asked for.
fn proxy(to: SocketAddr) -> Server {
    Server::plain(move |_| vec![send(head("200 Connected", "")), Step::Tunnel(to)])
}

fn url() -> String {
    format!("https://{HOST}/v1")
}

/// Asserts that all requests went through the proxy, which was told nothing
/// but where to.
fn told_nothing(proxy: &Server) {
    let heard = proxy.heard();
    assert!(!heard.is_empty());
    for request in heard {
        let start = format!("CONNECT {HOST}:443 HTTP/1.1\r\n");
        assert!(request.head.starts_with(&start), "{request:?}");
        assert!(!request.head.contains(TOKEN), "{request:?}");
        assert_eq!(request.body, b"");
    }
}

/// Whether some file below `folder` holds `words`.
fn holds(folder: &Path, words: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            return false;
        }
        if path.is_dir() {
            return holds(&path, words);
        }
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(words.len())
            .any(|some| some == words.as_bytes())
    })
}

#[test]
fn every_proxy_variable_is_heeded_and_the_proxy_is_told_nothing() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (home, api) = (home(), api());
        let proxy = proxy(api.server.address);
        let value = format!("http://{}", proxy.address);
        let ended = run(home.path(), &url(), "--ca-cert ca.pem", &[(name, &value)]);
        ended.with(0).shows("DONE");
        told_nothing(&proxy);
        let heard = api.server.heard();
        let bearer = format!("authorization: Bearer {TOKEN}\r\n");
        let own = heard
            .iter()
            .all(|request| format!("{}\r\n", request.head).contains(&bearer));
        assert!(own, "{heard:?}");
        assert_eq!(api.revoked().len(), 2);
    }
}

/// The client would pass over it and go out directly.
#[test]
fn a_proxy_that_cannot_be_one_is_refused_and_not_repeated() {
    for (name, value) in [
        ("HTTPS_PROXY", "not a url"),
        ("https_proxy", "http://"),
        ("ALL_PROXY", "ftp://clerk:s3cret@127.0.0.1:1"),
        ("all_proxy", "http://clerk:s3cret@"),
        ("HTTPS_PROXY", "socks6://127.0.0.1:1"),
    ] {
        let (home, api) = (home(), api());
        let ended = run(home.path(), &url(), "--ca-cert ca.pem", &[(name, value)]);
        let ended = ended.with(2).says(&format!("{name} is no proxy's address"));
        assert!(!ended.err.contains("s3cret"), "{}", ended.err);
        assert!(api.server.heard().is_empty());
    }
    // Of another scheme, or nothing at all.
    for (name, value) in [("HTTP_PROXY", "not a url"), ("HTTPS_PROXY", "")] {
        let (home, api) = (home(), api());
        let proxy = proxy(api.server.address);
        let good = format!("http://{}", proxy.address);
        let variables = [(name, value), ("ALL_PROXY", &good)];
        let ended = run(home.path(), &url(), "--ca-cert ca.pem", &variables);
        ended.with(0).shows("DONE");
        told_nothing(&proxy);
    }
}

#[test]
fn a_proxys_password_is_for_the_proxy_alone() {
    let (home, api) = (home(), api());
    let proxy = proxy(api.server.address);
    let value = format!("http://clerk:{PASSWORD}@{}", proxy.address);
    let ended = run(
        home.path(),
        &url(),
        "--ca-cert ca.pem -v",
        &[("HTTPS_PROXY", &value)],
    )
    .with(0);
    told_nothing(&proxy);
    let authorized = proxy.heard().iter().all(|request| {
        request
            .head
            .to_lowercase()
            .contains("\r\nproxy-authorization: basic ")
    });
    assert!(authorized, "{:?}", proxy.heard());
    for request in api.server.heard() {
        assert!(
            !request.head.to_lowercase().contains("proxy-"),
            "{request:?}"
        );
    }
    assert!(!format!("{}{}", ended.out, ended.err).contains(PASSWORD));
    assert!(!holds(home.path(), PASSWORD));
}

#[test]
fn what_no_proxy_names_is_called_directly() {
    // A name that nobody can find: called directly it leads nowhere.
    let host = nameless();
    for except in [host.as_str(), ".invalid", "invalid", "*"] {
        let (home, proxy) = (home(), proxy(([127, 0, 0, 1], 9).into()));
        let value = format!("http://{}", proxy.address);
        let variables = [("HTTPS_PROXY", value.as_str()), ("NO_PROXY", except)];
        let ended = run(home.path(), &format!("https://{host}/v1"), "", &variables);
        ended.with(6).shows("(connect)");
        assert_eq!(proxy.connections(), 0, "{except}");
    }
}

#[test]
fn this_machine_is_never_called_through_a_proxy() {
    for host in ["http://127.0.0.1", "http://localhost", "https://127.0.0.1"] {
        let home = home();
        let greeting = if host.starts_with("https") {
            Greeting::Tls(Authority::trusted().acceptor(Flaw::Nothing))
        } else {
            Greeting::Plain
        };
        let api = Puppet::start(greeting, no_fault());
        let proxy = proxy(api.server.address);
        let value = format!("http://{}", proxy.address);
        let names = [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ];
        let url = format!("{host}:{}/v1", api.server.address.port());
        let variables = names.map(|name| (name, value.as_str()));
        run(home.path(), &url, "--ca-cert ca.pem", &variables).with(0);
        assert_eq!(proxy.connections(), 0, "{host}");
        assert_eq!(api.revoked().len(), 2);
    }
}

#[test]
fn a_socks_proxy_is_told_no_more_than_the_name() {
    let (home, api) = (home(), api());
    let steps = vec![
        Step::Hear,
        send([5, 0]),
        Step::Hear,
        send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        Step::Tunnel(api.server.address),
    ];
    let proxy = Server::start(Greeting::Rude(steps), |_| Vec::new());
    let value = format!("socks5h://{}", proxy.address);
    run(
        home.path(),
        &url(),
        "--ca-cert ca.pem",
        &[("ALL_PROXY", &value)],
    )
    .with(0);
    assert!(proxy.connections() > 0);
    assert_eq!(api.revoked().len(), 2);
}

/// Nothing was sent, and it is told whose fault it is.
#[test]
fn a_proxy_that_does_not_connect_is_told_from_the_api() {
    let refused = |status| vec![send(http(status, "", "")), Step::Close];
    let did_not = "the proxy did not connect";
    for (steps, options, says) in [
        (refused("407 No"), "", "proxy authorization required"),
        (refused("403 No"), "", did_not),
        (refused("502 No"), "", did_not),
        (vec![Step::Close], "", did_not),
        (vec![Step::Reset], "", did_not),
        (vec![Step::Hang], "--timeout 4s", "no connection within"),
    ] {
        let (home, proxy) = (home(), Server::plain(move |_| steps.clone()));
        let value = format!("http://{}", proxy.address);
        let options = format!("--ca-cert ca.pem {options}");
        let ended = run(home.path(), &url(), &options, &[("HTTPS_PROXY", &value)]);
        ended.with(6).shows(says);
        let summary = summary(&home.path().join("runs/latest"));
        assert_eq!(summary["ids"]["pending"], 2, "{summary:#}");
        told_nothing(&proxy);
    }
    let ended = run(home().path(), &url(), "", &[("HTTPS_PROXY", "127.0.0.1:9")]);
    ended.with(6).shows(did_not);
}

#[test]
fn a_proxy_that_listens_in_is_not_believed() {
    let home = home();
    // It answers for the host itself, with a certificate that is none.
    let acceptor = Authority::trusted().acceptor(Flaw::UnknownAuthority);
    let spy = Puppet::start(Greeting::Tls(acceptor), no_fault());
    let proxy = proxy(spy.server.address);
    let value = format!("http://{}", proxy.address);
    let ended = run(
        home.path(),
        &url(),
        "--ca-cert ca.pem",
        &[("HTTPS_PROXY", &value)],
    );
    ended.with(6).shows("is not signed by a trusted authority");
    told_nothing(&proxy);
    assert!(spy.server.heard().is_empty());
}

#[test]
fn an_authority_is_trusted_only_where_it_is_named() {
    let (home, api) = (home(), api());
    let url = format!("https://127.0.0.1:{}/v1", api.server.address.port());
    let ended = run(home.path(), &url, "", &[]);
    ended
        .with(6)
        .shows("is not signed by a trusted authority; --ca-cert FILE adds one");
    assert!(api.server.heard().is_empty());
    run(home.path(), &url, "", &[("RESCIND_CA_CERT", "ca.pem")]).with(0);
    assert_eq!(api.revoked().len(), 2);
}
