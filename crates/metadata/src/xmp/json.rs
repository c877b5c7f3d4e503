//! XMP's data model (ISO 16684-1, 6.3 and 7) as JSON: arrays as arrays, structures as objects, language alternatives as
//! objects with the language as key, everything else as text.

use serde_json::{Map, Value};

use super::dom::{Element, Name};
use super::ns;

/// All properties under their usual prefix. If a property occurs twice, the first one is used.
pub(super) fn properties(properties: &[Element]) -> Map<String, Value> {
    let mut out = Map::new();
    for property in properties {
        out.entry(key(&property.name)).or_insert_with(|| value(property));
    }
    out
}

fn key(name: &Name) -> String {
    match ns::usual_prefix(&name.namespace).unwrap_or(&name.prefix) {
        "" => name.local.clone(),
        prefix => format!("{prefix}:{}", name.local),
    }
}

fn value(element: &Element) -> Value {
    if let Some(resource) = element.attribute(ns::RDF, "resource") {
        return resource.into();
    }
    match element.children.as_slice() {
        [list] if list.name.is(ns::RDF, "Seq") || list.name.is(ns::RDF, "Bag") => array(list),
        [list] if list.name.is(ns::RDF, "Alt") => alternatives(list),
        [node] if node.name.is(ns::RDF, "Description") => structure(node),
        [] if fields(element).next().is_none() => Value::String(element.text.clone()),
        _ => structure(element),
    }
}

fn array(list: &Element) -> Value {
    list.children.iter().map(value).collect()
}

fn alternatives(list: &Element) -> Value {
    let by_language: Option<Map<_, _>> =
        list.children.iter().map(|item| Some((item.attribute(ns::XML, "lang")?.to_owned(), value(item)))).collect();
    by_language.filter(|map| !map.is_empty()).map_or_else(|| array(list), Value::Object)
}

/// The attributes that are fields of a structure, not part of RDF.
fn fields(element: &Element) -> impl Iterator<Item = &(Name, String)> {
    element.attributes.iter().filter(|(name, _)| !matches!(&*name.namespace, ns::RDF | ns::XML | ""))
}

fn structure(node: &Element) -> Value {
    // A value with qualifiers (7.8): the qualifiers are ignored.
    if let Some(qualified) = node.children.iter().find(|child| child.name.is(ns::RDF, "value")) {
        return value(qualified);
    }
    let mut out = Map::new();
    for (name, text) in fields(node) {
        out.entry(key(name)).or_insert_with(|| text.clone().into());
    }
    for child in &node.children {
        out.entry(key(&child.name)).or_insert_with(|| value(child));
    }
    Value::Object(out)
}
