//! A bound on the work of rendering a drawing, known before it is begun: a renderer that cannot be interrupted expands
//! references, and repeats inherited properties for each element.
//!
//! Elements are counted as often as references repeat them; characters of text and functions of filters count as elements.
//! Properties that elements inherit, or that a style sheet sets, count for every element that they may apply to.

use std::collections::HashMap;

use super::Error;
use super::css;
use super::xml::{Element, Event, Reader};
use image_origin_container::Meter;

/// The maximum number of elements after all references are expanded. Detailed maps have some ten thousand.
const MAX_ELEMENTS: u64 = 50_000;
/// The maximum depth of elements after all references are expanded.
const MAX_DEPTH: u64 = 128;
/// The maximum length in bytes of attributes and text after all references are expanded, without embedded pictures.
const MAX_DATA: u64 = 4 << 20;
/// The maximum length in bytes of embedded pictures after all references are expanded.
const MAX_PICTURES: u64 = 48 << 20;
/// The maximum number of attributes that are looked at when every element searches its ancestors for a property.
const MAX_LOOKUPS: u64 = 6_000_000;
/// The maximum number of comparisons of selectors with elements, counted in bytes of selectors. The renderer tries all
/// combinations of ancestors for the parts of a selector.
const MAX_MATCHES: u64 = 40_000_000;
/// The maximum number of steps for finding definitions that refer to themselves.
const MAX_SEARCH: u64 = 60_000_000;

/// The maximum sum, over elements of text, of their spans times the bytes of their text: a third of a microsecond each, since the
/// renderer goes through all of the text for each span.
const MAX_SPANS: u64 = 4_000_000;
/// The maximum number of digits before the point where there is text on a path: the renderer never finds the place of a letter on
/// a segment so long that its length has no fraction.
const MAX_DIGITS: u64 = 6;
/// The maximum number of arcs and closings in a row in a path: the renderer's reader calls itself for each that draws nothing.
const MAX_IN_A_ROW: u64 = 1000;
/// The least number of numbers that an arc is written with, whose two flags and the number after them may be written as one.
const ARC_NUMBERS: u64 = 5;

/// The maximum number of tags of a drawing that is looked at: a start and an end for each element, and as many again of
/// what is removed.
const MAX_TAGS: u64 = 4 * MAX_ELEMENTS;

/// Refuses a drawing, sanitised or not, that has far more tags than are rendered, without reading it.
///
/// # Errors
/// [`Error::TooMuch`], and [`Error::Exhausted`].
pub fn check_tags(text: &str, meter: &Meter<'_>) -> Result<(), Error> {
    meter.steps(text.len() as u64 / 64)?;
    let tags = text.bytes().filter(|byte| *byte == b'<').count() as u64;
    if tags > MAX_TAGS {
        let allowed = usize::try_from(MAX_TAGS).unwrap_or(usize::MAX);
        return Err(Error::TooMuch { what: "the number of tags", allowed });
    }
    Ok(())
}

/// What a drawing contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complexity {
    /// The number of elements after all references are expanded, with characters of text and functions of filters.
    pub elements: u64,
    /// Whether it has text, which takes fonts.
    pub has_text: bool,
}

/// Counts what rendering a sanitised drawing takes.
///
/// # Errors
/// [`Error::TooMuch`] if it exceeds what is rendered, [`Error::NotWellFormed`] if a definition refers to itself, and the
/// errors of reading.
pub fn complexity(text: &str, meter: &Meter<'_>) -> Result<Complexity, Error> {
    let drawing = Drawing::read(text, meter)?;
    let totals = drawing.expand(meter)?;
    let elements = u64::try_from(drawing.nodes.len()).unwrap_or(u64::MAX);
    let shared = drawing.shared(&totals);
    let expanded = totals.first().copied().unwrap_or_default();
    // Every element may get what a style sheet refers to.
    let count = expanded.elements.saturating_add(elements.saturating_mul(shared.elements));
    let search = drawing.search(!drawing.sheet_links.is_empty());
    let limits = [
        (count, MAX_ELEMENTS, "the number of elements, with references expanded,"),
        (expanded.depth.saturating_add(shared.depth), MAX_DEPTH, "the depth of elements, with references expanded,"),
        (
            expanded.data.saturating_add(elements.saturating_mul(shared.data)),
            MAX_DATA,
            "the length of attributes and text in bytes, with references expanded,",
        ),
        (expanded.pictures, MAX_PICTURES, "the length of embedded pictures in bytes, with references expanded,"),
        (
            count.saturating_mul(expanded.path_attributes.saturating_add(shared.path_attributes)),
            MAX_LOOKUPS,
            "the number of inherited properties",
        ),
        (
            elements.max(expanded.elements).saturating_mul(drawing.comparisons(expanded.depth)),
            MAX_MATCHES,
            "the number of selectors and elements",
        ),
        (search, MAX_SEARCH, "the number of nested definitions"),
        (
            expanded.spans.saturating_add(elements.saturating_mul(shared.spans)),
            MAX_SPANS,
            "the number of spans of text times its length",
        ),
        (
            if drawing.has_text_path { drawing.digits } else { 0 },
            MAX_DIGITS,
            "the number of digits of a coordinate in a drawing with text on a path",
        ),
        (drawing.in_a_row, MAX_IN_A_ROW, "the number of arcs and closings in a row in a path"),
    ];
    for (found, allowed, what) in limits {
        if found > allowed {
            return Err(Error::TooMuch { what, allowed: usize::try_from(allowed).unwrap_or(usize::MAX) });
        }
    }
    Ok(Complexity { elements: count, has_text: drawing.has_text })
}

/// A reference from an element to another.
#[derive(Debug, Clone)]
struct Link {
    id: String,
    /// The property, or `href`.
    property: Property,
}

/// How often a reference is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Property {
    /// Once for the element.
    Own,
    /// Once for each element below it.
    Inherited,
    /// Once for each vertex of each path below it.
    Marker,
}

impl Property {
    /// The kind of a property, or attribute, with this name.
    fn of(name: &str) -> Self {
        match name.trim() {
            "fill" | "stroke" => Self::Inherited,
            "marker" | "marker-start" | "marker-mid" | "marker-end" => Self::Marker,
            _ => Self::Own,
        }
    }
}

#[derive(Debug, Default)]
struct Node {
    /// The index after the last element below this one.
    end: usize,
    /// The number of definitions around it that usvg searches for recursion, itself included.
    definitions: u64,
    attributes: u64,
    /// The characters of text and the functions of filters.
    extra: u64,
    data: u64,
    pictures: u64,
    /// In an element of text, its spans times the bytes of its text.
    spans: u64,
    vertices: u64,
    /// The sum of the vertices of all elements before, each of which counts as one at least.
    vertices_before: u64,
    links: Vec<Link>,
}

/// Sums over an element, what is below it, and what these refer to.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    elements: u64,
    depth: u64,
    data: u64,
    pictures: u64,
    spans: u64,
    path_attributes: u64,
}

impl Totals {
    /// Adds so many copies of another.
    fn add(&mut self, other: Self, count: u64) {
        let sum = |one: u64, other: u64| one.saturating_add(other.saturating_mul(count));
        self.elements = sum(self.elements, other.elements);
        self.data = sum(self.data, other.data);
        self.pictures = sum(self.pictures, other.pictures);
        self.spans = sum(self.spans, other.spans);
        self.depth = self.depth.max(other.depth);
        self.path_attributes = self.path_attributes.max(other.path_attributes);
    }
}

#[derive(Debug, Default)]
struct Drawing {
    /// In the order of the document: the elements below one follow it.
    nodes: Vec<Node>,
    ids: HashMap<String, usize>,
    /// The references in style sheets.
    sheet_links: Vec<Link>,
    /// The length of all selectors by the number of ancestors that they name, the last one for all larger numbers.
    selectors: [u64; 16],
    /// The largest number of functions of filters in a rule.
    sheet_functions: u64,
    /// The largest number of arcs and closings in a row in a path.
    in_a_row: u64,
    /// The largest number of digits before the point in coordinates and transforms.
    digits: u64,
    has_text: bool,
    has_text_path: bool,
}

impl Drawing {
    fn read(text: &str, meter: &Meter<'_>) -> Result<Self, Error> {
        let mut reader = Reader::new(text, meter);
        let (mut drawing, mut open, mut in_style) = (Self::default(), Vec::new(), false);
        let mut text_end = None;
        while let Some((event, range)) = reader.next()? {
            match event {
                Event::Start(element) => {
                    if drawing.nodes.len() as u64 >= MAX_ELEMENTS {
                        let allowed = usize::try_from(MAX_ELEMENTS).unwrap_or(usize::MAX);
                        return Err(Error::TooMuch { what: "the number of elements", allowed });
                    }
                    meter.entry::<Node>()?;
                    let around = open.last().map_or(0, |index: &usize| drawing.nodes[*index].definitions);
                    let index = drawing.nodes.len();
                    drawing.start(&element, around, meter)?;
                    drawing.nodes[index].end = index + 1;
                    in_style = element.local == "style" && !element.is_empty;
                    if element.local == "text" {
                        drawing.has_text = true;
                        text_end = text_end.or((!element.is_empty).then_some(open.len()));
                    }
                    if !element.is_empty {
                        open.push(index);
                    }
                }
                Event::End => {
                    in_style = false;
                    if let Some(index) = open.pop() {
                        drawing.nodes[index].end = drawing.nodes.len();
                        if text_end == Some(open.len()) {
                            let below = &mut drawing.nodes[index..];
                            let bytes = below.iter().map(|node| node.extra).sum::<u64>();
                            below[0].spans = bytes.saturating_mul(below.len() as u64);
                        }
                    }
                    text_end = text_end.filter(|end| *end < open.len());
                }
                Event::Text(raw) if in_style => drawing.style_sheet(&reader.replaced(raw)?.text, meter)?,
                Event::CData(sheet) if in_style => drawing.style_sheet(sheet, meter)?,
                _ => {
                    if let Some(node) = open.last().and_then(|index| drawing.nodes.get_mut(*index)) {
                        node.data += range.len() as u64;
                        node.extra += if text_end.is_some() { range.len() as u64 } else { 0 };
                    }
                }
            }
        }
        Ok(drawing)
    }

    fn start(&mut self, element: &Element<'_>, around: u64, meter: &Meter<'_>) -> Result<(), Error> {
        let is_definition = matches!(element.local, "pattern" | "clipPath" | "mask" | "filter");
        let mut node = Node { definitions: around + u64::from(is_definition), ..Node::default() };
        // Links lead elsewhere, and animations are not rendered.
        let follows =
            !matches!(element.local, "a" | "animate" | "animateMotion" | "animateTransform" | "set" | "mpath");
        for attribute in &element.attributes {
            let value = &*attribute.value;
            node.attributes += 1;
            match attribute.local {
                "id" => {
                    meter.hold(value.len() as u64)?;
                    let index = self.nodes.len();
                    self.ids.entry(value.to_owned()).or_insert(index);
                }
                "d" | "points" => {
                    node.vertices = value.len() as u64 / 2 + 1;
                    self.in_a_row = self.in_a_row.max(in_a_row(value));
                }
                "x1" => node.vertices = 2,
                _ => {}
            }
            match attribute.local {
                "href" if value.trim_start().starts_with("data:") => node.pictures += value.len() as u64,
                "href" if follows => {
                    node.data += value.len() as u64;
                    let id = value.trim().trim_start_matches('#').to_owned();
                    push(&mut node.links, Link { id, property: Property::Own }, meter)?;
                }
                "style" => {
                    node.data += value.len() as u64;
                    // Each declaration becomes an attribute.
                    node.attributes += value.split(';').count() as u64;
                    for declaration in value.split(';') {
                        let (name, value) = declaration.split_once(':').unwrap_or_default();
                        node.extra += functions(name, value);
                        links(value, Property::of(name), &mut node.links, meter)?;
                    }
                }
                name => {
                    node.data += value.len() as u64;
                    node.extra += functions(name, value);
                    links(value, Property::of(name), &mut node.links, meter)?;
                }
            }
        }
        self.has_text_path |= element.local == "textPath";
        let of_shapes = element.attributes.iter().filter(|attribute| {
            matches!(attribute.local, "d" | "points" | "transform" | "x" | "y" | "width" | "height" | "r" | "rx" | "ry")
        });
        self.digits = of_shapes.map(|attribute| digits(&attribute.value)).fold(self.digits, u64::max);
        if let Some(last) = self.nodes.last() {
            node.vertices_before = last.vertices_before.saturating_add(last.vertices.max(1));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn style_sheet(&mut self, sheet: &str, meter: &Meter<'_>) -> Result<(), Error> {
        for rule in sheet.split('}') {
            let (selector, block) = rule.split_once('{').unwrap_or_default();
            for selector in selector.split(',') {
                let ancestors = selector.split_ascii_whitespace().count().saturating_sub(1);
                self.selectors[ancestors.min(15)] += selector.len() as u64 + 1;
            }
            for declaration in block.split(';') {
                let (name, value) = declaration.split_once(':').unwrap_or_default();
                self.sheet_functions = self.sheet_functions.max(functions(name, value));
                links(value, Property::of(name), &mut self.sheet_links, meter)?;
            }
        }
        Ok(())
    }

    /// The work of matching all selectors with one element at this depth.
    fn comparisons(&self, depth: u64) -> u64 {
        let (mut combinations, mut choices, mut sum) = (1u64, 1u64, 0u64);
        for (ancestors, length) in self.selectors.iter().enumerate() {
            if ancestors > 0 {
                // The binomial coefficient, and the sum of those so far.
                let ancestors = ancestors as u64;
                choices = choices.saturating_mul(depth.saturating_sub(ancestors - 1)) / ancestors;
                combinations = combinations.saturating_add(choices);
            }
            let all = if ancestors == 15 { 1u64 << depth.min(63) } else { combinations };
            sum = sum.saturating_add(length.saturating_mul(all));
        }
        sum
    }

    fn target(&self, link: &Link) -> Option<usize> {
        self.ids.get(&link.id).copied()
    }

    /// The sums of every element. Elements are visited after all that they contain and refer to.
    fn expand(&self, meter: &Meter<'_>) -> Result<Vec<Totals>, Error> {
        #[derive(Clone, Copy, PartialEq)]
        enum Visit {
            New,
            Open,
            Done,
        }
        let mut totals = vec![Totals::default(); self.nodes.len()];
        let mut visits = vec![Visit::New; self.nodes.len()];
        // The element, its next child, and the number of its links that were followed.
        let mut stack = Vec::new();
        if !self.nodes.is_empty() {
            stack.push((0, 1, 0));
            visits[0] = Visit::Open;
        }
        while let Some((index, child, followed)) = stack.last_mut() {
            meter.step()?;
            let node = &self.nodes[*index];
            let next = if *child < node.end {
                let next = *child;
                *child = self.nodes[next].end;
                Some(next)
            } else if let Some(link) = node.links.get(*followed) {
                *followed += 1;
                self.target(link)
            } else {
                totals[*index] = self.sum(*index, &totals);
                visits[*index] = Visit::Done;
                stack.pop();
                continue;
            };
            let Some(next) = next else { continue };
            match visits[next] {
                Visit::New => {
                    visits[next] = Visit::Open;
                    stack.push((next, next + 1, 0));
                }
                Visit::Open => {
                    let reason = "a definition refers to itself, or to what contains it";
                    return Err(Error::NotWellFormed { reason, line: 1, column: 1 });
                }
                Visit::Done => {}
            }
        }
        Ok(totals)
    }

    /// The sum of an element, whose children and targets are done.
    fn sum(&self, index: usize, totals: &[Totals]) -> Totals {
        let node = &self.nodes[index];
        let mut sum = Totals {
            elements: 1 + node.extra,
            data: node.data,
            pictures: node.pictures,
            spans: node.spans,
            ..Totals::default()
        };
        let mut child = index + 1;
        while child < node.end {
            sum.add(totals[child], 1);
            child = self.nodes[child].end;
        }
        let below = (node.end - index) as u64;
        for link in &node.links {
            let Some(target) = self.target(link) else { continue };
            let count = match link.property {
                Property::Own => 1,
                Property::Inherited => below,
                Property::Marker => {
                    let last = &self.nodes[node.end - 1];
                    last.vertices_before.saturating_add(last.vertices.max(1)) - node.vertices_before
                }
            };
            sum.add(totals[target], count);
        }
        sum.depth += 1;
        sum.path_attributes = sum.path_attributes.saturating_add(node.attributes + 1);
        sum
    }

    /// What an element may get from a style sheet: of each kind of property the largest target.
    fn shared(&self, totals: &[Totals]) -> Totals {
        let mut largest: HashMap<Property, Totals> = HashMap::new();
        for link in &self.sheet_links {
            let Some(target) = self.target(link).map(|target| totals[target]) else { continue };
            let known = largest.entry(link.property).or_default();
            *known = Totals {
                elements: known.elements.max(target.elements),
                depth: known.depth.max(target.depth),
                data: known.data.max(target.data),
                pictures: known.pictures.max(target.pictures),
                spans: known.spans.max(target.spans),
                path_attributes: known.path_attributes.max(target.path_attributes),
            };
        }
        let vertices = self.nodes.iter().map(|node| node.vertices).max().unwrap_or(0).max(1);
        let mut sum = Totals { elements: self.sheet_functions, ..Totals::default() };
        for (property, target) in largest {
            sum.add(target, if property == Property::Marker { vertices } else { 1 });
        }
        sum
    }

    /// A bound on the search for definitions that refer to themselves: every element within definitions, and all that it
    /// refers to, once for each definition around it. With links in style sheets, the search may start again for each.
    fn search(&self, has_sheet_links: bool) -> u64 {
        let size = |index: usize| (self.nodes[index].end - index) as u64;
        let of_sheet = self.sheet_links.iter().filter_map(|link| self.target(link)).map(size).max().unwrap_or(0);
        let (mut steps, mut inside) = (0u64, 0u64);
        for node in self.nodes.iter().filter(|node| node.definitions > 0) {
            let linked =
                node.links.iter().filter_map(|link| self.target(link)).map(size).fold(of_sheet, u64::saturating_add);
            steps = steps.saturating_add(node.definitions.saturating_mul(1 + linked));
            inside += 1;
        }
        if has_sheet_links { steps.saturating_mul(inside.max(1)) } else { steps }
    }
}

/// A bound on the arcs and closings in a row in the data of a path (SVG 2, section 9.3).
fn in_a_row(path: &str) -> u64 {
    // In numbers of an arc.
    let (mut run, mut longest) = (0u64, 0u64);
    let (mut is_arc, mut is_number, mut has_dot, mut last) = (false, false, false, 0);
    for byte in path.bytes() {
        let is_start = match byte {
            b'z' | b'Z' | b'a' | b'A' => {
                (is_arc, is_number) = (matches!(byte, b'a' | b'A'), false);
                run += if is_arc { 0 } else { ARC_NUMBERS };
                false
            }
            b'+' | b'-' => !matches!(last, b'e' | b'E'),
            b'.' => !is_number || has_dot,
            b'0'..=b'9' => !is_number,
            b'e' | b'E' => {
                // A dot after an exponent begins another number.
                has_dot = true;
                false
            }
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b',' => {
                is_number = false;
                false
            }
            _ => {
                (run, is_arc, is_number) = (0, false, false);
                false
            }
        };
        if is_start {
            (is_number, has_dot) = (true, byte == b'.');
            run += u64::from(is_arc);
        } else if byte == b'.' {
            has_dot = true;
        }
        longest = longest.max(run);
        last = byte;
    }
    longest / ARC_NUMBERS
}

/// The largest number of digits before the point of numbers in a value, or `u64::MAX` if one has an exponent that is positive, or
/// if transforms multiply.
fn digits(value: &str) -> u64 {
    let has_exponent = value.as_bytes().windows(2).any(|pair| matches!(pair, [b'e' | b'E', b'0'..=b'9' | b'+']));
    let factors: usize = ["scale", "matrix", "skew"].iter().map(|name| value.matches(name).count()).sum();
    if has_exponent || factors > 1 {
        return u64::MAX;
    }
    let (mut run, mut longest, mut is_fraction) = (0, 0, false);
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' => run += u64::from(!is_fraction),
            _ => (run, is_fraction) = (0, byte == b'.'),
        }
        longest = longest.max(run);
    }
    longest
}

/// Adds the references of a value.
fn links(value: &str, property: Property, links: &mut Vec<Link>, meter: &Meter<'_>) -> Result<(), Error> {
    for id in css::fragments(value) {
        push(links, Link { id: id.to_owned(), property }, meter)?;
    }
    Ok(())
}

/// The number of functions of a filter, each of which is a filter of its own.
fn functions(name: &str, value: &str) -> u64 {
    if name.trim() == "filter" { value.matches('(').count() as u64 } else { 0 }
}

fn push(links: &mut Vec<Link>, link: Link, meter: &Meter<'_>) -> Result<(), Error> {
    meter.entry::<Link>()?;
    meter.hold(link.id.len() as u64)?;
    links.push(link);
    Ok(())
}

#[cfg(test)]
mod tests;
