//! Parts of the day: `every night at 23:00`, `on weekday mornings`. They only check the times that a sentence gives.

use super::clock_time::{Clock, Time};

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOfDay {
    Morning,
    Afternoon,
    Evening,
    Night,
}

impl PartOfDay {
    /// The part that a word names.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "morning" | "mornings" => Self::Morning,
            "afternoon" | "afternoons" => Self::Afternoon,
            "evening" | "evenings" => Self::Evening,
            "night" | "nights" | "nightly" => Self::Night,
            _ => return None,
        })
    }

    /// Whether a second of the day is in it. The night of a named day is that which begins on it.
    fn holds_second(self, second: u32, of_named_day: bool) -> bool {
        let hour = second / 3600;
        match self {
            Self::Morning => (4..12).contains(&hour),
            Self::Afternoon => (12..18).contains(&hour),
            Self::Evening => (17..24).contains(&hour),
            Self::Night => hour >= 18 || (!of_named_day && hour < 6),
        }
    }

    /// What is wrong with the times of a sentence, if anything is.
    pub(super) fn fault(
        self,
        times: &[Time],
        window: Option<(u32, Option<u32>)>,
        is_frequent: bool,
        of_named_day: bool,
    ) -> Option<String> {
        let holds = |second: u32| self.holds_second(second, of_named_day);
        // `at 7` is in the morning, and in the evening only with `pm`.
        let is_certain = |time: &Time| time.clock != Clock::Either || self == Self::Morning;
        if is_frequent {
            let fits = matches!(window, Some((from, Some(to))) if holds(from) && holds(to));
            return (!fits).then(|| {
                let example = match self {
                    Self::Morning => "from 06:00 to 10:00",
                    Self::Afternoon => "from 13:00 to 17:00",
                    Self::Evening => "from 18:00 to 22:00",
                    Self::Night => "from 22:00 to 04:00",
                };
                format!("a frequency needs a window {}, as in `every 15 min {example}`", self.within())
            });
        }
        if times.iter().all(|time| is_certain(time) && holds(time.second)) {
            return None;
        }
        let example = match self {
            Self::Morning => "`every morning at 07:00`",
            Self::Afternoon => "`every afternoon at 14:00` or `every Friday afternoon at 2pm`",
            Self::Evening => "`every evening at 19:00` or `every Friday evening at 7pm`",
            Self::Night if of_named_day => {
                "`every Sunday night at 23:00`; for a time after midnight, name the day on which it is"
            }
            Self::Night => "`every night at 23:00` or `nightly at 2am`",
        };
        let time = if self == Self::Night { "a time at night" } else { "a time" };
        let within = if self == Self::Night {
            String::new()
        } else {
            format!(" {}", self.within())
        };
        Some(format!(
            "expected {time}{within}, in 24-hour form or with `am` or `pm`, as in {example}"
        ))
    }

    fn within(self) -> &'static str {
        match self {
            Self::Morning => "in the morning (04:00 to 12:00)",
            Self::Afternoon => "in the afternoon (12:00 to 18:00)",
            Self::Evening => "in the evening (17:00 to 24:00)",
            Self::Night => "at night (18:00 to 06:00)",
        }
    }
}
