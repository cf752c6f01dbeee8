//! The output of a command as HTML: colors become classes, everything else that would control a terminal disappears or is made visible.

use maud::{Markup, PreEscaped, html};

use super::parts::plain;

/// The look that escape sequences have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    /// Index of a color: 0 to 7, and 8 to 15 for the bright ones.
    color: Option<u8>,
    bold: bool,
}

impl Look {
    fn change(&mut self, parameters: &str) {
        let mut codes = parameters.split([';', ':']).map(|code| code.parse::<u8>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                22 => self.bold = false,
                30..=37 => self.color = Some(code - 30),
                90..=97 => self.color = Some(code - 90 + 8),
                39 => self.color = None,
                // Further colors: an index or three parts follow, which are not shown.
                38 | 48 => {
                    let parts = if codes.next() == Some(2) { 3 } else { 1 };
                    let _ = codes.nth(parts - 1);
                }
                _ => {}
            }
        }
    }

    fn classes(self) -> String {
        let color = self.color.map(|color| format!("c{color}"));
        let bold = self.bold.then(|| "b".to_owned());
        color.into_iter().chain(bold).collect::<Vec<_>>().join(" ")
    }
}

/// Returns output as HTML.
pub(super) fn html_of(output: &str) -> Markup {
    let text = output.replace("\r\n", "\n").replace('\r', "\n");
    let (mut html, mut look) = (String::new(), Look::default());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (shown, after) = rest.split_at(rest.find('\x1b').unwrap_or(rest.len()));
        html += &span(look, shown);
        rest = after;
        if let Some(sequence) = rest.strip_prefix('\x1b') {
            rest = skip(sequence, &mut look);
        }
    }
    PreEscaped(html)
}

fn span(look: Look, text: &str) -> String {
    let (text, classes) = (plain(text), look.classes());
    match (text.is_empty(), classes.is_empty()) {
        (true, _) => String::new(),
        (false, true) => html! { (text) }.into_string(),
        (false, false) => html! { span class=(classes) { (text) } }.into_string(),
    }
}

/// Returns what follows an escape sequence, of which only colors have an effect.
fn skip<'a>(sequence: &'a str, look: &mut Look) -> &'a str {
    if let Some(parameters) = sequence.strip_prefix('[') {
        let end = parameters.find(|c: char| ('@'..='~').contains(&c));
        let Some(end) = end else { return "" };
        if parameters.as_bytes()[end] == b'm' {
            look.change(&parameters[..end]);
        }
        return &parameters[end + 1..];
    }
    // Such as the title of a window: up to BEL or ESC \.
    if let Some(text) = sequence.strip_prefix([']', 'P', 'X', '^', '_']) {
        let end = text.find(['\x07', '\x1b', '\n']).unwrap_or(text.len());
        let rest = &text[end..];
        return rest
            .strip_prefix("\x1b\\")
            .or_else(|| rest.strip_prefix('\x07'))
            .unwrap_or(rest);
    }
    let mut characters = sequence.chars();
    characters.next();
    characters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_colors_and_removes_other_control_sequences() {
        for (output, expected) in [
            ("plain <b>&", "plain &lt;b&gt;&amp;"),
            ("\x1b[31mred\x1b[0m done", "<span class=\"c1\">red</span> done"),
            ("\x1b[1;92mok\x1b[22;39m.", "<span class=\"c10 b\">ok</span>."),
            ("\x1b[38;5;31mx\x1b[38;2;1;31;3my", "xy"),
            ("a\x1b[2J\x1b[Hb\x1b]0;title\x07c\x1b]8;;javascript:x\x1b\\d", "abcd"),
            ("one\r\ntwo\rthree", "one\ntwo\nthree"),
            ("\x08\u{202e}x", "\u{fffd}\u{fffd}x"),
            ("cut \x1b[3", "cut "),
            ("\x1bé \x1b", " "),
        ] {
            assert_eq!(html_of(output).into_string(), expected, "{output:?}");
        }
    }
}
