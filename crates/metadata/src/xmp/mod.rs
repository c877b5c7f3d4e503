//! XMP (ISO 16684-1): parsing packets, selecting properties, and serializing the selected ones.

mod container;
mod dom;
mod json;
pub(crate) mod ns;
mod regions;
mod select;
mod write;

use serde_json::{Map, Value};

use dom::{Element, Name, Parser};

use super::strip::Keep;
use image_origin_container::{Exhausted, Meter};

pub(super) use select::{Selection, may_have_marks};

/// The maximum number of packets in a file: the main packet, its extension, and some surplus ones.
const MAX_PACKETS: usize = 16;

/// The properties of one or more packets.
#[derive(Debug, Default)]
pub(super) struct Xmp {
    properties: Vec<Element>,
    pub(super) warnings: Vec<String>,
}

impl Xmp {
    /// Parses packets, the main packet first.
    pub(super) fn new(packets: &[Vec<u8>], meter: &Meter<'_>) -> Result<Self, Exhausted> {
        let mut xmp = Self::default();
        let mut parser = Parser::new(meter);
        for packet in packets.iter().take(MAX_PACKETS) {
            meter.hold(packet.len() as u64)?;
            let (tree, problem) = parser.parse(&decode(packet))?;
            tree.into_iter().for_each(|element| xmp.collect(element));
            xmp.warnings.extend(problem);
        }
        Ok(xmp)
    }

    /// Collects properties, which are the attributes and children of `rdf:Description` elements directly in `rdf:RDF`
    /// (7.4).
    fn collect(&mut self, element: Element) {
        if element.name.is(ns::RDF, "RDF") {
            for description in element.children {
                let attributes = description.attributes.into_iter();
                let named = attributes.filter(|(name, _)| !matches!(&*name.namespace, ns::RDF | ns::XML | ""));
                self.properties.extend(named.map(|(name, text)| Element::simple(name, text)));
                self.properties.extend(description.children);
            }
        } else {
            element.children.into_iter().for_each(|child| self.collect(child));
        }
    }

    /// The properties as JSON, under their usual prefix.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        json::properties(&self.properties)
    }

    /// Serializes a packet with the selected properties; `None` if there are none.
    pub(super) fn select(&self, selection: Selection) -> Option<Vec<u8>> {
        let chosen: Vec<_> = self.properties.iter().filter(|p| selection.wants(p)).collect();
        (!chosen.is_empty()).then(|| write::packet(&chosen))
    }

    /// Serializes a packet with the gain map parameters, if this is the XMP of a gain map or of its first image.
    pub(super) fn gain_map(&self) -> Option<Vec<u8>> {
        self.text(ns::HDR_GAIN_MAP, "Version")?;
        self.select(Selection::GainMap)
    }

    /// Serializes a packet that announces a gain map of this length after the image (Ultra HDR image format 1.1,
    /// "XMP"), with what else is kept.
    pub(super) fn announce_gain_map(&self, keep: Keep, length: u64) -> Vec<u8> {
        let directory = container::directory(&length.to_string());
        let others = match keep {
            Keep::None => None,
            Keep::Marks => Some(Selection::Marks),
            Keep::Copyright | Keep::All => Some(Selection::Rights),
        };
        let wanted = |p: &&Element| Selection::GainMap.wants(p) || others.is_some_and(|others| others.wants(p));
        let mut chosen: Vec<_> = self.properties.iter().filter(wanted).collect();
        chosen.push(&directory);
        write::packet(&chosen)
    }

    /// Serializes a packet with all properties and the announcement of a gain map of this length.
    pub(super) fn with_gain_map(mut self, length: u64) -> Vec<u8> {
        self.properties.push(Element::simple(Name::usual(ns::HDR_GAIN_MAP, "Version"), "1.0".to_owned()));
        self.properties.push(container::directory(&length.to_string()));
        write::packet(&self.properties.iter().collect::<Vec<_>>())
    }

    /// Serializes a packet with simple properties: namespace, local name and value.
    pub(super) fn of_properties(properties: &[(&str, &str, String)]) -> Vec<u8> {
        let property = |(namespace, local, value): &(&str, &str, String)| {
            Element::simple(Name::usual(namespace, local), value.clone())
        };
        let properties: Vec<_> = properties.iter().map(property).collect();
        write::packet(&properties.iter().collect::<Vec<_>>())
    }

    /// Serializes a packet with properties of the gain map specification, each with one value or one for each channel.
    pub(super) fn of_gain_map(properties: &[(&str, Vec<String>)]) -> Vec<u8> {
        let property = |(local, values): &(&str, Vec<String>)| {
            let name = Name::usual(ns::HDR_GAIN_MAP, local);
            if let [value] = values.as_slice() {
                return Element::simple(name, value.clone());
            }
            let items = values.iter().map(|value| Element::simple(Name::usual(ns::RDF, "li"), value.clone())).collect();
            Element::with_children(name, vec![Element::with_children(Name::usual(ns::RDF, "Seq"), items)])
        };
        let properties: Vec<_> = properties.iter().map(property).collect();
        write::packet(&properties.iter().collect::<Vec<_>>())
    }

    /// The texts of a property: one if it is simple, those of its items if it is a list, none if it is absent.
    pub(super) fn texts(&self, namespace: &str, local: &str) -> Vec<&str> {
        let Some(property) = self.properties.iter().find(|p| p.name.is(namespace, local)) else { return Vec::new() };
        match property.children.first() {
            Some(list) => list.children.iter().map(|item| item.text.as_str()).collect(),
            None => vec![property.text.as_str()],
        }
    }

    /// Adds creator, credit and copyright from IPTC, mapped as in the IPTC Photo Metadata Standard, if XMP does not
    /// contain them.
    pub(super) fn add_iptc_rights(&mut self, iptc: &Map<String, Value>) {
        for (key, namespace, local, list) in [
            ("By-line", ns::DC, "creator", Some("Seq")),
            ("Credit", ns::PHOTOSHOP, "Credit", None),
            ("CopyrightNotice", ns::DC, "rights", Some("Alt")),
        ] {
            let said = self.properties.iter().any(|p| p.name.is(namespace, local));
            if let (Some(value), false) = (iptc.get(key), said) {
                self.properties.push(iptc_property(value, namespace, local, list));
            }
        }
    }

    /// The text of a simple property.
    pub(super) fn text(&self, namespace: &str, local: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name.is(namespace, local)).map(|p| p.text.as_str())
    }
}

fn iptc_property(value: &Value, namespace: &str, local: &str, list: Option<&str>) -> Element {
    let texts: Vec<_> = match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    };
    let name = Name::usual(namespace, local);
    let Some(list) = list else { return Element::simple(name, texts.join(", ")) };
    let item = |text: &str| {
        let mut item = Element::simple(Name::usual(ns::RDF, "li"), text.to_owned());
        if list == "Alt" {
            item.attributes.push((Name::usual(ns::XML, "lang"), "x-default".to_owned()));
        }
        item
    };
    let items = texts.into_iter().map(item).collect();
    Element::with_children(name, vec![Element::with_children(Name::usual(ns::RDF, list), items)])
}

/// Packets are UTF-8 in every container, but some are stored as UTF-16.
fn decode(packet: &[u8]) -> String {
    let utf16 = |to_u16: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.chunks_exact(2).map(|pair| to_u16([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match packet {
        [0xfe, 0xff, rest @ ..] => utf16(u16::from_be_bytes, rest),
        [0xff, 0xfe, rest @ ..] => utf16(u16::from_le_bytes, rest),
        [0, b'<', ..] => utf16(u16::from_be_bytes, packet),
        [b'<', 0, ..] => utf16(u16::from_le_bytes, packet),
        // The padding after the packet may consist of zero bytes, which are not valid XML.
        _ => String::from_utf8_lossy(packet).trim_end_matches('\0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;
    use serde_json::json;

    const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="6" exif:GPSLatitude="52,30.1N">
<d:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) A &amp; B</rdf:li></rdf:Alt></d:rights>
<d:subject><rdf:Bag><rdf:li>one</rdf:li><rdf:li>two</rdf:li></rdf:Bag></d:subject>
<exif:Flash rdf:parseType="Resource"><exif:Fired>False</exif:Fired></exif:Flash>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#;

    fn json_of(packet: &[u8]) -> Value {
        let cancellation = Cancellation::unbounded();
        let xmp = Xmp::new(&[packet.to_vec()], &Meter::new(packet.len() as u64, &cancellation)).unwrap();
        assert_eq!(xmp.warnings, Vec::<String>::new());
        Value::Object(xmp.to_json())
    }

    #[test]
    fn the_data_model_becomes_json() {
        let expected = json!({
            "tiff:Orientation": "6",
            "exif:GPSLatitude": "52,30.1N",
            "dc:rights": { "x-default": "(c) A & B" },
            "dc:subject": ["one", "two"],
            "exif:Flash": { "exif:Fired": "False" },
        });
        assert_eq!(json_of(PACKET.as_bytes()), expected);
        let utf16: Vec<u8> = PACKET.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(json_of(&utf16), expected);
    }

    #[test]
    fn selected_properties_are_written_and_read_back() {
        let cancellation = Cancellation::unbounded();
        let meter = Meter::new(1 << 20, &cancellation);
        let xmp = Xmp::new(&[PACKET.as_bytes().to_vec()], &meter).unwrap();
        let rights = xmp.select(Selection::Rights).unwrap();
        assert_eq!(json_of(&rights), json!({ "dc:rights": { "x-default": "(c) A & B" } }));
        let all = xmp.select(Selection::Transformed).unwrap();
        let expected = json!({
            "exif:GPSLatitude": "52,30.1N",
            "dc:rights": { "x-default": "(c) A & B" },
            "dc:subject": ["one", "two"],
            "exif:Flash": { "exif:Fired": "False" },
        });
        assert_eq!(json_of(&all), expected);
        assert_eq!(Xmp::new(std::slice::from_ref(&all), &meter).unwrap().select(Selection::Transformed), Some(all));
        assert_eq!(xmp.select(Selection::GainMap), None);
    }
}
