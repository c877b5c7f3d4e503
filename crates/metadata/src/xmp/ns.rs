//! The namespaces of XMP (ISO 16684-1 and -2, IPTC Photo Metadata, and vendors' namespaces).

pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
pub(crate) const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
pub(crate) const META: &str = "adobe:ns:meta/";
pub(crate) const DC: &str = "http://purl.org/dc/elements/1.1/";
pub(crate) const DC_TERMS: &str = "http://purl.org/dc/terms/";
pub(crate) const XMP: &str = "http://ns.adobe.com/xap/1.0/";
pub(crate) const RIGHTS: &str = "http://ns.adobe.com/xap/1.0/rights/";
pub(crate) const NOTE: &str = "http://ns.adobe.com/xmp/note/";
pub(crate) const TIFF: &str = "http://ns.adobe.com/tiff/1.0/";
pub(crate) const EXIF: &str = "http://ns.adobe.com/exif/1.0/";
pub(crate) const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";
pub(crate) const IPTC_CORE: &str = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/";
pub(crate) const IPTC_EXT: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
pub(crate) const PLUS: &str = "http://ns.useplus.org/ldf/xmp/1.0/";
pub(crate) const CC: &str = "http://creativecommons.org/ns#";
pub(crate) const HDR_GAIN_MAP: &str = "http://ns.adobe.com/hdr-gain-map/1.0/";
pub(crate) const APPLE_PIXEL_DATA: &str = "http://ns.apple.com/pixeldatainfo/1.0/";
pub(crate) const APPLE_GAIN_MAP: &str = "http://ns.apple.com/HDRGainMap/1.0/";
pub(crate) const CONTAINER: &str = "http://ns.google.com/photos/1.0/container/";
pub(crate) const CONTAINER_ITEM: &str = "http://ns.google.com/photos/1.0/container/item/";
pub(crate) const GOOGLE_CAMERA: &str = "http://ns.google.com/photos/1.0/camera/";
pub(crate) const GOOGLE_DEPTH: &str = "http://ns.google.com/photos/1.0/depthmap/";
pub(crate) const REGIONS: &str = "http://www.metadataworkinggroup.com/schemas/regions/";
pub(crate) const AREA: &str = "http://ns.adobe.com/xmp/sType/Area#";
pub(crate) const GOOGLE_IMAGE: &str = "http://ns.google.com/photos/1.0/image/";

/// The usual prefix of a namespace, regardless of the one in a file.
pub(super) fn usual_prefix(namespace: &str) -> Option<&'static str> {
    Some(match namespace {
        DC => "dc",
        DC_TERMS => "dcterms",
        XMP => "xmp",
        RIGHTS => "xmpRights",
        NOTE => "xmpNote",
        TIFF => "tiff",
        EXIF => "exif",
        PHOTOSHOP => "photoshop",
        IPTC_CORE => "Iptc4xmpCore",
        IPTC_EXT => "Iptc4xmpExt",
        PLUS => "plus",
        CC => "cc",
        HDR_GAIN_MAP => "hdrgm",
        APPLE_PIXEL_DATA => "apdi",
        APPLE_GAIN_MAP => "HDRGainMap",
        CONTAINER => "Container",
        CONTAINER_ITEM => "Item",
        GOOGLE_CAMERA => "GCamera",
        GOOGLE_DEPTH => "GDepth",
        GOOGLE_IMAGE => "GImage",
        RDF => "rdf",
        XML => "xml",
        "http://cipa.jp/exif/1.0/" => "exifEX",
        "http://ns.adobe.com/exif/1.0/aux/" => "aux",
        "http://ns.adobe.com/xap/1.0/mm/" => "xmpMM",
        "http://ns.adobe.com/xap/1.0/bj/" => "xmpBJ",
        "http://ns.adobe.com/xap/1.0/t/pg/" => "xmpTPg",
        "http://ns.adobe.com/xmp/1.0/DynamicMedia/" => "xmpDM",
        "http://ns.adobe.com/xap/1.0/sType/ResourceRef#" => "stRef",
        "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" => "stEvt",
        "http://ns.adobe.com/camera-raw-settings/1.0/" => "crs",
        "http://ns.adobe.com/lightroom/1.0/" => "lr",
        REGIONS => "mwg-rs",
        "http://ns.microsoft.com/photo/1.0/" => "MicrosoftPhoto",
        _ => return None,
    })
}
