//! A filter for CSS: rules and declarations that could load something are removed, and so are comments.
//!
//! The tests for harm look at every parenthesis and every `@`, wherever they stand, so that they do not depend on how
//! strings and comments are told apart. What cannot be parsed unambiguously (CSS Syntax 3) is removed to the end.

use std::borrow::Cow;
use std::ops::Range;

use super::names;
use super::sanitize::{Pictures, Value};
use super::url::{embedded_picture, is_embedded_picture, is_fragment};
use image_origin_container::{Exhausted, Meter};

/// The maximum depth of blocks.
const MAX_DEPTH: usize = 16;
/// The number of bytes between two steps of the meter.
const BYTES_PER_STEP: usize = 16;

/// Whether a value can load nothing: a value of a property or an attribute, a selector, or a condition.
pub(super) fn is_harmless(value: &str) -> bool {
    if !value.contains(['(', '\\', '<']) {
        return true;
    }
    let plain = unescaped(value);
    if plain.contains('<') {
        return false;
    }
    // Not for each function: a value may have as many as it has bytes.
    let is_escaped = value.contains('\\');
    plain.match_indices('(').all(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
        let name = &plain[plain[..at].trim_end_matches(is_part).len()..at];
        match name.to_ascii_lowercase().as_str() {
            "" => true,
            // An escape in the argument is not needed, and read by few.
            "url" => !is_escaped && is_harmless_url(&plain[at + 1..]),
            name => names::is_function(name),
        }
    })
}

/// Whether the argument of `url(` at the start of this text is a reference that stays.
fn is_harmless_url(text: &str) -> bool {
    url_argument(text).is_some_and(|Argument { inner, is_quoted, .. }| {
        is_fragment(inner) && (is_quoted || !inner.contains(' ')) || is_embedded_picture(inner)
    })
}

/// The argument of a function `url(`.
struct Argument<'t> {
    inner: &'t str,
    is_quoted: bool,
    /// The number of bytes before it.
    start: usize,
}

/// The argument of `url(` at the start of this text; `None` if it is not plain.
fn url_argument(text: &str) -> Option<Argument<'_>> {
    let length = text.len();
    let text = text.trim_start_matches(' ');
    let spaces = length - text.len();
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let inner = match quote {
        Some(quote) => text[1..].split_once(quote).and_then(|(inner, after)| {
            let after = after.trim_start_matches(' ');
            after.starts_with(')').then_some(inner)
        }),
        None => text.split_once(')').map(|(inner, _)| inner.trim_end_matches(' ')),
    };
    let inner = inner.filter(|inner| !inner.contains(['"', '\'', '(', ')', '\n', '\r', '\t']))?;
    Some(Argument { inner, is_quoted: quote.is_some(), start: spaces + usize::from(quote.is_some()) })
}

/// CSS that is harmless, with the pictures embedded in it as `pictures` wants them. Instead of those that it removes, a
/// reference to nothing is left, so that the value stays valid.
pub(super) fn with_pictures<'t>(text: Cow<'t, str>, pictures: &Pictures<'_>) -> Result<Cow<'t, str>, Exhausted> {
    let (mut out, mut copied) = (String::new(), 0);
    for (at, _) in text.match_indices('(') {
        let is_url = text.get(at.saturating_sub(3)..at).is_some_and(|name| name.eq_ignore_ascii_case("url"));
        let Some(argument) = is_url.then(|| url_argument(&text[at + 1..])).flatten() else { continue };
        let Some(picture) = embedded_picture(argument.inner) else { continue };
        let url = match pictures.filter(picture)? {
            Value::Same => continue,
            Value::Changed(url) => url,
            Value::Removed => Cow::Borrowed("#"),
        };
        let start = at + 1 + argument.start;
        out.push_str(&text[copied..start]);
        out.push_str(&url);
        copied = start + argument.inner.len();
    }
    if copied == 0 {
        return Ok(text);
    }
    out.push_str(&text[copied..]);
    Ok(Cow::Owned(out))
}

/// The names of elements in `url(#...)` of a harmless value.
pub(super) fn fragments(value: &str) -> impl Iterator<Item = &str> {
    value.split('(').skip(1).filter_map(|argument| {
        let start = argument.trim_start_matches([' ', '"', '\'']).strip_prefix('#')?;
        start.split(['"', '\'', ')', ' ']).next()
    })
}

/// The text with its escapes (CSS Syntax 3, 4.3.7) replaced.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let (mut code, mut digits) = (0, 0);
        while let Some(digit) = characters.peek().and_then(|digit| digit.to_digit(16)).filter(|_| digits < 6) {
            (code, digits) = (code * 16 + digit, digits + 1);
            characters.next();
        }
        if digits > 0 {
            plain.push(char::from_u32(code).filter(|_| code != 0).unwrap_or('\u{fffd}'));
            characters.next_if(char::is_ascii_whitespace);
        } else if let Some(escaped) = characters.next() {
            // A line break continues a string.
            plain.extend((escaped != '\n').then_some(escaped));
        }
    }
    Cow::Owned(plain)
}

/// The declarations of a `style` attribute that stay.
pub(super) fn declarations<'t>(text: &'t str, meter: &Meter<'_>) -> Result<Cow<'t, str>, Exhausted> {
    filtered(text, meter, |filter| filter.block(0).map(|_| ()))
}

/// The rules of a style sheet that stay.
pub(super) fn style_sheet<'t>(text: &'t str, meter: &Meter<'_>) -> Result<Cow<'t, str>, Exhausted> {
    filtered(text, meter, |filter| filter.rules(0).map(|_| ()))
}

fn filtered<'t>(
    text: &'t str,
    meter: &Meter<'_>,
    read: impl FnOnce(&mut Filter<'t, '_>) -> Result<(), Failure>,
) -> Result<Cow<'t, str>, Exhausted> {
    meter.steps((text.len() / BYTES_PER_STEP) as u64)?;
    let mut filter = Filter { text, at: 0, start: 0, edits: Vec::new(), meter };
    let outcome = match read(&mut filter) {
        // A block that ends too early.
        Ok(()) if filter.at < text.len() => Err(Failure::Ambiguous),
        outcome => outcome,
    };
    match outcome {
        Ok(()) => {}
        Err(Failure::Ambiguous) => filter.remove(filter.start..text.len()),
        Err(Failure::Exhausted(exhausted)) => return Err(exhausted),
    }
    if filter.edits.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (range, replacement) in filter.edits {
        out.push_str(&text[at..range.start]);
        out.push_str(replacement);
        at = range.end;
    }
    out.push_str(&text[at..]);
    Ok(Cow::Owned(out))
}

enum Failure {
    /// The rest cannot be parsed unambiguously.
    Ambiguous,
    Exhausted(Exhausted),
}

impl From<Exhausted> for Failure {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

struct Filter<'t, 'm> {
    text: &'t str,
    at: usize,
    /// The start of the outermost rule or declaration.
    start: usize,
    /// What is replaced, in order.
    edits: Vec<(Range<usize>, &'static str)>,
    meter: &'m Meter<'m>,
}

impl Filter<'_, '_> {
    /// Removes a range, with the edits in it.
    fn remove(&mut self, range: Range<usize>) {
        while self.edits.last().is_some_and(|(last, _)| last.start >= range.start) {
            self.edits.pop();
        }
        self.edits.push((range, ""));
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Result<(), Failure> {
        loop {
            match self.byte() {
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(b'/') if self.text[self.at..].starts_with("/*") => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Failure> {
        let length = self.text[self.at + 2..].find("*/").ok_or(Failure::Ambiguous)?;
        let end = self.at + 2 + length + 2;
        self.meter.entry::<(Range<usize>, &str)>()?;
        self.edits.push((self.at..end, " "));
        self.at = end;
        Ok(())
    }

    /// Moves to the next of these bytes outside of strings, comments, parentheses and brackets, or to the end.
    fn find(&mut self, stops: &[u8]) -> Result<Option<u8>, Failure> {
        let mut closing = Vec::new();
        self.meter.step()?;
        while let Some(byte) = self.byte() {
            match byte {
                byte if closing.is_empty() && stops.contains(&byte) => return Ok(Some(byte)),
                b'"' | b'\'' => self.string(byte)?,
                b'/' if self.text[self.at..].starts_with("/*") => self.comment()?,
                b'\\' => {
                    let escaped = self.text[self.at + 1..].chars().next().ok_or(Failure::Ambiguous)?;
                    self.at += 1 + escaped.len_utf8();
                }
                b'(' | b'[' => {
                    closing.push(if byte == b'(' { b')' } else { b']' });
                    self.at += 1;
                }
                b')' | b']' => {
                    closing.pop().filter(|expected| *expected == byte).ok_or(Failure::Ambiguous)?;
                    self.at += 1;
                }
                b'{' | b'}' | b'<' => return Err(Failure::Ambiguous),
                _ => self.at += 1,
            }
        }
        if closing.is_empty() { Ok(None) } else { Err(Failure::Ambiguous) }
    }

    fn string(&mut self, quote: u8) -> Result<(), Failure> {
        let mut characters = self.text[self.at + 1..].char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => _ = characters.next(),
                '\n' | '\r' | '\u{c}' => return Err(Failure::Ambiguous),
                character if character == char::from(quote) => {
                    self.at += 1 + at + 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(Failure::Ambiguous)
    }

    /// The rules of a style sheet or of a block, up to its end.
    fn rules(&mut self, depth: usize) -> Result<(), Failure> {
        loop {
            if depth == 0 {
                self.start = self.at;
            }
            self.skip_space()?;
            match self.byte() {
                None => return Ok(()),
                Some(b'}') if depth > 0 => return Ok(()),
                Some(b'@') => self.at_rule(depth)?,
                Some(_) => self.rule(depth)?,
            }
        }
    }

    fn at_rule(&mut self, depth: usize) -> Result<(), Failure> {
        let start = self.at;
        self.at += 1;
        let stop = self.find(b";{}")?;
        let prelude = &self.text[start + 1..self.at];
        let end = prelude.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(prelude.len());
        let (name, condition) = prelude.split_at(end);
        let name = name.to_ascii_lowercase();
        let stays = names::is_at_rule(&name) && is_harmless(condition) && !condition.contains(['@', '\\']);
        match stop {
            Some(b'{') => {
                self.at += 1;
                if stays {
                    self.enclosed(depth, Self::rules)?;
                } else {
                    // Its content may be declarations or rules, which a block can be as well.
                    self.enclosed(depth, Self::block)?;
                }
            }
            Some(b';') => self.at += 1,
            _ => {}
        }
        if !stays || stop != Some(b'{') && name != "layer" {
            self.remove(start..self.at);
        }
        Ok(())
    }

    fn rule(&mut self, depth: usize) -> Result<(), Failure> {
        let start = self.at;
        if self.find(b"{};")? != Some(b'{') {
            return Err(Failure::Ambiguous);
        }
        let selector = &self.text[start..self.at];
        let stays = is_harmless(selector) && !selector.contains('@');
        self.at += 1;
        self.enclosed(depth, Self::block)?;
        if !stays {
            self.remove(start..self.at);
        }
        Ok(())
    }

    /// Reads what is within braces, the first of which has been read.
    fn enclosed(
        &mut self,
        depth: usize,
        read: impl FnOnce(&mut Self, usize) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if depth >= MAX_DEPTH {
            return Err(Failure::Ambiguous);
        }
        read(self, depth + 1)?;
        if self.byte() != Some(b'}') {
            return Err(Failure::Ambiguous);
        }
        self.at += 1;
        Ok(())
    }

    /// Declarations and nested rules, up to the end of their block.
    fn block(&mut self, depth: usize) -> Result<(), Failure> {
        loop {
            if depth == 0 {
                self.start = self.at;
            }
            self.skip_space()?;
            let start = self.at;
            match self.byte() {
                None => return Ok(()),
                Some(b'}') if depth > 0 => return Ok(()),
                Some(b'@') => {
                    self.at_rule(depth)?;
                    continue;
                }
                Some(b';') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            match self.find(b";{}")? {
                Some(b'{') => {
                    self.at = start;
                    // What has been replaced in the selector is found again.
                    while self.edits.last().is_some_and(|(range, _)| range.start >= start) {
                        self.edits.pop();
                    }
                    self.rule(depth)?;
                    continue;
                }
                Some(b'}') if depth == 0 => return Err(Failure::Ambiguous),
                _ => {}
            }
            let declaration = &self.text[start..self.at];
            if self.byte() == Some(b';') {
                self.at += 1;
            }
            if !is_declaration(declaration) {
                self.remove(start..self.at);
            }
        }
    }
}

/// Whether a declaration has a name and a harmless value.
fn is_declaration(text: &str) -> bool {
    let Some((name, value)) = text.split_once(':') else { return false };
    let name = name.trim_ascii_end();
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_name && !is_binding(name) && is_harmless(value) && !value.contains('@')
}

/// Properties that attach code in browsers of the past.
fn is_binding(name: &str) -> bool {
    name.eq_ignore_ascii_case("behavior") || name.to_ascii_lowercase().ends_with("-binding")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;

    #[test]
    fn values_load_nothing() {
        for value in [
            "red",
            "url(#a)",
            "url( '#a' )",
            "url(\"#a b\")",
            "URL(#a) none",
            "rgb(1, 2, 3)",
            "rotate(45 1 2)",
            "matrix(1 0 0 1 0 0)",
            "url(data:image/png;base64,AA==)",
            "url(#a) url(#b)",
            "calc(1px + (2px * 3))",
            "0 0 24 24",
            "drop-shadow(0 0 1px rgb(0 0 0))",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        for value in [
            "url(http://a)",
            "url( //a)",
            "url('http://a')",
            "URL(a.png)",
            "url()",
            "u\\rl(http://a)",
            "\\75 rl(http://a)",
            "\\000075rl(//a)",
            "url(#a",
            "url('#a)",
            "url(\"#a\" x)",
            "url(#a\\29)",
            "url(/**/#a)",
            "src('a')",
            "image('a')",
            "image-set('a' 1x)",
            "-webkit-image-set(url(a) 1x)",
            "image-set(var(--a) 1x)",
            "attr(x url)",
            "element(#a)",
            "expression(alert(1))",
            "cross-fade(url(a))",
            "url(javascript:alert(1))",
            "url(data:image/svg+xml;base64,AA)",
            "url(data:text/html,x)",
            "url(#a) url(http://b)",
            "<",
            "\\3c x",
            "url(\u{1}#a)",
            "url(#\u{1})",
            "url(\n#a)",
            "progid:x.y(src='a')",
            "é(a)",
            "-url(a)",
            "url(#a'b)",
        ] {
            assert!(!is_harmless(value), "{value}");
        }
    }

    #[test]
    fn declarations_and_rules_stay_unless_they_load() {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(1 << 20, &cancellation);
        let table = [
            ("fill:red;stroke : url(#a)", "fill:red;stroke : url(#a)"),
            ("fill:red;background:url(http://a);stroke:blue", "fill:red;stroke:blue"),
            ("a:url(x;y);b:c", "b:c"),
            ("/* who */fill:red/**/", " fill:red "),
            ("fill:red;content:'", "fill:red;"),
            ("fill:red;a:(", "fill:red;"),
            ("fill:red;a:b}c{d:e", "fill:red;"),
            ("-moz-binding:url(#a);behavior:url(#b);x", ""),
            ("--a:url(//b);--c:d", "--c:d"),
            ("fill:r\\65 d;f\\69ll:red", "fill:r\\65 d;"),
            ("content:'\\", ""),
            (";;fill:red;", ";;fill:red;"),
        ];
        for (text, expected) in table {
            let once = declarations(text, &meter).unwrap();
            assert_eq!(once, expected, "{text}");
            assert_eq!(declarations(&once, &meter).unwrap(), once);
        }
        let table = [
            (".a{fill:red}\n.b > .c{stroke:url(#d)}", ".a{fill:red}\n.b > .c{stroke:url(#d)}"),
            ("@import 'a';.a{b:c}", ".a{b:c}"),
            ("@import url(a) screen;@charset 'x';@namespace url(x);a{}", "a{}"),
            ("@IMPORT 'a'", ""),
            ("@\\69mport 'a';a{}", "a{}"),
            ("@font-face{font-family:a;src:url(b)}a{}", "a{}"),
            ("@media (min-width: 1px){a{b:c;d:url(e)}}", "@media (min-width: 1px){a{b:c;}}"),
            ("@keyframes a{from{b:c}50%{d:src('e')}}", "@keyframes a{from{b:c}50%{}}"),
            ("@supports (a:url(b)){c{}}d{}", "d{}"),
            ("@media x{@import 'a';b{c:d}}", "@media x{b{c:d}}"),
            ("a{b:c;&:hover{d:url(e);f:g}}", "a{b:c;&:hover{f:g}}"),
            ("a[b='{']{c:d}", "a[b='{']{c:d}"),
            ("a{b:'}c{d:url(e)}'}", "a{}"),
            ("a{b:c}/*x*/d{e:f}/*", "a{b:c} d{e:f}"),
            ("a{b:c}d{e:'\n'}f{g:h}", "a{b:c}"),
            ("a{b:c}}d{e:f}", "a{b:c}"),
            ("a{b:c}x;d{e:f}", "a{b:c}"),
            ("a{b:c}<!-- d{e:f} -->", "a{b:c}"),
            ("a{b:c", ""),
            ("@media x{a{b:c}", ""),
            ("a{b:c}//**/*x{d:e}*/", "a{b:c}/ *x{d:e}"),
            ("@layer a,b;c{}", "@layer a,b;c{}"),
            ("@document url(http://a){b{}}c{}", "c{}"),
            ("a{--x:{b:c}}d{}", "a{--x:{b:c}}d{}"),
        ];
        for (text, expected) in table {
            let once = style_sheet(text, &meter).unwrap();
            assert_eq!(once, expected, "{text}");
            assert_eq!(style_sheet(&once, &meter).unwrap(), once);
        }
        let deep = "a{".repeat(MAX_DEPTH + 2) + &"}".repeat(MAX_DEPTH + 2);
        assert_eq!(style_sheet(&deep, &meter).unwrap(), "");
    }
}
