//! Debian's Chromium without a window, driven over the two pipes of its DevTools protocol: a JSON
//! text each way, ended by a zero octet. No port is opened, no driver is needed.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::netns::Host;
use super::process::require;
use super::rs::build_directory;

/// How long a page may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page; all of it ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    session: Option<String>,
    /// What it said by itself.
    events: VecDeque<Value>,
    profile: TempDir,
}

/// What a page has cost its main thread so far, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Running script.
    pub script: f64,
    /// Everything: script, styles, layout.
    pub task: f64,
}

impl Browser {
    /// Starts it in a namespace, so that nothing but what is there can be reached.
    pub fn start_in(host: &Host) -> Self {
        let chromium = require("chromium", "chromium");
        let profile = TempDir::new().expect("a temporary directory");
        let log = profile.path().join("log");
        // It reads its third descriptor and writes its fourth. As root it has no sandbox.
        let script = format!("exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>{}", log.display());
        let mut command = host.command("sh");
        command
            .args(["-c", &script, "sh", &chromium, "--headless=new", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-extensions", "--disable-background-networking", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--remote-debugging-pipe", "about:blank"])
            // It is killed in the end, and removes nothing of its own.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("chromium starts");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let events = VecDeque::new();
        let mut browser = Self { child, input, output, next: 0, session: None, events, profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // What its main thread works, not how long it waits for a processor.
        browser.call("Performance.enable", json!({ "timeDomain": "threadTicks" }));
        browser
    }

    /// Asks for something and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut octets = message.to_string().into_bytes();
        octets.push(0);
        self.input.write_all(&octets).expect("chromium listens");
        loop {
            let mut answer = self.read();
            if answer["id"] == self.next {
                return match answer.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(answer["result"].take()),
                };
            }
            self.events.push_back(answer);
        }
    }

    fn read(&mut self) -> Value {
        let mut octets = Vec::new();
        self.output.read_until(0, &mut octets).expect("chromium answers");
        octets.pop();
        serde_json::from_slice(&octets).unwrap_or_else(|error| {
            let log = fs::read_to_string(self.profile.path().join("log")).unwrap_or_default();
            panic!("chromium: {error}\n{log}")
        })
    }

    /// Opens a page, or another fragment of it. True unless nobody answers there.
    pub fn go(&mut self, url: &str) -> bool {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        answer.get("errorText").is_none()
    }

    /// The value of an expression; a promise is waited for.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        // While another page is coming there is nothing to ask.
        let Ok(answer) = self.try_call("Runtime.evaluate", params) else { return Value::Null };
        if let Some(exception) = answer.get("exceptionDetails") {
            return json!({ "exception": exception["exception"]["description"] });
        }
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        let truth = format!("(async () => !!(await ({expression})))()");
        loop {
            let value = self.eval(&truth);
            if value == true {
                return;
            }
            if Instant::now() >= deadline {
                let shown = self.eval("document.body && document.body.innerText.slice(0, 2000)");
                panic!("not within {PATIENCE:?}: {expression} ({value})\n{shown:#}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The size of the window, and whether it is that of a phone.
    pub fn size(&mut self, width: u32, height: u32, mobile: bool) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    /// What the user prefers.
    pub fn dark(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Presses and releases a key. One that writes something has it as `text`.
    pub fn key(&mut self, key: &str, text: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let params = json!({
                "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Writes text where the cursor is.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// What the page has cost since it was opened.
    pub fn cost(&mut self) -> Cost {
        let metrics = self.call("Performance.getMetrics", json!({}));
        let value = |name: &str| {
            let metrics = metrics["metrics"].as_array().expect("metrics are a list");
            let metric = metrics.iter().find(|metric| metric["name"] == name);
            metric.and_then(|metric| metric["value"].as_f64()).expect("a known metric")
        };
        Cost { script: value("ScriptDuration"), task: value("TaskDuration") }
    }

    /// Keeps a picture of what is shown as test output: `screenshots` beside the build.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let octets = from_base64(answer["data"].as_str().expect("a picture"));
        let directory = build_directory().join("screenshots");
        fs::create_dir_all(&directory).expect("a directory for pictures");
        let path = directory.join(format!("{name}.png"));
        fs::write(&path, octets).expect("a picture is written");
        path
    }

    /// Everything that went wrong on the page: exceptions, and what its console has of warnings and
    /// errors, such as things that the Content-Security-Policy forbade or that were not there.
    pub fn complaints(&mut self) -> Vec<String> {
        // Whatever was on its way is read with the answer to this.
        self.eval("0");
        let complaint = |event: &Value| {
            let params = &event["params"];
            let text = match event["method"].as_str()? {
                "Runtime.exceptionThrown" => params["exceptionDetails"].to_string(),
                "Log.entryAdded" => params["entry"].to_string(),
                "Runtime.consoleAPICalled" => params["args"].to_string(),
                "Page.javascriptDialogOpening" => params["message"].to_string(),
                _ => return None,
            };
            Some(text)
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// Addresses that were asked for something.
    pub fn requests(&mut self) -> Vec<String> {
        let asked = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        asked
            .filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It has children, all of them in a group of their own.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = ALPHABET.iter().position(|known| *known == digit).expect("a base64 digit");
        bits = (bits << 6) | u32::try_from(value).expect("six bits");
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(((bits >> held) & 0xff) as u8);
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        for (text, octets) in [("", ""), ("TQ==", "M"), ("TWE=", "Ma"), ("TWFu", "Man")] {
            assert_eq!(from_base64(text), octets.as_bytes(), "{text}");
        }
        assert_eq!(from_base64("+/8="), [0xfb, 0xff]);
    }
}
