//! The frame of every page: its head, navigation and the message about the last change.

use maud::{DOCTYPE, Markup, html};

use super::super::app::App;

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Schedules,
    Runs,
    Incidents,
    Status,
}

const NAVIGATION: [(Section, &str, &str); 5] = [
    (Section::Home, "/", "Home"),
    (Section::Schedules, "/schedules", "Schedules"),
    (Section::Runs, "/runs", "Runs"),
    (Section::Incidents, "/incidents", "Incidents"),
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

/// A whole page.
pub(super) fn page(app: &App, shell: &Shell, message: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&shell.title))
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    a.brand href="/" { "tempo" }
                    nav aria-label="Main" {
                        @for (section, href, name) in NAVIGATION {
                            a href=(href) aria-current=[(section == shell.section).then_some("page")] {
                                (name)
                                @if section == Section::Incidents && shell.incidents > 0 {
                                    " " span.count title="open incidents" { (shell.incidents) }
                                }
                            }
                        }
                    }
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

/// A page without navigation, for errors and visitors without a session.
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
