//! The frame of every page: its head, navigation and the message about the last change.

use maud::{DOCTYPE, Markup, html};

use super::super::app::{App, Context};

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Schedules,
    Runs,
    Incidents,
    Log,
    Status,
}

const NAVIGATION: [(Section, &str, &str); 6] = [
    (Section::Home, "/", "Home"),
    (Section::Schedules, "/schedules", "Schedules"),
    (Section::Runs, "/runs", "Runs"),
    (Section::Incidents, "/incidents", "Incidents"),
    (Section::Log, "/log", "Log"),
    (Section::Status, "/status", "Status"),
];

/// What the frame says.
pub(super) struct Shell {
    pub(super) title: String,
    pub(super) section: Section,
    /// The name of the zone in which times are shown.
    pub(super) zone: String,
    /// Number of open incidents.
    pub(super) incidents: u64,
}

impl Shell {
    /// The frame of a page with times in the zone of the context.
    pub(super) fn new(title: impl Into<String>, section: Section, context: &Context, incidents: u64) -> Self {
        Self {
            title: title.into(),
            section,
            zone: context.times.zone().to_owned(),
            incidents,
        }
    }
}

/// A whole page.
pub(super) fn page(app: &App, shell: &Shell, message: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title_with(shell.incidents, &shell.title)))
            body.read-only[app.settings.read_only] {
                a.skip href="#main" { "Skip to content" }
                header {
                    a.brand href="/" { "tempo" }
                    (navigation(Some(shell.section), shell.incidents))
                    span #live.dim role="status" {}
                }
                main #main {
                    @if let Some(message) = message { p.box.done role="status" { (message) } }
                    (body)
                }
                footer.dim {
                    "Times are in " (shell.zone) ". "
                    @if app.settings.read_only { "This page is read-only. " }
                    a href="/api/v1/openapi.json" { "API" }
                    " · "
                    a href="/metrics" { "Metrics" }
                }
            }
        }
    }
}

/// The title of a page, which shows the number of open incidents also in a tab.
fn title_with(incidents: u64, title: &str) -> String {
    if incidents == 0 {
        title.to_owned()
    } else {
        format!("({incidents}) {title}")
    }
}

fn navigation(current: Option<Section>, incidents: u64) -> Markup {
    html! {
        nav #navigation aria-label="Main" data-live {
            @for (section, href, name) in NAVIGATION {
                a href=(href) aria-current=[(Some(section) == current).then_some("page")] {
                    (name)
                    @if section == Section::Incidents && incidents > 0 {
                        " " span.count title="open incidents" { (incidents) }
                    }
                }
            }
        }
    }
}

/// A page that says that something went wrong.
pub(super) fn error(body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("Error"))
            body {
                header {
                    a.brand href="/" { "tempo" }
                    (navigation(None, 0))
                }
                main #main { h1 { "Error" } (body) }
            }
        }
    }
}

/// The page that leads on to the home page after signing in.
pub(super) fn signed_in() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content="0;url=/";
                title { "Signed in · tempo" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
            }
            body { main { p { a href="/" { "Signed in; continue to the page" } } } }
        }
    }
}

/// A page for visitors without a session: no navigation, and no stream of events.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                header { a.brand href="/" { "tempo" } }
                main #main { (body) }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · tempo" }
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/assets/style.css";
            script src="/assets/page.js" defer {}
        }
    }
}
