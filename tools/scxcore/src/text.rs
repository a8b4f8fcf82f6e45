// SPDX-License-Identifier: GPL-2.0

//! Sentences, and the lines that they make.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Explanation {
    pub title: String,
    pub what: String,
    pub next: Vec<String>,
}

/// Collects sentences.
#[derive(Default)]
pub struct Text {
    pub what: Vec<String>,
    pub next: Vec<String>,
}

impl Text {
    pub fn say(&mut self, sentence: impl Into<String>) {
        self.what.push(sentence.into());
    }

    pub fn look(&mut self, hint: impl Into<String>) {
        let hint = hint.into();
        if !self.next.contains(&hint) {
            self.next.push(hint);
        }
    }
}

pub fn span(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=119_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        120_000..=7_199_999 => format!("{} minutes", ms / 60_000),
        7_200_000..=172_799_999 => format!("{} hours", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// Breaks a text into lines; the first begins with `first`, all others with as many spaces.
pub fn wrap(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(first.chars().count());
    let mut lines = Vec::new();
    let mut line = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    lines.push(line);
    lines
}

pub fn push_wrapped(out: &mut String, first: &str, text: &str, width: usize) {
    for line in wrap(first, text, width) {
        out.push_str(&line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("- ", "aa bb cc", 7), ["- aa bb", "  cc"]);
        assert_eq!(wrap("", "toolongaword b", 4), ["toolongaword", "b"]);
        assert_eq!(wrap("  ", "", 4), ["  "]);
    }

    #[test]
    fn spans_have_their_unit() {
        assert_eq!(
            [0, 999, 7436, 119_999, 120_000, 7_200_000, 172_800_000].map(span),
            [
                "0 ms",
                "999 ms",
                "7.4 s",
                "119.9 s",
                "2 minutes",
                "2 hours",
                "2 days"
            ]
        );
    }
}
