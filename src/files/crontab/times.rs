//! When a line of a crontab fires, by cron's own rules (cronie's `entry.c`, which Debian's cron shares but for `~`), as cron strings of tempo's dialect.

use std::collections::BTreeSet;

/// The five fields: name, lowest and highest value, names of values.
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

/// The names that stand for five fields; those of tempo mean the same.
const MACROS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// When a line fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineTimes {
    /// After each boot.
    Boot,
    /// `@daily` and the like.
    Macro(&'static str),
    /// Five fields.
    Fields(Box<[Field; 5]>),
}

/// One of the five.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    text: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// From, to, every so many; backwards it is nothing.
    Range(u8, u8, u8),
    /// One of these, chosen once and for all.
    Any(u8, u8),
}

/// What is wrong with a field: where in it, and why.
pub(super) type FieldError = (usize, String);

impl LineTimes {
    /// `@daily` and the like.
    pub(super) fn named(word: &str) -> Result<Self, String> {
        if word == "@reboot" {
            return Ok(Self::Boot);
        }
        let known = MACROS.into_iter().find(|m| *m == word);
        known
            .map(Self::Macro)
            .ok_or_else(|| format!("`{word}` is not one of @reboot, {}", MACROS.join(", ")))
    }

    /// Five fields, each with its fault where it has one: which field, where in it, and why.
    pub(super) fn fields(words: [&str; 5]) -> Result<Self, (usize, FieldError)> {
        let mut fields = Vec::with_capacity(5);
        for (index, word) in words.iter().enumerate() {
            fields.push(Field::parse(index, word).map_err(|fault| (index, fault))?);
        }
        let fields: [Field; 5] = fields.try_into().expect("one for each word");
        Ok(Self::Fields(Box::new(fields)))
    }

    /// The cron strings whose union it is; none where it never fires. `seed` chooses what `a~b` is.
    pub(super) fn cron(&self, seed: &str) -> Vec<String> {
        let fields = match self {
            Self::Boot => return Vec::new(),
            Self::Macro(name) => return vec![(*name).to_owned()],
            Self::Fields(fields) => fields,
        };
        let mut texts: Vec<String> = Vec::with_capacity(5);
        for (index, field) in fields.iter().enumerate() {
            let text = field.written(index, seed);
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

    /// Whether both day fields restrict: then cron fires where either matches.
    pub(super) fn either_day(&self) -> bool {
        match self {
            Self::Fields(f) => !f[DAY_OF_MONTH].begins_with_star() && !f[DAY_OF_WEEK].begins_with_star(),
            Self::Boot | Self::Macro(_) => false,
        }
    }

    /// Whether hour and minute are fixed: then cron makes up for an hour that daylight saving skips, and does not repeat one.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Self::Fields(f) => !f[0].begins_with_star() && !f[1].begins_with_star(),
            Self::Macro(name) => *name != "@hourly",
            Self::Boot => false,
        }
    }

    /// Whether it fires in every minute.
    pub(super) fn is_every_minute(&self) -> bool {
        matches!(self, Self::Fields(f) if f.iter().all(|f| f.text == "*"))
    }

    /// Whether a value is chosen by the id.
    pub(super) fn has_random(&self) -> bool {
        matches!(self, Self::Fields(f) if f.iter().any(|f| f.items.iter().any(|i| matches!(i, Item::Any(..)))))
    }

    /// The day of month as it was written, where there is one.
    pub(super) fn day_of_month(&self) -> Option<&str> {
        match self {
            Self::Fields(f) => Some(&f[DAY_OF_MONTH].text),
            Self::Boot | Self::Macro(_) => None,
        }
    }

    /// The ranges that go backwards, which cron never matches.
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

    /// As tempo writes it; empty where nothing matches. What both read alike stays as it was written.
    fn written(&self, index: usize, seed: &str) -> String {
        let (_, low, high, _) = FIELDS[index];
        let plain = |item: &Item| match item {
            Item::Range(from, to, step) => from <= to && (*step == 1 || *step <= to - from) && (index != DAY_OF_WEEK || *to < 7),
            Item::Any(..) => false,
        };
        if self.items.iter().all(plain) && (self.items.len() == 1 || !self.text.contains('*')) {
            return self.text.clone();
        }
        let mut values = BTreeSet::new();
        for (place, item) in self.items.iter().enumerate() {
            match item {
                Item::Range(from, to, step) => values.extend((*from..=*to).step_by(usize::from(*step))),
                Item::Any(from, to) => {
                    let chosen = farmhash::fingerprint32(format!("{seed} {index} {place}").as_bytes());
                    let among = u32::from(to - from) + 1;
                    values.extend(u8::try_from(chosen % among).map(|n| from + n));
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

/// `*`, a value, a range, either of the first and the last with a step, or `a~b`.
fn item(index: usize, word: &str) -> Result<Item, String> {
    let (name, low, high, _) = FIELDS[index];
    let value = |text: &str| value(index, text);
    let (base, step) = match word.split_once('/') {
        None => (word, None),
        Some((base, step)) => {
            let number = step.parse::<u8>().ok().filter(|n| *n > 0);
            let number = number.ok_or_else(|| format!("{name} step `{step}` is not a number from 1 up"))?;
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
            Some(_) => Err(format!("{name} `{word}` has a step, which a random value cannot have")),
        };
    }
    if base == "*" {
        let last = if index == DAY_OF_WEEK { 6 } else { high };
        return Ok(Item::Range(low, last, step.unwrap_or(1)));
    }
    if let Some((from, to)) = base.split_once('-') {
        let (from, to) = (value(from)?, value(to)?);
        // Up to Sunday as 0 means up to Sunday as 7.
        let to = if to == 0 && from > 0 && index == DAY_OF_WEEK { 7 } else { to };
        return Ok(Item::Range(from, to, step.unwrap_or(1)));
    }
    let one = value(base)?;
    match step {
        None => Ok(Item::Range(one, one, 1)),
        Some(step) => Err(format!(
            "{name} `{word}` has a step without a range; `{base}-{high}/{step}` may be meant"
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
        return Err(format!(
            "{name} `{}` is not a number from {low} to {high}",
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
    fn cron_s_own_rules_become_cron_strings_of_tempo() {
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
    fn what_cron_refuses_is_refused_where_it_stands() {
        for (line, told) in [
            (
                "5/15 * * * *",
                "0+0: minute `5/15` has a step without a range; `5-59/15` may be meant",
            ),
            ("0 1,25 * * *", "1+2: hour `25` is out of range 0-23"),
            ("0 0 * * sunday", "4+0: day of week `sunday` is not a number from 0 to 7"),
            ("*/0 * * * *", "0+0: minute step `0` is not a number from 1 up"),
            ("0 0 1,, * *", "2+2: day of month `` is not a number from 1 to 31"),
            ("0 0 L * *", "2+0: day of month `L` is not a number from 1 to 31"),
            ("30~10 * * * *", "0+0: minute range `30~10` goes backwards"),
        ] {
            assert_eq!(cron(line).unwrap_err(), told, "{line}");
        }
    }

    #[test]
    fn a_random_value_is_the_same_for_an_id_and_within_its_range() {
        let times = LineTimes::fields(["10~20", "~", "*", "*", "*"]).unwrap();
        let of = |seed: &str| times.cron(seed).remove(0);
        assert_eq!(of("a"), of("a"));
        let minute = |seed: String| of(&seed).split(' ').next().unwrap().to_owned();
        let minutes: BTreeSet<String> = (0..200).map(|n| minute(n.to_string())).collect();
        let all: BTreeSet<String> = (10..=20).map(|n: u8| n.to_string()).collect();
        assert_eq!(minutes, all);
    }
}
