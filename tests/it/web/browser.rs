//! The page in a real browser: Debian's Chromium, driven over the `WebDriver` protocol. Skipped where it is not installed, unless `TEMPO_BROWSER` is set.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::client::Page;
use crate::harness::{Env, wait_until};

const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";

/// A browser with one window; closed when dropped.
pub(super) struct Browser {
    driver: Child,
    pub(super) session: String,
}

impl Browser {
    /// Starts a browser; `None` where there is none.
    pub(super) fn start(scripts: bool) -> Option<Self> {
        if ![CHROMIUM, DRIVER]
            .iter()
            .all(|program| std::path::Path::new(program).exists())
        {
            assert!(
                std::env::var_os("TEMPO_BROWSER").is_none(),
                "{CHROMIUM} or {DRIVER} is missing"
            );
            let _ = writeln!(std::io::stderr(), "skipped: {CHROMIUM} or {DRIVER} is not installed");
            return None;
        }
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let started = lines
            .into_iter()
            .find(|line| line.contains("started successfully on port"))
            .unwrap();
        let port: String = started.chars().filter(char::is_ascii_digit).collect();
        let base = format!("http://127.0.0.1:{port}/session");
        let mut args = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
        ];
        args.extend([
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=1280,900",
        ]);
        let allowed = if scripts { 1 } else { 2 };
        let options =
            json!({"args": args, "binary": CHROMIUM, "prefs": {"profile.managed_default_content_settings.javascript": allowed}});
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let created = call("POST", &base, &wanted);
        let id = created["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{created}"))
            .to_owned();
        Some(Self {
            driver,
            session: format!("{base}/{id}"),
        })
    }

    pub(super) fn open(&self, url: &str) {
        call("POST", &format!("{}/url", self.session), &json!({"url": url}));
    }

    /// Signs in with the address that `tempo open` prints.
    pub(super) fn sign_in(&self, env: &Env) {
        self.open(env.tempo(&["open"]).ok().trim());
    }

    /// The value of a script's expression; works also where the page may run none.
    fn eval(&self, script: &str) -> Value {
        let body = json!({"script": format!("return {script}"), "args": []});
        call("POST", &format!("{}/execute/sync", self.session), &body)
    }

    fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    fn element(&self, selector: &str) -> String {
        let found = call(
            "POST",
            &format!("{}/element", self.session),
            &json!({"using": "css selector", "value": selector}),
        );
        let id = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no {selector}: {found}\n{}", self.text()))
            .to_owned()
    }

    /// Clicks an element, again if it is replaced meanwhile.
    fn click(&self, selector: &str) {
        wait_until(&format!("a click on {selector}"), || {
            let clicked = call(
                "POST",
                &format!("{}/element/{}/click", self.session, self.element(selector)),
                &json!({}),
            );
            clicked.is_null()
        });
    }

    fn enter(&self, selector: &str, text: &str) {
        wait_until(&format!("{text} in {selector}"), || {
            let url = format!("{}/element/{}/value", self.session, self.element(selector));
            call("POST", &url, &json!({"text": text})).is_null()
        });
    }

    /// Presses keys, as a reader without a mouse does.
    fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        call("POST", &format!("{}/actions", self.session), &body);
    }

    #[track_caller]
    pub(super) fn wait_for_text(&self, part: &str) {
        wait_until(&format!("`{part}` on the page"), || self.text().contains(part));
    }

    /// The errors that the page has logged.
    fn errors(&self) -> Vec<String> {
        let log = call("POST", &format!("{}/se/log", self.session), &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        call("DELETE", &self.session, &json!({}));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

pub(super) fn call(method: &str, url: &str, body: &Value) -> Value {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let text = body.to_string();
    let answer = match method {
        "DELETE" => agent.delete(url).call(),
        _ => agent.post(url).header("content-type", "application/json").send(&text),
    };
    let text = answer.unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str::<Value>(&text)
        .map(|answer| answer["value"].clone())
        .unwrap_or_default()
}

const HOSTILE: &str = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>";

fn with_schedules(env: &Env) {
    for (id, shell) in [("good", "echo fine"), ("bad", "echo broken; exit 3")] {
        env.tempo(&[
            "schedule",
            "create",
            id,
            "--cron",
            "0 0 1 1 *",
            "--note",
            HOSTILE,
            "--shell",
            shell,
        ])
        .ok();
    }
}

#[test]
fn every_page_opens_renews_itself_and_takes_clicks() {
    let Some(browser) = Browser::start(true) else { return };
    let env = Env::new();
    with_schedules(&env);
    let page = Page::start(&env, &[]);
    browser.sign_in(&env);
    browser.wait_for_text("Nothing needs attention.");
    // Without a reload: a mark that a reload would remove.
    browser.eval("(window.mark = 1)");
    let _ = env.tempo(&["schedule", "trigger", "bad", "--wait"]);
    browser.wait_for_text("Incident 1");
    assert_eq!(browser.eval("window.mark"), 1, "renewed, not loaded again");
    browser.click("#attention button[value=ack]");
    browser.wait_for_text("Incident 1 acknowledged. Same as: tempo incident ack 1");
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    for (path, part) in [
        ("/schedules".to_owned(), "good"),
        (
            "/schedules/bad?policy=allow-all".to_owned(),
            "What another policy would have done",
        ),
        ("/runs".to_owned(), "Failed"),
        (format!("/runs/{run}"), "broken"),
        ("/incidents".to_owned(), "acknowledged"),
        ("/incidents/1".to_owned(), "exit 3"),
        ("/status".to_owned(), "down"),
    ] {
        browser.open(&format!("http://{}{path}", page.address));
        browser.wait_for_text(part);
        browser.wait_for_text("live");
        assert!(!browser.eval("document.title").as_str().unwrap().contains("pwned"), "{path}");
        let wide = browser
            .eval("document.documentElement.scrollWidth - window.innerWidth")
            .as_i64()
            .unwrap();
        assert!(wide <= 0, "{path} is {wide} pixels too wide");
    }
    let errors = browser.errors();
    assert!(errors.is_empty(), "{errors:?}");
    browser.open(&format!("http://{}/schedules/good", page.address));
    browser.click("button[value=trigger]");
    browser.wait_for_text("Triggered. Same as: tempo schedule trigger good");
    browser.enter("input[name=note]", "holiday");
    browser.click("button[value=pause]");
    browser.wait_for_text("Paused. Same as: tempo schedule pause good --note holiday");
    assert_eq!(env.json(&["schedule", "describe", "good"])["note"], "holiday");
    browser.eval("(document.querySelector('#definition').value = document.querySelector('#definition').value.replace('0 0 1 1 *', '61 0 1 1 *'), document.querySelector('#definition').dispatchEvent(new Event('input', {bubbles: true})))");
    browser.wait_for_text("out of range");
    browser.open(&format!("http://{}/schedules", page.address));
    browser.enter("#q", "goo");
    wait_until("the filter", || !browser.text().contains("bad"));
    assert!(browser.text().contains("good"));
}

#[test]
fn the_page_works_without_its_script_and_with_the_keyboard_alone() {
    let Some(browser) = Browser::start(false) else { return };
    let env = Env::new();
    with_schedules(&env);
    let page = Page::start(&env, &[]);
    browser.sign_in(&env);
    browser.wait_for_text("Nothing needs attention.");
    browser.open(&format!("http://{}/schedules/good", page.address));
    assert!(!browser.text().contains("live"), "the script is off");
    // From the top of the page to the button, by Tab alone.
    let (tab, enter) = ("\u{e004}", "\u{e007}");
    for _ in 0..20 {
        browser.press(&[tab]);
        if browser.eval("document.activeElement.value") == "trigger" {
            break;
        }
    }
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, "none", "the focus is visible");
    browser.press(&[enter]);
    browser.wait_for_text("Triggered. Same as: tempo schedule trigger good");
    env.wait_for_json(&["workflow", "list", "--schedule", "good"], |runs| {
        runs[0]["status"] == "Completed"
    });
    browser.open(&format!("http://{}/runs", page.address));
    browser.click("tbody a[href^='/runs/']");
    browser.wait_for_text("fine");
}

#[test]
fn shows_the_output_of_a_running_step_and_says_when_the_server_is_gone() {
    let Some(browser) = Browser::start(true) else { return };
    let env = Env::new();
    let shell =
        "echo first line; while ! test -e go; do sleep 0.05; done; echo second line; while ! test -e stop; do sleep 0.05; done";
    env.tempo(&["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", shell])
        .ok();
    let page = Page::start(&env, &[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    browser.sign_in(&env);
    let running = env.wait_for_json(&["workflow", "list"], |runs| runs[0]["status"] == "Running");
    let run = running[0]["run_id"].as_str().unwrap();
    browser.open(&format!("http://{}/runs/{run}", page.address));
    browser.wait_for_text("first line");
    std::fs::write(env.path("go"), "").unwrap();
    browser.wait_for_text("second line");
    let address = page.address.clone();
    page.server.kill();
    browser.wait_for_text("The server does not answer");
    std::fs::write(env.path("stop"), "").unwrap();
    let _server = env.serve(&["--web", &address]);
    browser.wait_for_text("live");
    browser.wait_for_text("Completed");
}

#[test]
fn pages_do_not_scroll_horizontally_on_a_phone() {
    let Some(browser) = Browser::start(true) else { return };
    let env = Env::new();
    with_schedules(&env);
    let page = Page::start(&env, &[]);
    let _ = env.tempo(&["schedule", "trigger", "bad", "--wait"]);
    let metrics = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true}});
    call("POST", &format!("{}/goog/cdp/execute", browser.session), &metrics);
    browser.sign_in(&env);
    for path in [
        "/",
        "/schedules",
        "/schedules/bad",
        "/runs",
        "/incidents",
        "/incidents/1",
        "/status",
    ] {
        browser.open(&format!("http://{}{path}", page.address));
        let wide = browser.eval("document.documentElement.scrollWidth - 360").as_i64().unwrap();
        assert!(wide <= 0, "{path} is {wide} pixels too wide");
    }
}
