//! The screenshots of the README: `BLESS=1 cargo test --test it screenshots` renews them, on schedules that have run for a while against the demo's
//! targets. Without `BLESS`, checks only that they are there.

use serde_json::json;

use super::browser::{Browser, call};
use super::client::Page;
use crate::harness::{Env, Targets, wait_until};

/// The name of each screenshot; its page; width, height and scale of the window; dark or light.
const SHOTS: [(&str, &str, [u32; 3], &str); 3] = [
    ("home-light", "/", [1200, 820, 1], "light"),
    ("schedule-dark", "/schedules/slow?span=hour", [1200, 1100, 1], "dark"),
    ("status-phone", "/status", [390, 780, 2], "light"),
];

#[test]
fn screenshots_of_the_readme_exist() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/web/screenshots");
    let readme = include_str!("../../../README.md");
    for (name, ..) in SHOTS {
        assert!(readme.contains(&format!("tests/it/web/screenshots/{name}.png")), "{name}");
        assert!(
            directory.join(format!("{name}.png")).exists() || std::env::var_os("BLESS").is_some(),
            "{name}"
        );
    }
    if std::env::var_os("BLESS").is_none() {
        return;
    }
    let Some(browser) = Browser::start(true) else { return };
    let env = Env::new();
    let targets = Targets::start(&env);
    create_schedules(&env, &targets);
    let page = Page::start(&env, &[]);
    env.tempo(&[
        "schedule",
        "pause",
        "import",
        "--note",
        "until the vendor has fixed the export (ticket 4711)",
    ])
    .ok();
    wait_until("enough runs", || {
        env.json(&["workflow", "list", "--schedule", "slow"])
            .as_array()
            .unwrap()
            .len()
            >= 8
    });
    browser.sign_in(&env);
    for (name, path, [width, height, scale], scheme) in SHOTS {
        let command = |cmd: &str, params| {
            call(
                "POST",
                &format!("{}/goog/cdp/execute", browser.session),
                &json!({"cmd": cmd, "params": params}),
            )
        };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500});
        command("Emulation.setDeviceMetricsOverride", metrics);
        command(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        browser.open(&format!("http://{}{path}", page.address));
        browser.wait_for_text("live");
        let shot = command("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shot["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), bytes).unwrap();
    }
}

fn create_schedules(env: &Env, targets: &Targets) {
    let probe = |name: &str, path: &str| format!("{name}={}", targets.url(path));
    let create = |id: &str, when: &[&str], what: &[&str]| {
        env.tempo(&[&["schedule", "create", id], when, what].concat()).ok();
    };
    create(
        "web",
        &["--interval", "2s"],
        &[
            "--probe",
            &probe("site", "/status/200"),
            "--probe",
            &probe("login", "/status/200"),
        ],
    );
    create("slow", &["--interval", "3s"], &["--probe", &probe("search", "/delay/2")]);
    create("api", &["--interval", "5s"], &["--probe", &probe("orders", "/status/500")]);
    create(
        "nightly",
        &["--when", "every day at 02:30", "--tz", "Europe/Berlin"],
        &["--shell", "echo dumping; sleep 1"],
    );
    create("report", &["--when", "every weekday at 09:00"], &["--shell", "true"]);
    create("cleanup", &["--interval", "15m"], &["--shell", "true"]);
    create("import", &["--interval", "1h"], &["--shell", "true"]);
    create(
        "mirror",
        &["--interval", "10s", "--overlap", "buffer-one"],
        &["--shell", "for i in 1 2 3 4; do echo part $i; sleep 2; done"],
    );
}
