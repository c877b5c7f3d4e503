//! The namespaces, elements, attributes and CSS functions of a still or animated drawing. Whatever is not listed is
//! removed.

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// No namespace.
    None,
    /// Scalable Vector Graphics.
    Svg,
    /// XML Linking Language, for `xlink:href`.
    XLink,
    /// `xml:lang`, `xml:space`.
    Xml,
    /// Declarations of namespaces.
    Xmlns,
    /// Resource Description Framework, the structure of metadata.
    Rdf,
    /// Creative Commons.
    Cc,
    /// Dublin Core.
    Dc,
    /// Any other.
    Other,
}

impl Namespace {
    pub(super) fn from_uri(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            "http://www.w3.org/2000/svg" => Self::Svg,
            "http://www.w3.org/1999/xlink" => Self::XLink,
            "http://www.w3.org/XML/1998/namespace" => Self::Xml,
            "http://www.w3.org/2000/xmlns/" => Self::Xmlns,
            "http://www.w3.org/1999/02/22-rdf-syntax-ns#" => Self::Rdf,
            "http://creativecommons.org/ns#" | "http://web.resource.org/cc/" => Self::Cc,
            "http://purl.org/dc/elements/1.1/" => Self::Dc,
            _ => Self::Other,
        }
    }
}

/// What an element may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Elements and text.
    Drawing,
    /// Text alone.
    Text,
    /// A style sheet.
    Css,
}

/// The content of an element of the SVG namespace; `None` if it is removed.
pub(super) fn content(element: &str) -> Option<Content> {
    match element {
        "style" => Some(Content::Css),
        "title" | "desc" => Some(Content::Text),
        element => ELEMENTS.binary_search(&element).is_ok().then_some(Content::Drawing),
    }
}

/// Whether an element sets another's attribute in time.
pub(super) fn is_animation(element: &str) -> bool {
    matches!(element, "animate" | "animateMotion" | "animateTransform" | "set")
}

/// Whether an attribute without a namespace stays.
pub(super) fn is_attribute(name: &str) -> bool {
    name.strip_prefix("aria-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_lowercase()))
        || ATTRIBUTES.binary_search(&name).is_ok()
}

/// Whether an animation may set this attribute.
pub(super) fn is_animatable(name: &str) -> bool {
    is_attribute(name) && !matches!(name, "attributeName" | "class" | "href" | "id" | "style")
}

/// Whether a function of CSS, or of an attribute, can load nothing. `url` is checked by its argument.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}

/// Whether an at-rule with rules in its block stays.
pub(super) fn is_at_rule(name: &str) -> bool {
    matches!(name, "media" | "supports" | "keyframes" | "-webkit-keyframes" | "layer")
}

/// SVG 1.1 and SVG 2, appendix "Element Index", without what runs, loads, or contains other languages; sorted.
#[rustfmt::skip]
const ELEMENTS: [&str; 59] = [
    "a", "animate", "animateMotion", "animateTransform", "circle", "clipPath", "defs", "ellipse", "feBlend",
    "feColorMatrix", "feComponentTransfer", "feComposite", "feConvolveMatrix", "feDiffuseLighting",
    "feDisplacementMap", "feDistantLight", "feDropShadow", "feFlood", "feFuncA", "feFuncB", "feFuncG", "feFuncR",
    "feGaussianBlur", "feImage", "feMerge", "feMergeNode", "feMorphology", "feOffset", "fePointLight",
    "feSpecularLighting", "feSpotLight", "feTile", "feTurbulence", "filter", "g", "image", "line", "linearGradient",
    "marker", "mask", "mpath", "path", "pattern", "polygon", "polyline", "radialGradient", "rect", "set",
    "solidColor", "stop", "svg", "switch", "symbol", "text", "textPath", "tref", "tspan", "use", "view",
];

/// SVG 1.1 and SVG 2, appendices "Attribute Index" and "Property Index", without handlers, scripts and what is loaded;
/// sorted. `href` is checked by its value.
#[rustfmt::skip]
const ATTRIBUTES: [&str; 211] = [
    "accumulate", "additive", "alignment-baseline", "amplitude", "attributeName", "attributeType", "azimuth",
    "background-color", "baseFrequency", "baseProfile", "baseline-shift", "begin", "bias", "by", "calcMode", "class",
    "clip", "clip-path", "clip-rule", "clipPathUnits", "color", "color-interpolation", "color-interpolation-filters",
    "color-rendering", "cx", "cy", "d", "diffuseConstant", "direction", "display", "divisor", "dominant-baseline",
    "dur", "dx", "dy", "edgeMode", "elevation", "enable-background", "end", "exponent", "fill", "fill-opacity",
    "fill-rule", "filter", "filterRes", "filterUnits", "flood-color", "flood-opacity", "font", "font-family",
    "font-feature-settings", "font-kerning", "font-size", "font-size-adjust", "font-stretch", "font-style",
    "font-variant", "font-variation-settings", "font-weight", "fr", "from", "fx", "fy",
    "glyph-orientation-horizontal", "glyph-orientation-vertical", "gradientTransform", "gradientUnits", "height",
    "href", "id", "image-rendering", "in", "in2", "intercept", "isolation", "k", "k1", "k2", "k3", "k4",
    "kernelMatrix", "kernelUnitLength", "kerning", "keyPoints", "keySplines", "keyTimes", "lang", "lengthAdjust",
    "letter-spacing", "lighting-color", "limitingConeAngle", "line-height", "marker", "marker-end", "marker-mid",
    "marker-start", "markerHeight", "markerUnits", "markerWidth", "mask", "mask-type", "maskContentUnits",
    "maskUnits", "max", "media", "method", "min", "mix-blend-mode", "mode", "numOctaves", "offset", "opacity",
    "operator", "order", "orient", "origin", "overflow", "paint-order", "path", "pathLength", "patternContentUnits",
    "patternTransform", "patternUnits", "pointer-events", "points", "pointsAtX", "pointsAtY", "pointsAtZ",
    "preserveAlpha", "preserveAspectRatio", "primitiveUnits", "r", "radius", "refX", "refY", "repeatCount",
    "repeatDur", "requiredExtensions", "requiredFeatures", "restart", "result", "role", "rotate", "rx", "ry", "scale",
    "seed", "shape-rendering", "side", "slope", "solid-color", "solid-opacity", "space", "spacing",
    "specularConstant", "specularExponent", "spreadMethod", "startOffset", "stdDeviation", "stitchTiles",
    "stop-color", "stop-opacity", "stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap",
    "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "style", "surfaceScale",
    "systemLanguage", "tableValues", "targetX", "targetY", "text-align", "text-anchor", "text-decoration",
    "text-indent", "text-overflow", "text-rendering", "text-transform", "textLength", "title", "to", "transform",
    "transform-box", "transform-origin", "type", "unicode-bidi", "values", "vector-effect", "version", "viewBox",
    "viewTarget", "visibility", "white-space", "width", "word-spacing", "writing-mode", "x", "x1", "x2",
    "xChannelSelector", "y", "y1", "y2", "yChannelSelector", "z", "zoomAndPan",
];

/// CSS Values and Units 4, Color 5, Images 4, Transforms 2, Filter Effects 1, Shapes 2 and Selectors 4, and the functions
/// of attributes, in lower case, without what loads; sorted.
#[rustfmt::skip]
const FUNCTIONS: [&str; 99] = [
    "abs", "accesskey", "acos", "asin", "atan", "atan2", "blur", "brightness", "calc", "circle", "clamp", "color",
    "color-mix", "conic-gradient", "contrast", "cos", "counter", "counters", "cubic-bezier", "drop-shadow", "ellipse",
    "env", "exp", "format", "grayscale", "has", "hsl", "hsla", "hue-rotate", "hwb", "hypot", "icc-color", "inset",
    "invert", "is", "lab", "lch", "light-dark", "linear", "linear-gradient", "log", "matrix", "matrix3d", "max",
    "min", "mod", "not", "nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type", "oklab", "oklch",
    "opacity", "path", "perspective", "polygon", "pow", "radial-gradient", "ray", "rect", "rem", "repeat",
    "repeating-conic-gradient", "repeating-linear-gradient", "repeating-radial-gradient", "rgb", "rgba", "rotate",
    "rotate3d", "rotatex", "rotatey", "rotatez", "round", "saturate", "scale", "scale3d", "scalex", "scaley",
    "scalez", "sepia", "shape", "sign", "sin", "skew", "skewx", "skewy", "sqrt", "steps", "tan", "translate",
    "translate3d", "translatex", "translatey", "translatez", "var", "wallclock", "where", "xywh",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_hold_nothing_that_runs_or_loads() {
        for list in [ELEMENTS.as_slice(), &ATTRIBUTES, &FUNCTIONS] {
            assert!(list.is_sorted(), "{list:?}");
        }
        for element in ["script", "foreignObject", "iframe", "handler", "audio", "video", "canvas", "font-face-uri"] {
            assert_eq!(content(element), None, "{element}");
        }
        for attribute in ["onload", "src", "srcset", "srcdoc", "data", "action", "base", "ping", "aria-on<", "data-x"] {
            assert!(!is_attribute(attribute), "{attribute}");
        }
        for function in ["url", "src", "image", "image-set", "-webkit-image-set", "attr", "element", "expression"] {
            assert!(!is_function(function), "{function}");
        }
        assert!(is_animatable("fill") && !is_animatable("href") && !is_animatable("onload"));
    }
}
