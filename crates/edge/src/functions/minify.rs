//! A minifier for the functions of this folder: it removes comments and whitespace, renames variables, shares texts that
//! are repeated, and writes each declaration in its shortest form.
//!
//! It supports the JavaScript of these files only. Every statement ends in `;` or `}`. The key of an object literal is
//! directly followed by its colon, and the condition of `?:` is not. A `/` that is followed by a space is a division. The
//! parameters of functions are in parentheses, without defaults. Each declaration declares one variable, no variable is
//! declared twice in a function, and no loop creates functions that outlive an iteration, so `var` can replace `const` and
//! `let`. The tests run the minified functions, not their sources.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// An identifier, a keyword or a number.
    Word(String),
    /// A string, a regular expression, a part of a template between its expressions, `++` or `--`.
    Verbatim(String),
    /// The colon after the key of an object literal.
    KeyColon,
    /// Any other character.
    Sign(char),
}

/// Names that no variable may get: those of the host, and the short keywords.
const TAKEN: [&str; 8] = ["handler", "cf", "as", "do", "if", "in", "is", "of"];

/// Words with a shorter form.
const SHORTER: [(&str, &str); 4] = [("const", "var"), ("let", "var"), ("true", "!0"), ("false", "!1")];

pub(super) fn minify(source: &str) -> String {
    let tokens = join_declarations(rename(inline(share(tokens(source)))));
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) => {
                let shorter = SHORTER.iter().find(|(long, _)| long == word && !is_property(&tokens, index));
                let word = shorter.map_or_else(|| short_number(word), |(_, short)| (*short).to_owned());
                if text.ends_with(is_word) && word.starts_with(is_word) {
                    text.push(' ');
                }
                text.push_str(&word);
            }
            Token::Verbatim(verbatim) => text.push_str(verbatim),
            Token::KeyColon => text.push(':'),
            Token::Sign(sign) => {
                // `a + +b` is not `a++b`.
                if matches!(sign, '+' | '-') && text.ends_with(*sign) {
                    text.push(' ');
                }
                // The comma after the last item and the semicolon after the last statement of a block are optional.
                if matches!(sign, '}' | ']' | ')') && text.ends_with(',') || *sign == '}' && text.ends_with(';') {
                    text.pop();
                }
                text.push(*sign);
            }
        }
    }
    text
}

/// Declares a variable for each string or property name that is long or frequent enough, and for `undefined`. The variable
/// is named like the string, with its quotes; `rename` gives it a valid name.
fn share(tokens: Vec<Token>) -> Vec<Token> {
    let mut savings: BTreeMap<String, isize> = BTreeMap::new();
    for index in 0..tokens.len() {
        if let Some((quoted, length, shared)) = shareable(&tokens, index) {
            // Initially the cost of `,xx='...'`.
            let saved = savings.entry(quoted).or_insert_with_key(|quoted| -(signed(quoted.len()) + 4));
            *saved += signed(length) - signed(shared);
        }
    }
    savings.retain(|_, saved| *saved > 0);
    let mut declarations = Vec::new();
    for quoted in savings.keys() {
        declarations.extend([Token::Word("const".to_owned()), Token::Word(quoted.clone()), Token::Sign('=')]);
        declarations.extend([Token::Verbatim(quoted.clone()), Token::Sign(';')]);
    }
    if tokens.contains(&Token::Word("undefined".to_owned())) {
        declarations.extend([Token::Word("let".to_owned()), Token::Word("undefined".to_owned()), Token::Sign(';')]);
    }
    let imports = match tokens.first() {
        Some(Token::Word(word)) if word == "import" => {
            tokens.iter().position(|token| *token == Token::Sign(';')).map_or(0, |end| end + 1)
        }
        _ => 0,
    };
    let mut shared = tokens[..imports].to_vec();
    shared.append(&mut declarations);
    for index in imports..tokens.len() {
        match shareable(&tokens, index).filter(|(quoted, ..)| savings.contains_key(quoted)) {
            Some((quoted, ..)) if matches!(tokens[index], Token::Word(_)) => {
                // `.name` becomes `[variable]`.
                shared.pop();
                shared.extend([Token::Sign('['), Token::Word(quoted), Token::Sign(']')]);
            }
            Some((quoted, ..)) => shared.push(Token::Word(quoted)),
            None => shared.push(tokens[index].clone()),
        }
    }
    shared
}

/// The string at this index, or the name of a property that is read there: quoted, with its length as it is written and as
/// a variable of two characters.
fn shareable(tokens: &[Token], index: usize) -> Option<(String, usize, usize)> {
    match &tokens[index] {
        Token::Verbatim(text) if text.starts_with('\'') && tokens.get(index + 1) != Some(&Token::KeyColon) => {
            Some((text.clone(), text.len(), 2))
        }
        Token::Word(word) if follows_point(tokens, index) && !word.starts_with(|c: char| c.is_ascii_digit()) => {
            Some((format!("'{word}'"), word.len() + 1, 4))
        }
        _ => None,
    }
}

fn signed(length: usize) -> isize {
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// Moves arrow functions of the program that are used once, and not called there, to the place where they are used.
fn inline(tokens: Vec<Token>) -> Vec<Token> {
    let (scopes, scope_of) = scopes(&tokens);
    let mut moved: BTreeMap<&str, &[Token]> = BTreeMap::new();
    let mut rest = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        if scope_of[index] == 0
            && let [Token::Word(keyword), Token::Word(name), Token::Sign('='), Token::Sign('('), ..] = &tokens[index..]
            && keyword == "const"
            && let end = end_of_body(&tokens, index + 3)
            && scopes.iter().filter(|scope| scope.declared.contains_key(name.as_str())).count() == 1
        {
            let is_use =
                |at: &usize| *at != index + 1 && tokens[*at] == Token::Word(name.clone()) && !is_property(&tokens, *at);
            let uses: Vec<usize> = (0..tokens.len()).filter(is_use).collect();
            if let [only] = *uses
                && scope_of[only] == 0
                && tokens.get(only + 1) != Some(&Token::Sign('('))
            {
                moved.insert(name, &tokens[index + 3..end]);
                index = end + 1;
                continue;
            }
        }
        rest.push(tokens[index].clone());
        index += 1;
    }
    let is_moved = |token: &Token| matches!(token, Token::Word(word) if moved.contains_key(word.as_str()));
    let places: Vec<bool> = (0..rest.len()).map(|index| is_moved(&rest[index]) && !is_property(&rest, index)).collect();
    let placed = rest.into_iter().zip(places).flat_map(|(token, is_place)| match &token {
        Token::Word(word) if is_place => moved[word.as_str()].to_vec(),
        _ => vec![token],
    });
    placed.collect()
}

/// The shortest form of a number in decimal digits; other words as they are.
fn short_number(word: &str) -> String {
    let digits = word.trim_end_matches('0');
    let zeros = word.len() - digits.len();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if zeros > 2 && is_number { format!("{digits}e{zeros}") } else { word.to_owned() }
}

/// Joins adjacent declarations, and removes the parentheses of a single parameter.
fn join_declarations(tokens: Vec<Token>) -> Vec<Token> {
    let is_let = |token: Option<&Token>| matches!(token, Some(Token::Word(word)) if word == "const" || word == "let");
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    // For each open bracket, whether a declaration has begun.
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

/// Whether a word is the name of a property: after a point, or before the colon of an object literal.
fn is_property(tokens: &[Token], index: usize) -> bool {
    follows_point(tokens, index) || tokens.get(index + 1) == Some(&Token::KeyColon)
}

fn follows_point(tokens: &[Token], index: usize) -> bool {
    index > 0 && tokens[index - 1] == Token::Sign('.')
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    // For each open template, the number of open braces in its expression.
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
            let follows_key = source[..source.len() - rest.len()].ends_with(|c| is_word(c) || c == '\'');
            tokens.push(if first == ':' && follows_key { Token::KeyColon } else { Token::Sign(first) });
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

/// The length of a string with its quotes.
fn end_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// The length of a part of a template, and whether an expression follows it.
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

/// A function, or the whole program.
#[derive(Debug, Default)]
struct Scope<'t> {
    /// The index of the enclosing function.
    parent: Option<usize>,
    /// The variables that the function declares, with the number of their uses.
    declared: BTreeMap<&'t str, usize>,
    /// The variables of enclosing functions that are used in this function, with the index of their function.
    captured: BTreeSet<(usize, &'t str)>,
    /// The short names of the variables that the function declares.
    short: BTreeMap<&'t str, String>,
}

/// Gives every variable a short name. Variables of different functions share names, unless one function is within the other
/// and uses the other's variable.
fn rename(tokens: Vec<Token>) -> Vec<Token> {
    let (mut scopes, scope_of) = scopes(&tokens);
    let mut owners: Vec<Option<usize>> = vec![None; tokens.len()];
    let mut taken: BTreeSet<&str> = TAKEN.into();
    for (index, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        if is_property(&tokens, index) {
            continue;
        }
        let enclosing = std::iter::successors(Some(scope_of[index]), |scope| scopes[*scope].parent);
        let enclosing: Vec<usize> = enclosing.collect();
        let Some(depth) = enclosing.iter().position(|scope| scopes[*scope].declared.contains_key(word.as_str())) else {
            taken.insert(word);
            continue;
        };
        let owner = enclosing[depth];
        owners[index] = Some(owner);
        for scope in &enclosing[..depth] {
            scopes[*scope].captured.insert((owner, word));
        }
        scopes[owner].declared.entry(word).and_modify(|uses| *uses += 1);
    }
    for index in 0..scopes.len() {
        let captured: BTreeSet<&str> =
            scopes[index].captured.iter().map(|(owner, name)| scopes[*owner].short[name].as_str()).collect();
        let mut declared: Vec<(&str, usize)> =
            scopes[index].declared.iter().map(|(name, uses)| (*name, *uses)).collect();
        declared.sort_by_key(|(_, uses)| std::cmp::Reverse(*uses));
        let free = candidates().filter(|name| !taken.contains(name.as_str()) && !captured.contains(name.as_str()));
        let short = declared.into_iter().map(|(name, _)| name).zip(free).collect();
        scopes[index].short = short;
    }
    let renamed = tokens.iter().zip(owners).map(|(token, owner)| match (token, owner) {
        (Token::Word(word), Some(owner)) => Token::Word(scopes[owner].short[word.as_str()].clone()),
        _ => token.clone(),
    });
    renamed.collect()
}

/// The program and its functions, from the outer to the inner ones, and the function that each token is in.
fn scopes(tokens: &[Token]) -> (Vec<Scope<'_>>, Vec<usize>) {
    let mut scopes = vec![Scope::default()];
    let mut scope_of = Vec::with_capacity(tokens.len());
    // The open functions with the index of the token after them.
    let mut open = vec![(0, tokens.len())];
    for (index, token) in tokens.iter().enumerate() {
        while open.last().is_some_and(|(_, end)| *end <= index) {
            open.pop();
        }
        let word = |index: usize| match tokens.get(index) {
            Some(Token::Word(word)) => word.as_str(),
            _ => "",
        };
        let mut scope = open.last().map_or(0, |(scope, _)| *scope);
        if *token == Token::Sign('(') {
            let parameters = end_of_brackets(tokens, index);
            let is_arrow = tokens[parameters..].starts_with(&[Token::Sign('='), Token::Sign('>')]);
            let is_function = index > 1 && word(index - 2) == "function";
            if is_arrow || is_function {
                let body = if is_arrow { parameters + 2 } else { parameters };
                scopes.push(Scope { parent: Some(scope), ..Scope::default() });
                scope = scopes.len() - 1;
                open.push((scope, end_of_body(tokens, body)));
            }
            if is_arrow || is_function || index > 0 && word(index - 1) == "catch" {
                let names = (index..parameters).map(word).filter(|name| !name.is_empty());
                scopes[scope].declared.extend(names.map(|name| (name, 0)));
            }
        }
        if matches!(word(index), "const" | "let" | "function") && !TAKEN.contains(&word(index + 1)) {
            scopes[scope].declared.insert(word(index + 1), 0);
        }
        scope_of.push(scope);
    }
    (scopes, scope_of)
}

/// The index after a function's body: a block, or the expression of an arrow function.
fn end_of_body(tokens: &[Token], start: usize) -> usize {
    if tokens.get(start) == Some(&Token::Sign('{')) {
        return end_of_brackets(tokens, start);
    }
    let mut index = start;
    while index < tokens.len() {
        match &tokens[index] {
            Token::Sign(',' | ';') => break,
            token if closes(token) => break,
            token if opens(token) => index = end_of_brackets(tokens, index),
            _ => index += 1,
        }
    }
    index
}

/// The index after the bracket that closes the one at `start`.
fn end_of_brackets(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        if closes(token) {
            depth = depth.saturating_sub(1);
        }
        if opens(token) {
            depth += 1;
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// Whether a token opens a bracket, or an expression of a template.
fn opens(token: &Token) -> bool {
    match token {
        Token::Sign('(' | '[' | '{') => true,
        Token::Verbatim(text) => text.starts_with(['`', '}']) && text.ends_with("${"),
        _ => false,
    }
}

/// Whether a token closes a bracket, or an expression of a template.
fn closes(token: &Token) -> bool {
    match token {
        Token::Sign(')' | ']' | '}') => true,
        Token::Verbatim(text) => text.starts_with('}'),
        _ => false,
    }
}

/// `a`, `b`, ... `Z`, `_`, `$`, `aa`, `ab`, ...
fn candidates() -> impl Iterator<Item = String> {
    let letters = || ('a'..='z').chain('A'..='Z').chain(['_', '$']);
    let long = letters().flat_map(move |first| letters().map(move |second| format!("{first}{second}")));
    letters().map(String::from).chain(long)
}

#[cfg(test)]
mod tests {
    use super::minify;

    #[test]
    fn minified_code_is_equivalent() {
        let table = [
            ("// nothing\n", ""),
            ("const long = 1;\nlet other = long + +long;\n", "var a=1,b=a+ +a;"),
            ("function f(value, other) {\n  return value.other / other;\n}\n", "function a(b,a){return b.other/a}"),
            ("const f = (some) => some ? { some: some } : [some,];", "var a=a=>a?{some:a}:[a];"),
            ("for (let i = 1; i < 2; i++) f(i);\nlet j;", "for(var a=1;a<2;a++)f(a);var b;"),
            ("let x;\n{ let y = 1; z(); }\nlet w = true;", "var b;{var c=1;z()}var a=!0;"),
            ("const t = `a ${ u ? `${t}b` : '}' } c`;", "var a=`a ${u?`${a}b`:'}'} c`;"),
            ("const r = /[/'\\]]+/gi.test(r) / 2;", "var a=/[/'\\]]+/gi.test(a)/2;"),
            ("const s = 'it\\'s // no comment';", "var a='it\\'s // no comment';"),
            ("async function handler(event) { return 'a' in event; }", "async function handler(a){return'a'in a}"),
            ("x = 36000 + y10000 + 100 + 0;", "x=36e3+y10000+100+0;"),
            ("try { x++; } catch (error) { y = error; }", "try{x++}catch(a){y=a}"),
        ];
        for (source, expected) in table {
            assert_eq!(minify(source), expected, "{source}");
        }
    }

    #[test]
    fn names_are_shared_between_functions() {
        let table = [
            // The inner function uses the outer one's variable, so it cannot reuse its name.
            ("const outer = (one) => (two) => one + two;\nouter(1);", "var a=a=>b=>a+b;a(1);"),
            ("const f = (one) => [(two) => two, one];", "var a=a=>[a=>a,a];"),
            (
                "const f = (list) => list.map((item) => { const g = item; return f(g); });",
                "var a=b=>b.map(c=>{var b=c;return a(b)});",
            ),
            ("const f = (x) => `${g((y) => y + x)}${x}`, h;", "var a=a=>`${g(b=>b+a)}${a}`,h;"),
            ("const f = (x) => x ? 1 : 2;\nf(f);", "var a=a=>a?1:2;a(a);"),
        ];
        for (source, expected) in table {
            assert_eq!(minify(source), expected, "{source}");
        }
    }

    #[test]
    fn functions_are_moved_to_their_only_use() {
        let table = [
            ("const f = (x) => [x, y];\nconst t = { a: [f] };", "var a={a:[a=>[a,y]]};"),
            // What is called, used twice, or used in another function is left.
            ("const f = (x) => x;\nf(1);", "var a=a=>a;a(1);"),
            ("const f = (x) => x;\nconst g = [f, f];", "var a=a=>a,b=[a,a];"),
            ("const f = (x) => x;\nconst g = (y) => [f, y];\nh(g(2));", "var a=a=>a,b=b=>[a,b];h(b(2));"),
        ];
        for (source, expected) in table {
            assert_eq!(minify(source), expected, "{source}");
        }
    }

    #[test]
    fn repeated_texts_are_shared() {
        let table = [
            ("f('base64url', 'base64url', x['base64url']);", "var a='base64url';f(a,a,x[a]);"),
            (
                "import cf from 'cf';\nw.replace(x.replace(y.replace(z.replace(1))));",
                "import cf from'cf';var a='replace';w[a](x[a](y[a](z[a](1))));",
            ),
            ("x.replace = 0.5;\ny = { replace: 'replace' };", "x.replace=0.5;y={replace:'replace'};"),
            ("x = undefined === y;", "var a;x=a===y;"),
            (
                "x = { 'key':a ? 'key' : 'key', b: f('key') };\nf('key', 'key');",
                "var b='key';x={'key':a?b:b,b:f(b)};f(b,b);",
            ),
        ];
        for (source, expected) in table {
            assert_eq!(minify(source), expected, "{source}");
        }
    }
}
