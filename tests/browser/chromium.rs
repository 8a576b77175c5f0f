//! A headless Chromium of one's own, spoken to by its debugging protocol
//! (Chrome `DevTools` Protocol): only as much of it as is needed here.

use std::{
    env, fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Names under which it is installed; `CHROMIUM` names another.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// A machine that builds at the same time is slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one page, which ends with this.
pub(crate) struct Chromium {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    calls: u64,
    /// What it said unasked.
    events: Vec<Value>,
    _home: tempfile::TempDir,
}

fn installed() -> PathBuf {
    if let Some(named) = env::var_os("CHROMIUM") {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.exists())
        .expect("no Chromium is installed (apt-get install chromium); CHROMIUM can name one")
}

impl Chromium {
    /// Starts a browser that knows nothing and reaches nothing by itself.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let child = Command::new(installed())
            .args([
                "--headless",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                "--remote-debugging-port=0",
            ])
            // In a container there is often nobody but root.
            .args(
                rustix::process::geteuid()
                    .is_root()
                    .then_some("--no-sandbox"),
            )
            .arg(format!("--user-data-dir={}", home.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (port, path) = address(home.path());
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).unwrap();
        let mut browser = Self {
            child,
            socket,
            session: String::new(),
            calls: 0,
            events: Vec::new(),
            _home: home,
        };
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({ "targetId": page["targetId"], "flatten": true }),
        );
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        for domain in [
            "Page",
            "Runtime",
            "Network",
            "Log",
            "Audits",
            "Accessibility",
        ] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Calls a method of the protocol, of the page if there is one yet.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let said = self.heard();
            if said["id"] == id {
                assert!(said["error"].is_null(), "{method}: {}", said["error"]);
                return said["result"].clone();
            }
            self.events.push(said);
        }
    }

    fn heard(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) fn open(&mut self, file: &Path) {
        self.events.clear();
        let file = file.canonicalize().unwrap();
        self.call(
            "Page.navigate",
            &json!({ "url": format!("file://{}", file.display()) }),
        );
        let loaded = |events: &[Value]| {
            events
                .iter()
                .any(|event| event["method"] == "Page.loadEventFired")
        };
        while !loaded(&self.events) {
            let said = self.heard();
            self.events.push(said);
        }
    }

    /// Runs a script in the page and takes what it comes to.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let done = self.call(
            "Runtime.evaluate",
            &json!({ "expression": script, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(done["exceptionDetails"].is_null(), "{script}: {done}");
        done["result"]["value"].clone()
    }

    /// The size of the window, and whether the person likes it dark.
    pub(crate) fn sized(&mut self, width: u32, height: u32, dark: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
        self.media("", dark);
    }

    /// The medium: `print`, or nothing for the screen.
    pub(crate) fn media(&mut self, medium: &str, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({
                "media": medium,
                "features": [{ "name": "prefers-color-scheme", "value": scheme }],
            }),
        );
    }

    /// Presses the mouse on the middle of the element.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const it = document.querySelector({selector:?});
               it.scrollIntoView({{ block: 'center' }});
               const box = it.getBoundingClientRect();
               return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                &json!({
                    "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
                }),
            );
        }
    }

    /// Presses a key: `Tab`, `Enter`, ` ` …
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            "ArrowDown" => (40, ""),
            _ => panic!("{key} is not known here"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                &json!({
                    "type": kind, "key": key, "code": key, "text": text,
                    "windowsVirtualKeyCode": code,
                }),
            );
        }
    }

    /// Types into what has the focus.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// The addresses that were asked for since the page was opened.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.settled();
        self.told("Network.requestWillBeSent", "/request/url")
    }

    /// All that went wrong since the page was opened: errors and warnings,
    /// broken policies, words on the console.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.settled();
        [
            ("Runtime.exceptionThrown", "/exceptionDetails"),
            ("Runtime.consoleAPICalled", "/args"),
            ("Log.entryAdded", "/entry/text"),
            ("Audits.issueAdded", "/issue"),
        ]
        .into_iter()
        .flat_map(|(event, what)| self.told(event, what))
        .collect()
    }

    /// What is to be said about all that was done so far has been said.
    fn settled(&mut self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
    }

    fn told(&self, event: &str, what: &str) -> Vec<String> {
        let told = self.events.iter().filter(|said| said["method"] == event);
        told.map(|said| {
            let found = said.pointer(&format!("/params{what}")).unwrap_or(said);
            found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned)
        })
        .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it listens: it writes that into its folder.
fn address(home: &Path) -> (u16, String) {
    let file = home.join("DevToolsActivePort");
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && !path.is_empty()
        {
            return (port.parse().unwrap(), path.to_owned());
        }
        assert!(begun.elapsed() < PATIENCE, "Chromium does not start");
        sleep(Duration::from_millis(20));
    }
}
