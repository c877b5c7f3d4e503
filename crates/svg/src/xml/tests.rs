use super::*;
use image_origin_container::Cancellation;

fn read(text: &str) -> Result<Vec<String>, Error> {
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(text.len() as u64, &cancellation);
    let (mut reader, mut events, mut end) = (Reader::new(text, &meter), Vec::new(), None);
    while let Some((event, range)) = reader.next()? {
        assert_eq!(range.start, end.unwrap_or(range.start), "no gaps in {text}");
        end = Some(range.end);
        events.push(match event {
            Event::Start(Element { namespace, local, attributes, is_empty }) => {
                let attributes: Vec<_> = attributes.iter().map(|a| format!("{}={}", a.local, a.value)).collect();
                format!("{namespace:?} {local} {} {is_empty}", attributes.join(","))
            }
            Event::Text(text) => reader.replaced(text)?.text.into_owned(),
            event => format!("{event:?}"),
        });
    }
    Ok(events)
}

#[test]
fn documents_are_read() {
    let table: [(&str, &[&str]); 6] = [
        ("\u{feff}<?xml version='1.0'?><a/>", &["Declaration { version: \"1.0\", encoding: None }", "None a  true"]),
        ("<a b = 'c&#x41;&lt;' d=\"1\n2\">x&amp;y</a >", &["None a b=cA<,d=1 2 false", "x&y", "End"]),
        (
            "<a><!-- x -->\n<?b c?><![CDATA[<&]]></a>",
            &["None a  false", "Comment", "\n", "Instruction", "CData(\"<&\")", "End"],
        ),
        (
            "<!DOCTYPE svg PUBLIC 'a' \"b\" [<!-- c --><!ENTITY ns 'http://www.w3.org/2000/svg'><!ELEMENT a (b)>\
             <!ENTITY % p SYSTEM 'x'>%p;<!ATTLIST a b CDATA '>'>]><s:a xmlns:s='&ns;'/>",
            &["DocumentType", "Svg a s=http://www.w3.org/2000/svg true"],
        ),
        (
            "<a xmlns='x'><b xmlns=''/><c/></a>",
            &["Other a xmlns=x false", "None b xmlns= true", "Other c  true", "End"],
        ),
        ("<é·1>]]&gt;</é·1>", &["None é·1  false", "]]>", "End"]),
    ];
    for (text, expected) in table {
        assert_eq!(read(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    let table = [
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "</a>",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a>&b;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#xFFFE;</a>",
        "<a>&</a>",
        "<a>& b</a>",
        "<a>]]></a>",
        "<a>\u{1}</a>",
        "<a b='\u{8}'/>",
        "<a>\u{ffff}</a>",
        "<1a/>",
        "<a:b/>",
        "<:a xmlns=''/>",
        "<a b:c='1'/>",
        "<a:b:c xmlns:a='x'/>",
        "<a:1 xmlns:a='x'/>",
        "<a><!-- -- --></a>",
        "<a><!-- ---></a>",
        "<a><!-- </a>",
        "<a><![CDATA[</a>",
        " <?xml version='1.0'?><a/>",
        "<?xml?><a/>",
        "<?xml version='1.0' standalone='yes' encoding='x'?><a/>",
        "<?xml version=1.0?><a/>",
        "<?XML version='1.0'?><a/>",
        "<a><?xml version='1.0'?></a>",
        "<? a?><a/>",
        "<a><?b</a>",
        "<a/><!DOCTYPE a>",
        "<!DOCTYPE a><!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b '<c/>'>]><a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b '&#60;c/>'>]><a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "<!DOCTYPE a [<a/>",
        "<!DOCTYPE>",
        "<a xmlns:b=''/>",
        "<a xmlns:xml='x'/>",
        "<a xmlns:xmlns='x'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:b='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:b='http://www.w3.org/2000/svg' xmlns:c='http://www.w3.org/2000/svg' b:d='' c:d=''/>",
        "<a b='1>",
        "<a ",
        "<a",
        "<",
        "<!",
        "<a>&#x;</a>",
        "<a>&#+65;</a>",
        "<a>&#x+41;</a>",
        "<a/ >",
        "<![CDATA[x]]><a/>",
    ];
    for text in table {
        assert!(matches!(read(text), Err(Error::NotWellFormed { .. })), "{text}: {:?}", read(text));
    }
    assert_eq!(
        read("<a>\n<b>\né</c>").unwrap_err(),
        Error::NotWellFormed { reason: "an end tag does not match its start tag", line: 3, column: 2 }
    );
}

#[test]
fn counts_are_limited() {
    let entities: String = (0..20).map(|i| format!("<!ENTITY e{i} '{}'>", "x".repeat(1000))).collect();
    let attributes: String = (0..=MAX_ATTRIBUTES).map(|i| format!(" a{i}=''")).collect();
    let prefixes: String = (0..MAX_PREFIXES).map(|i| format!("<a xmlns:a{i}='x'>")).collect();
    for text in
        ["<a>".repeat(MAX_DEPTH + 1), format!("<a{attributes}/>"), prefixes, format!("<!DOCTYPE a [{entities}]><a/>")]
    {
        assert!(matches!(read(&text), Err(Error::TooMuch { .. })), "{}", &text[..40]);
    }
    // The text of an entity is counted wherever it is used.
    let many = format!("<!DOCTYPE a [<!ENTITY e '{}'>]><a>{}</a>", "x".repeat(16_000), "&e;".repeat(40_000));
    assert!(matches!(read(&many), Err(Error::Exhausted(_))));
}
