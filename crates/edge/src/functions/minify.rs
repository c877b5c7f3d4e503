//! Takes away what a reader needs of JavaScript and an engine does not: comments, space, and the length of names.
//!
//! It knows the functions of this folder, not all of the language. They are written so that four rules suffice: every
//! statement ends in `;` or `}`; the name of a property in a literal has its colon right behind it, which that of `?:` has
//! not; a `/` with a space behind it divides; and parameters of functions stand in brackets, without defaults. What comes
//! out is run by the tests, not what goes in.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A name or a number.
    Word(String),
    /// A text, a regular expression, a part of a template between its expressions, or `++` and `--`.
    Verbatim(String),
    /// The colon behind the name of a property.
    KeyColon,
    /// Any other character.
    Sign(char),
}

/// The names that the host knows, and those of the language that could be short ones.
const TAKEN: [&str; 8] = ["handler", "cf", "as", "do", "if", "in", "is", "of"];

/// Words that have another form, which is shorter or which every version of the runtime's engine gets right. Nothing is
/// declared twice in a function, and no loop makes functions that outlive its round, so `var` does what the others do.
const SHORTER: [(&str, &str); 5] =
    [("const", "var"), ("let", "var"), ("true", "!0"), ("false", "!1"), ("undefined", "void 0")];

pub(super) fn minify(source: &str) -> String {
    let tokens = tokens(source);
    let names = short_names(&tokens);
    let tokens = joined(tokens.clone());
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) => {
                let shorter = SHORTER.iter().find(|(long, _)| long == word).map(|(_, short)| *short);
                let short = names.get(word.as_str()).map(String::as_str).or(shorter);
                let short = short.filter(|_| !is_property(&tokens, index)).unwrap_or(word);
                if text.ends_with(is_word) && short.starts_with(is_word) {
                    text.push(' ');
                }
                text.push_str(short);
            }
            Token::Verbatim(verbatim) => text.push_str(verbatim),
            Token::KeyColon => text.push(':'),
            Token::Sign(sign) => {
                // `a + +b` is not `a++b`.
                if matches!(sign, '+' | '-') && text.ends_with(*sign) {
                    text.push(' ');
                }
                // Nothing follows the last of a list, and the last statement of a block ends with the block.
                if matches!(sign, '}' | ']' | ')') && text.ends_with(',') || *sign == '}' && text.ends_with(';') {
                    text.pop();
                }
                text.push(*sign);
            }
        }
    }
    text
}

/// Declarations that follow each other as one, and arrow functions of one parameter without its brackets.
fn joined(tokens: Vec<Token>) -> Vec<Token> {
    let is_let = |token: Option<&Token>| matches!(token, Some(Token::Word(word)) if word == "const" || word == "let");
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    // For each bracket that is open, whether a declaration is under way.
    let mut declaring = vec![false];
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match &token {
            Token::Sign('{' | '(' | '[') => declaring.push(false),
            Token::Sign('}' | ')' | ']') => drop(declaring.pop()),
            _ => {}
        }
        match (declaring.last_mut(), &token) {
            (Some(declaring), Token::Sign(';')) if *declaring && is_let(rest.peek()) => {
                rest.next();
                joined.push(Token::Sign(','));
                continue;
            }
            (Some(declaring), Token::Sign(';')) => *declaring = false,
            (Some(declaring), token) if is_let(Some(token)) => *declaring = true,
            _ => {}
        }
        if token == Token::Sign('=')
            && rest.peek() == Some(&Token::Sign('>'))
            && let [.., Token::Sign('('), Token::Word(_), Token::Sign(')')] = joined.as_slice()
        {
            joined.pop();
            let parameter = joined.pop();
            joined.pop();
            joined.extend(parameter);
        }
        joined.push(token);
    }
    joined
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$')
}

/// Whether a word is the name of a property: behind a point, or before the colon of a literal.
fn is_property(tokens: &[Token], index: usize) -> bool {
    index > 0 && tokens[index - 1] == Token::Sign('.') || tokens.get(index + 1) == Some(&Token::KeyColon)
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    // For each template that is open, the braces that are open within its expression.
    let mut templates: Vec<usize> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if matches!(first, '\'' | '"') {
            verbatim(&mut tokens, rest, end_of_text(rest, first))
        } else if first == '`' || first == '}' && templates.last() == Some(&0) {
            let (length, is_open) = end_of_template(rest);
            if first == '}' {
                templates.pop();
            }
            if is_open {
                templates.push(0);
            }
            verbatim(&mut tokens, rest, length)
        } else if first == '/' && !rest.starts_with("/ ") {
            verbatim(&mut tokens, rest, end_of_expression(rest))
        } else if rest.starts_with("++") || rest.starts_with("--") {
            verbatim(&mut tokens, rest, 2)
        } else {
            match (first, templates.last_mut()) {
                ('{', Some(depth)) => *depth += 1,
                ('}', Some(depth)) => *depth -= 1,
                _ => {}
            }
            let follows_word = source[..source.len() - rest.len()].ends_with(is_word);
            tokens.push(if first == ':' && follows_word { Token::KeyColon } else { Token::Sign(first) });
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn verbatim(tokens: &mut Vec<Token>, rest: &str, length: usize) -> usize {
    tokens.push(Token::Verbatim(rest[..length].to_owned()));
    length
}

/// The length of a text with its quotes.
fn end_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// The length of a part of a template, from its quote or the end of an expression to the next, and whether that is open.
fn end_of_template(rest: &str) -> (usize, bool) {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '`' => return (index + 1, false),
            '$' if rest[index..].starts_with("${") => return (index + 2, true),
            _ => {}
        }
    }
    (rest.len(), false)
}

/// The length of a regular expression with its flags.
fn end_of_expression(rest: &str) -> usize {
    let (mut escaped, mut in_class) = (false, false);
    let end = rest[1..].find(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' => return !in_class,
            _ => {}
        }
        false
    });
    let end = end.map_or(rest.len(), |end| end + 2);
    rest[end..].find(|c: char| !c.is_ascii_lowercase()).map_or(rest.len(), |flags| end + flags)
}

/// A short name for each one that is declared: the shortest for those that occur most.
fn short_names(tokens: &[Token]) -> BTreeMap<&str, String> {
    let mut declared = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1);
        match (token, next) {
            (Token::Word(keyword), Some(Token::Word(name))) if matches!(&**keyword, "const" | "let" | "function") => {
                declared.insert(name.as_str());
                if keyword == "function" {
                    declared.extend(words_until_bracket(tokens[index + 3..].iter()));
                }
            }
            (Token::Word(keyword), Some(Token::Sign('('))) if keyword == "catch" => {
                declared.extend(words_until_bracket(tokens[index + 2..].iter()));
            }
            (Token::Sign('='), Some(Token::Sign('>'))) => {
                declared.extend(words_until_bracket(tokens[..index].iter().rev().skip(1)));
            }
            _ => {}
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, token) in tokens.iter().enumerate() {
        if let Token::Word(word) = token
            && !is_property(tokens, index)
        {
            *counts.entry(word).or_default() += 1;
        }
    }
    let taken: BTreeSet<&str> = counts.keys().copied().filter(|word| !declared.contains(word)).chain(TAKEN).collect();
    let mut declared: Vec<&str> = declared.into_iter().filter(|name| !TAKEN.contains(name)).collect();
    declared.sort_by_key(|name| std::cmp::Reverse(counts.get(name).copied()));
    declared.into_iter().zip(candidates().filter(|name| !taken.contains(name.as_str()))).collect()
}

/// The names between brackets, up to the one that closes or opens them.
fn words_until_bracket<'t>(tokens: impl Iterator<Item = &'t Token>) -> impl Iterator<Item = &'t str> {
    tokens.take_while(|token| !matches!(token, Token::Sign('(' | ')'))).filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    })
}

/// `a`, `b`, ... `Z`, `aa`, `ab`, ...
fn candidates() -> impl Iterator<Item = String> {
    let letters = || ('a'..='z').chain('A'..='Z');
    let long = letters().flat_map(move |first| letters().map(move |second| format!("{first}{second}")));
    letters().map(String::from).chain(long)
}

#[cfg(test)]
mod tests {
    use super::minify;

    #[test]
    fn what_is_left_means_the_same() {
        let table = [
            ("// nothing\n", ""),
            ("const long = 1;\nlet other = long + +long;\n", "var a=1,b=a+ +a;"),
            ("function f(value, other) {\n  return value.other / other;\n}\n", "function c(b,a){return b.other/a}"),
            ("const f = (some) => some ? { some: some } : [some,];", "var b=a=>a?{some:a}:[a];"),
            ("for (let i = 1; i < 2; i++) f(i);\nlet j;", "for(var a=1;a<2;a++)f(a);var b;"),
            ("let x;\n{ let y = 1; z(); }\nlet w = true;", "var b;{var c=1;z()}var a=!0;"),
            ("const t = `a ${ u ? `${t}b` : '}' } c`;", "var a=`a ${u?`${a}b`:'}'} c`;"),
            ("const r = /[/'\\]]+/gi.test(r) / 2;", "var a=/[/'\\]]+/gi.test(a)/2;"),
            ("const s = 'it\\'s // no comment';", "var a='it\\'s // no comment';"),
            ("async function handler(event) { return 'a' in event; }", "async function handler(a){return'a'in a}"),
            ("try { x++; } catch (error) { y = error; }", "try{x++}catch(a){y=a}"),
        ];
        for (source, expected) in table {
            assert_eq!(minify(source), expected, "{source}");
        }
    }
}
