//! Google's container directory, which lists the images that follow the first one in a file (Ultra HDR image format
//! 1.1).

use super::dom::{Element, Name};
use super::ns;

/// A directory of two JPEG images: the one with the directory, and a gain map of this length.
pub(super) fn directory(gain_map_len: &str) -> Element {
    let items = vec![item(&[("Semantic", "Primary")]), item(&[("Semantic", "GainMap"), ("Length", gain_map_len)])];
    let list = Element::with_children(Name::usual(ns::RDF, "Seq"), items);
    Element::with_children(Name::usual(ns::CONTAINER, "Directory"), vec![list])
}

fn item(fields: &[(&str, &str)]) -> Element {
    let mut item = Element::simple(Name::usual(ns::CONTAINER, "Item"), String::new());
    for (field, value) in [("Mime", "image/jpeg")].iter().chain(fields) {
        item.attributes.push((Name::usual(ns::CONTAINER_ITEM, field), (*value).to_owned()));
    }
    let mut li = Element::with_children(Name::usual(ns::RDF, "li"), vec![item]);
    li.attributes.push((Name::usual(ns::RDF, "parseType"), "Resource".to_owned()));
    li
}
