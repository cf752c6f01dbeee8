//! Charts as SVG, without script or style attributes: coming times, the outcome of past times, durations, and the time line of a run.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::output::times::Times;
use crate::output::views::TimeRangeView;
use crate::spec::describe::human_elapsed;

/// Width of a chart, in units of its own.
const WIDTH: i64 = 960;

/// A horizontal axis from one time to another.
struct Axis {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Axis {
    fn x(&self, at: DateTime<Utc>) -> i64 {
        let span = (self.to - self.from).num_milliseconds().max(1);
        ((at - self.from).num_milliseconds().clamp(0, span)) * WIDTH / span
    }
}

/// How many schedules start in each part of the next 24 hours.
pub(super) fn coming(times: &Times, now: DateTime<Utc>, counts: &[u32]) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let width = WIDTH / i64::try_from(counts.len().max(1)).unwrap_or(1);
    let part = TimeDelta::minutes(24 * 60 / i64::try_from(counts.len().max(1)).unwrap_or(1));
    let mut at = now;
    let bars: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(index, count)| {
            let height = i64::from(*count) * 56 / i64::from(most);
            let height = if *count > 0 { height.max(3) } else { 0 };
            let bar = (i64::try_from(index).unwrap_or(0) * width, height, *count, at);
            at += part;
            bar
        })
        .collect();
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " 78" } role="img" aria-label="How many schedules start in each quarter of an hour of the next 24 hours" {
            @for (x, height, count, at) in &bars {
                @if *count > 0 {
                    rect.bar x=(x) y=(60 - height) width=(width - 1) height=(height) {
                        title { (times.short(*at)) ": " (crate::output::counted(u64::from(*count), "schedule")) }
                    }
                }
            }
            line.axis x1="0" y1="60.5" x2=(WIDTH) y2="60.5" {}
            @for hour in (0..24).step_by(6) {
                text.tick x=(hour * WIDTH / 24) y="75" { (times.hour(now + TimeDelta::hours(hour))) }
            }
            text.tick.end x=(WIDTH) y="75" text-anchor="end" { "+24 h" }
        }
    }
}

/// A planned time, or several with the same outcome that fall on the same place.
struct Mark {
    x: i64,
    width: i64,
    class: &'static str,
    text: String,
    run: Option<String>,
}

/// Maximum number of marks; times beyond it share one.
const MARKS: i64 = 240;

/// The class of an outcome.
pub(super) fn class_of_outcome(outcome: &str) -> &'static str {
    match outcome {
        "started" => "good",
        "buffered" | "pending" => "now",
        "missed" | "dropped" => "bad",
        "skipped" | "superseded" => "warn",
        _ => "off",
    }
}

/// The outcome of each planned time of a span: started ones at the top, the others below by outcome.
pub(super) fn history(times: &Times, (from, to): (DateTime<Utc>, DateTime<Utc>), ranges: &[TimeRangeView]) -> Markup {
    let axis = Axis { from, to };
    let mut marks: Vec<(i64, Mark, u64)> = Vec::new();
    for range in ranges {
        let (x, end) = (axis.x(range.from.0), axis.x(range.to.0));
        let place = x * MARKS / WIDTH;
        let class = class_of_outcome(range.outcome);
        if let Some((_, mark, count)) = marks
            .last_mut()
            .filter(|(p, mark, _)| *p == place && mark.class == class && end - x < 8)
        {
            *count += range.count;
            mark.text = format!("{count} {} to {}", range.outcome, times.short(range.to.0));
            continue;
        }
        let when = if range.count == 1 {
            times.short(range.from.0)
        } else {
            format!(
                "{} from {} to {}",
                range.count,
                times.short(range.from.0),
                times.short(range.to.0)
            )
        };
        let mark = Mark {
            x,
            width: (end - x).max(3),
            class,
            text: format!("{when}: {}{}", range.outcome, because(&range.reason)),
            run: range.run_id.clone().filter(|_| range.outcome == "started"),
        };
        marks.push((place, mark, range.count));
    }
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " 58" } role="img" aria-label="The outcome of each planned time" {
            @for (_, mark, _) in &marks {
                @let (y, height) = match mark.class { "good" => (4, 32), "now" => (12, 24), _ => (20, 16) };
                @if let Some(run) = &mark.run {
                    a href={ "/runs/" (run) } {
                        rect.mark.(mark.class) x=(mark.x) y=(y) width=(mark.width) height=(height) { title { (mark.text) } }
                    }
                } @else {
                    rect.mark.(mark.class) x=(mark.x) y=(y) width=(mark.width) height=(height) { title { (mark.text) } }
                }
            }
            line.axis x1="0" y1="38.5" x2=(WIDTH) y2="38.5" {}
            text.tick x="0" y="53" { (times.short(from)) }
            text.tick.end x=(WIDTH) y="53" text-anchor="end" { (times.short(to)) }
        }
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    }
}

/// How long a run took.
pub(super) struct Took {
    pub(super) started: DateTime<Utc>,
    pub(super) ms: i64,
    pub(super) class: &'static str,
}

/// The value below which `percent` of sorted values lie.
fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// How long runs took, oldest first, with the median and the 95th percentile.
pub(super) fn durations(times: &Times, runs: &[Took]) -> Markup {
    let mut sorted: Vec<i64> = runs.iter().map(|run| run.ms).collect();
    sorted.sort_unstable();
    let (p50, p95) = (percentile(&sorted, 50), percentile(&sorted, 95));
    let most = sorted.last().copied().unwrap_or(0).max(1);
    let y = |ms: i64| 84 - ms * 76 / most;
    let count = i64::try_from(runs.len()).unwrap_or(1);
    let x = |index: usize| 8 + i64::try_from(index).unwrap_or(0) * (WIDTH - 16) / (count - 1).max(1);
    let points: Vec<String> = runs
        .iter()
        .enumerate()
        .map(|(i, run)| format!("{},{}", x(i), y(run.ms)))
        .collect();
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " 106" } role="img" aria-label={ "How long the last runs took: median " (human_elapsed(p50)) ", 95th percentile " (human_elapsed(p95)) } {
            line.p50 x1="0" x2=(WIDTH) y1=(y(p50)) y2=(y(p50)) {}
            line.p95 x1="0" x2=(WIDTH) y1=(y(p95)) y2=(y(p95)) {}
            polyline.line points=(points.join(" ")) {}
            @for (index, run) in runs.iter().enumerate() {
                circle.mark.(run.class) cx=(x(index)) cy=(y(run.ms)) r="3" { title { (times.short(run.started)) ": " (human_elapsed(run.ms)) } }
            }
            line.axis x1="0" y1="88.5" x2=(WIDTH) y2="88.5" {}
            text.tick x="0" y="103" { "p50 " (human_elapsed(p50)) " · p95 " (human_elapsed(p95)) " · longest " (human_elapsed(most)) }
            text.tick.end x=(WIDTH) y="103" text-anchor="end" { (crate::output::counted(runs.len() as u64, "run")) }
        }
    }
}

/// A piece of a run's time line.
pub(super) struct Piece {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The time line of a run, to scale: one row for each step, with a bar for each attempt; the gaps between are waits.
pub(super) fn time_line((from, to): (DateTime<Utc>, DateTime<Utc>), rows: &[(String, Vec<Piece>)]) -> Markup {
    /// Width of the names.
    const LEFT: i64 = 180;
    let axis = Axis { from, to };
    let x = |at| LEFT + axis.x(at) * (WIDTH - LEFT) / WIDTH;
    let height = i64::try_from(rows.len()).unwrap_or(0) * 22 + 20;
    let took = human_elapsed((to - from).num_milliseconds());
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label={ "Timeline of the run, " (took) " long" } {
            @for (index, (name, pieces)) in rows.iter().enumerate() {
                @let y = i64::try_from(index).unwrap_or(0) * 22;
                text.name x="0" y=(y + 14) { (name) }
                line.grid x1=(LEFT) x2=(WIDTH) y1=(y + 10) y2=(y + 10) {}
                @for piece in pieces {
                    rect.mark.(piece.class) x=(x(piece.from)) y=(y + 3) width=((x(piece.to) - x(piece.from)).max(3)) height="14" { title { (piece.text) } }
                }
            }
            line.axis x1=(LEFT) y1=(height - 17) x2=(WIDTH) y2=(height - 17) {}
            text.tick x=(LEFT) y=(height - 4) { "0" }
            text.tick.end x=(WIDTH) y=(height - 4) text-anchor="end" { (took) }
        }
    }
}
