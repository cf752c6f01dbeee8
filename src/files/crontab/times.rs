//! The times of a crontab line, by cron's rules, as cron strings in tempo's dialect. Follows cronie's `entry.c`; Debian's cron differs
//! only in lacking `~`.

use std::collections::BTreeSet;

/// The five fields: name, lowest and highest value, value names.
const FIELDS: [(&str, u8, u8, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    (
        "month",
        1,
        12,
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    ),
    ("day of week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];
const DAY_OF_MONTH: usize = 2;
const DAY_OF_WEEK: usize = 4;

/// The macros for five fields; tempo's mean the same.
const MACROS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// The times of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineTimes {
    /// `@reboot`: after each boot.
    Boot,
    /// A macro such as `@daily`.
    Macro(&'static str),
    /// Five fields.
    Fields(Box<[Field; 5]>),
}

/// One of the five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    text: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// From, to, step; empty if backwards.
    Range(u8, u8, u8),
    /// One value of a range, chosen permanently.
    Any(u8, u8),
}

/// An error in a field: the byte offset in the field, and the message.
pub(super) type FieldError = (usize, String);

impl LineTimes {
    /// Parses a macro such as `@daily`.
    pub(super) fn named(word: &str) -> Result<Self, String> {
        if word == "@reboot" {
            return Ok(Self::Boot);
        }
        let known = MACROS.into_iter().find(|m| *m == word);
        known.map(Self::Macro).ok_or_else(|| {
            format!(
                "unknown macro `{word}`; expected {} or `@reboot`",
                MACROS.map(|name| format!("`{name}`")).join(", ")
            )
        })
    }

    /// Parses five fields; an error comes with the index of its field.
    pub(super) fn fields(words: [&str; 5]) -> Result<Self, (usize, FieldError)> {
        let mut fields = Vec::with_capacity(5);
        for (index, word) in words.iter().enumerate() {
            fields.push(Field::parse(index, word).map_err(|e| (index, e))?);
        }
        let fields: [Field; 5] = fields.try_into().expect("one for each word");
        Ok(Self::Fields(Box::new(fields)))
    }

    /// Returns the cron strings whose union equals these times; none if it never fires. `seed` determines the value of `a~b`.
    pub(super) fn cron(&self, seed: &str) -> Vec<String> {
        let fields = match self {
            Self::Boot => return Vec::new(),
            Self::Macro(name) => return vec![(*name).to_owned()],
            Self::Fields(fields) => fields,
        };
        let mut texts: Vec<String> = Vec::with_capacity(5);
        for (index, field) in fields.iter().enumerate() {
            let text = field.to_text(index, seed);
            texts.push(text);
        }
        let line = |day: &str, weekday: &str| {
            let parts = [&texts[0], &texts[1], day, &texts[3], weekday];
            parts.iter().all(|p| !p.is_empty()).then(|| parts.join(" "))
        };
        let (day, weekday) = (&texts[DAY_OF_MONTH], &texts[DAY_OF_WEEK]);
        if self.either_day() {
            line(day, "*").into_iter().chain(line("*", weekday)).collect()
        } else {
            line(day, weekday).into_iter().collect()
        }
    }

    /// Whether both day fields are restricted, in which case cron fires when either matches.
    pub(super) fn either_day(&self) -> bool {
        match self {
            Self::Fields(f) => !f[DAY_OF_MONTH].begins_with_star() && !f[DAY_OF_WEEK].begins_with_star(),
            Self::Boot | Self::Macro(_) => false,
        }
    }

    /// Whether hour and minute are fixed, in which case cron runs a time that daylight saving skips, and runs a repeated time once.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Self::Fields(f) => !f[0].begins_with_star() && !f[1].begins_with_star(),
            Self::Macro(name) => *name != "@hourly",
            Self::Boot => false,
        }
    }

    /// Whether it fires every minute.
    pub(super) fn is_every_minute(&self) -> bool {
        matches!(self, Self::Fields(f) if f.iter().all(|f| f.text == "*"))
    }

    /// Whether a value is derived from the id.
    pub(super) fn has_random(&self) -> bool {
        matches!(self, Self::Fields(f) if f.iter().any(|f| f.items.iter().any(|i| matches!(i, Item::Any(..)))))
    }

    /// Returns the day of month as written; `None` for a macro.
    pub(super) fn day_of_month(&self) -> Option<&str> {
        match self {
            Self::Fields(f) => Some(&f[DAY_OF_MONTH].text),
            Self::Boot | Self::Macro(_) => None,
        }
    }

    /// Whether a range goes backwards, which cron never matches.
    pub(super) fn backwards(&self) -> bool {
        let is_backwards = |i: &Item| matches!(i, Item::Range(low, high, _) if low > high);
        matches!(self, Self::Fields(f) if f.iter().any(|f| f.items.iter().any(is_backwards)))
    }
}

impl Field {
    fn parse(index: usize, text: &str) -> Result<Self, FieldError> {
        let mut items = Vec::new();
        let mut at = 0;
        for word in text.split(',') {
            items.push(item(index, word).map_err(|message| (at, message))?);
            at += word.len() + 1;
        }
        Ok(Self {
            text: text.to_owned(),
            items,
        })
    }

    fn begins_with_star(&self) -> bool {
        self.text.starts_with('*')
    }

    /// Returns the field in tempo's dialect; empty if nothing matches. Text that means the same in both dialects is unchanged.
    fn to_text(&self, index: usize, seed: &str) -> String {
        let (_, low, high, _) = FIELDS[index];
        let plain = |item: &Item| match item {
            Item::Range(from, to, step) => from <= to && (*step == 1 || *step <= to - from) && (index != DAY_OF_WEEK || *to < 7),
            Item::Any(..) => false,
        };
        if self.items.iter().all(plain) && (self.items.len() == 1 || !self.text.contains('*')) {
            return self.text.clone();
        }
        let mut values = BTreeSet::new();
        for (position, item) in self.items.iter().enumerate() {
            match item {
                Item::Range(from, to, step) => values.extend((*from..=*to).step_by(usize::from(*step))),
                Item::Any(from, to) => {
                    let hash = farmhash::fingerprint32(format!("{seed} {index} {position}").as_bytes());
                    let count = u32::from(to - from) + 1;
                    values.extend(u8::try_from(hash % count).map(|n| from + n));
                }
            }
        }
        if index == DAY_OF_WEEK && values.remove(&7) {
            values.insert(0);
        }
        let last = if index == DAY_OF_WEEK { 6 } else { high };
        if values.len() == usize::from(last - low) + 1 {
            return "*".to_owned();
        }
        let texts: Vec<String> = values.iter().map(u8::to_string).collect();
        texts.join(",")
    }
}

/// Parses `*`, a value, a range, `*` or a range with a step, or `a~b`.
fn item(index: usize, word: &str) -> Result<Item, String> {
    let (name, low, high, _) = FIELDS[index];
    let value = |text: &str| value(index, text);
    let (base, step) = match word.split_once('/') {
        None => (word, None),
        Some((base, step)) => {
            let number = step.parse::<u8>().ok().filter(|n| *n > 0);
            let number = number.ok_or_else(|| format!("{name} step `{step}` is not a positive number"))?;
            (base, Some(number))
        }
    };
    if let Some((from, to)) = base.split_once('~') {
        let from = if from.is_empty() { low } else { value(from)? };
        let to = if to.is_empty() { high } else { value(to)? };
        if from > to {
            return Err(format!("{name} range `{word}` goes backwards"));
        }
        return match step {
            None => Ok(Item::Any(from, to)),
            Some(_) => Err(format!("{name} `{word}`: a random value cannot have a step")),
        };
    }
    if base == "*" {
        let last = if index == DAY_OF_WEEK { 6 } else { high };
        return Ok(Item::Range(low, last, step.unwrap_or(1)));
    }
    if let Some((from, to)) = base.split_once('-') {
        let (from, to) = (value(from)?, value(to)?);
        // A range that ends on Sunday as 0 is a range to 7.
        let to = if to == 0 && from > 0 && index == DAY_OF_WEEK { 7 } else { to };
        return Ok(Item::Range(from, to, step.unwrap_or(1)));
    }
    let one = value(base)?;
    match step {
        None => Ok(Item::Range(one, one, 1)),
        Some(step) => Err(format!(
            "{name} `{word}` has a step without a range; try `{base}-{high}/{step}`"
        )),
    }
}

fn value(index: usize, text: &str) -> Result<u8, String> {
    let (name, low, high, names) = FIELDS[index];
    let place = names.iter().position(|n| n.eq_ignore_ascii_case(text));
    if let Some(place) = place.and_then(|p| u8::try_from(p).ok()) {
        return Ok(low + place);
    }
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        let or_name = names
            .get(1)
            .map_or_else(String::new, |name| format!(" or a name like `{name}`"));
        return Err(format!(
            "{name} `{}` is not a number from {low} to {high}{or_name}",
            text.escape_debug()
        ));
    }
    let number = text.parse::<u8>().ok().filter(|n| (low..=high).contains(n));
    number.ok_or_else(|| format!("{name} `{text}` is out of range {low}-{high}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(line: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let times = LineTimes::fields(words.try_into().unwrap()).map_err(|(field, (at, why))| format!("{field}+{at}: {why}"))?;
        Ok(times.cron("id"))
    }

    #[test]
    fn cron_rules_convert_to_tempo_cron_strings() {
        for (line, strings) in [
            ("30 2 * * 1-5", vec!["30 2 * * 1-5"]),
            ("0 0 1 * 1", vec!["0 0 1 * *", "0 0 * * 1"]),
            ("0 0 */2 * 1", vec!["0 0 */2 * 1"]),
            ("0 0 1-31 * 1", vec!["0 0 1-31 * *", "0 0 * * 1"]),
            ("0 0 * * fri-sun", vec!["0 0 * * 0,5,6"]),
            ("0 0 * * 5-0", vec!["0 0 * * 0,5,6"]),
            ("0 0 * * 7", vec!["0 0 * * 0"]),
            ("0 0 * * 0-7", vec!["0 0 * * *"]),
            ("*/70 * * * *", vec!["0 * * * *"]),
            ("*,5 * * * *", vec!["* * * * *"]),
            ("1,5-3 * * * *", vec!["1 * * * *"]),
            ("5-3 * * * *", vec![]),
            ("0 12 * Jan-mar,DEC *", vec!["0 12 * Jan-mar,DEC *"]),
        ] {
            assert_eq!(cron(line).unwrap(), strings, "{line}");
        }
    }

    #[test]
    fn rejects_what_cron_rejects_with_its_place() {
        for (line, message) in [
            ("5/15 * * * *", "0+0: minute `5/15` has a step without a range; try `5-59/15`"),
            ("0 1,25 * * *", "1+2: hour `25` is out of range 0-23"),
            (
                "0 0 * * sunday",
                "4+0: day of week `sunday` is not a number from 0 to 7 or a name like `mon`",
            ),
            ("*/0 * * * *", "0+0: minute step `0` is not a positive number"),
            ("0 0 1,, * *", "2+2: day of month `` is not a number from 1 to 31"),
            ("0 0 L * *", "2+0: day of month `L` is not a number from 1 to 31"),
            ("30~10 * * * *", "0+0: minute range `30~10` goes backwards"),
        ] {
            assert_eq!(cron(line).unwrap_err(), message, "{line}");
        }
    }

    #[test]
    fn a_random_value_is_stable_per_id_and_within_its_range() {
        let times = LineTimes::fields(["10~20", "~", "*", "*", "*"]).unwrap();
        let of = |seed: &str| times.cron(seed).remove(0);
        assert_eq!(of("a"), of("a"));
        let minute = |seed: String| of(&seed).split(' ').next().unwrap().to_owned();
        let minutes: BTreeSet<String> = (0..200).map(|n| minute(n.to_string())).collect();
        let all: BTreeSet<String> = (10..=20).map(|n: u8| n.to_string()).collect();
        assert_eq!(minutes, all);
    }
}
