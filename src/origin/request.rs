//! Requests: as they come, and parsed.

use http::{HeaderMap, Method, header};
use tokio::time::Instant;

use super::conditional::Variant;
use super::overlays::RequestedOverlay;
use super::settings::{OriginSettings, SvgMode};
use crate::codec::Format;
use crate::query::{Anchor, Answer as Wanted, Download, FormatChoice, Gravity, Transform};
use crate::source::Located;
use crate::transform::Accepted;

/// A request, independent of the handler's protocol.
#[derive(Debug, Clone, Copy)]
pub struct OriginRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as sent, percent-encoded.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The deadline of the handler, if that is earlier than the setting's.
    pub deadline: Option<Instant>,
    /// The id that is included in errors and in the log.
    pub request_id: Option<&'a str>,
}

/// A parsed request: original, version, transform, negotiated formats, variant of the entity tag, deadline.
#[derive(Debug, Clone)]
pub(super) struct ParsedRequest {
    pub(super) located: Located,
    pub(super) version: Option<String>,
    /// The presets that the query names.
    pub(super) presets: Vec<String>,
    /// Whether the query names a revision of the original.
    pub(super) has_revision: bool,
    /// Whether and under which name the client saves the response.
    pub(super) download: Option<Download>,
    /// Without revision and download, which do not change the response's bytes.
    pub(super) transform: Transform,
    pub(super) overlay: Option<RequestedOverlay>,
    pub(super) accepted: Accepted,
    /// Of the overlay as it was when its source was last asked.
    pub(super) variant: Variant,
    pub(super) deadline: Instant,
    /// When the response must be there: later than `deadline`, if a fallback picture may have to be made in between.
    pub(super) end: Instant,
}

impl ParsedRequest {
    /// Whether the focus that is stored with the original decides about the response.
    pub(super) fn uses_focus(&self) -> bool {
        let is_automatic = self.transform.gravity == Gravity::Named(Anchor::Auto);
        self.transform.answer == Wanted::Info || is_automatic
    }

    /// The same request, whose overlay has this entity tag.
    pub(super) fn with_overlay_tag(&self, tag: Option<String>, settings: &OriginSettings) -> Self {
        let overlay = self.overlay.clone().map(|overlay| overlay.with_tag(tag));
        let variant = variant(&self.transform, self.accepted, overlay.as_ref(), settings);
        Self { overlay, variant, ..self.clone() }
    }

    /// Whether the variant is that of the response, unless the overlay has changed since its source was last asked.
    pub(super) fn has_known_variant(&self) -> bool {
        self.overlay.as_ref().is_none_or(|overlay| overlay.tag.is_some())
    }

    /// The key by which equal requests are coalesced. A version may contain anything, but a key no NUL, and a variant is a digest.
    pub(super) fn id(&self) -> String {
        format!("{}\n{}\0{}", self.variant.as_str(), self.located.id(), self.version.as_deref().unwrap_or_default())
    }
}

/// The host that a request was sent to, in lower case and without its port; `None` if it names none, or several.
pub(super) fn host(headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let host = host.to_str().ok()?.to_ascii_lowercase();
    // The address of IPv6 contains colons, too, and stands in brackets.
    let end = host.rfind(']').map_or(0, |at| at + 1);
    let name = host[end..].find(':').map_or(host.as_str(), |colon| &host[..end + colon]);
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The digest of everything that decides the bytes of a response besides the original.
pub(super) fn variant(
    transform: &Transform,
    accepted: Accepted,
    overlay: Option<&RequestedOverlay>,
    settings: &OriginSettings,
) -> Variant {
    let (expose, speed) = (settings.expose_metadata.name(), settings.avif_speed.to_string());
    let setting = match transform.answer {
        Wanted::Picture if transform.is_original() => None,
        Wanted::Picture => Some(("avif_speed", speed.as_str())),
        Wanted::Info => None,
        Wanted::Metadata => Some(("expose_metadata", expose)),
    };
    let (query, accept) = (transform.canonical(), accepted.canonical());
    let parts = [("query", query.as_str()), ("accept", accept.as_str())];
    let svg = (settings.svg != SvgMode::Sanitize).then_some(("svg", settings.svg.name()));
    let marks = (!settings.keep_ai_marks).then_some(("keep_ai_marks", "false"));
    let fonts = fonts().map(|digest| format!("{digest:016x}"));
    let fonts = fonts.as_deref().map(|digest| ("svg_fonts", digest));
    let overlay = overlay.map(RequestedOverlay::id);
    let overlay = overlay.as_deref().map(|id| ("overlay", id));
    let rest = [svg, marks, fonts, overlay].into_iter().flatten();
    Variant::new(&parts.into_iter().chain(setting).chain(rest).collect::<Vec<_>>())
}

/// A digest of the fonts for the text of drawings, if there are any.
fn fonts() -> Option<u64> {
    #[cfg(feature = "svg-text")]
    return crate::codec::svg_fonts();
    #[cfg(not(feature = "svg-text"))]
    None
}

/// The formats that `Accept` allows; none unless the query leaves the choice of the format to the server.
pub(super) fn accepted(transform: &Transform, headers: &HeaderMap, formats: &[Format]) -> Accepted {
    if transform.output.format != Some(FormatChoice::Auto) {
        return Accepted::default();
    }
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Accepted::from_header(&values.collect::<Vec<_>>().join(","), formats)
}
