//! Regions that photo software marks (Metadata Working Group, "Guidelines for Handling Image Metadata" 2.0, section 5.9).
//!
//! Input: the properties of a file. Output: the bounding box of the most important kind of region.

use super::dom::Element;
use super::{Xmp, ns};
use crate::focus::MarkedArea;

/// Regions that are read of one file.
const MAX_REGIONS: usize = 256;

/// What regions are of, from what matters most on. Bar codes are no subjects.
const KINDS: [&str; 3] = ["Focus", "Face", "Pet"];

impl Xmp {
    /// The area of all regions of the kind that matters most.
    pub(crate) fn marked_area(&self) -> Option<MarkedArea> {
        let lists = self.properties.iter().filter(|property| property.name.is(ns::REGIONS, "Regions"));
        let lists = lists.flat_map(|regions| members(regions, ns::REGIONS, "RegionList"));
        let items = lists.flat_map(|list| &list.children).flat_map(|bag| &bag.children);
        let regions: Vec<(&str, MarkedArea)> = items.take(MAX_REGIONS).filter_map(region).collect();
        KINDS.into_iter().find_map(|kind| {
            let of_kind = regions.iter().filter(|(of, _)| *of == kind).map(|(_, area)| *area);
            of_kind.reduce(MarkedArea::with)
        })
    }
}

/// What a region is of, and where it lies. Areas are given by their middle.
fn region(item: &Element) -> Option<(&str, MarkedArea)> {
    let area = members(item, ns::REGIONS, "Area").next()?;
    if value(area, ns::AREA, "unit").is_some_and(|unit| unit != "normalized") {
        return None;
    }
    let number = |name: &str| value(area, ns::AREA, name)?.trim().parse::<f64>().ok();
    // A point has no size, and a circle has a diameter.
    let diameter = number("d").unwrap_or(0.0);
    let side = |name: &str| match value(area, ns::AREA, name) {
        Some(_) => number(name),
        None => Some(diameter),
    };
    let area = MarkedArea::around((number("x")?, number("y")?), (side("w")?, side("h")?))?;
    Some((value(item, ns::REGIONS, "Type")?, area))
}

/// The members of a structure of this name, with or without a description around them (ISO 16684-1, 7.9.2).
fn members<'a>(structure: &'a Element, namespace: &'a str, local: &'a str) -> impl Iterator<Item = &'a Element> {
    let described = structure.children.iter().filter(|child| child.name.is(ns::RDF, "Description"));
    let members = structure.children.iter().chain(described.flat_map(|description| &description.children));
    members.filter(move |member| member.name.is(namespace, local))
}

/// The text of a simple member, which may be an attribute.
fn value<'a>(structure: &'a Element, namespace: &'a str, local: &'a str) -> Option<&'a str> {
    let described = structure.children.iter().filter(|child| child.name.is(ns::RDF, "Description"));
    let mut holders = std::iter::once(structure).chain(described);
    let attribute = holders.find_map(|holder| holder.attribute(namespace, local));
    attribute.or_else(|| members(structure, namespace, local).next().map(|member| member.text.as_str()))
}
