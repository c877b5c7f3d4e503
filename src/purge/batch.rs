//! The XML document of an invalidation: CloudFront's `InvalidationBatch`
//! (<https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html>).

use quick_xml::escape::escape;
use quick_xml::events::Event;

/// The maximum number of items without a wildcard in a call, CloudFront's limit for concurrent invalidations.
pub const MAX_ITEMS: usize = 3000;

/// The maximum number of wildcard paths in a call, by the same limit.
pub const MAX_WILDCARDS: usize = 15;

/// The items of one `CreateInvalidation` call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Cache tags with a leading `#`, and paths with a leading slash and possibly a trailing wildcard `*`.
    pub items: Vec<String>,
    /// The caller reference: CloudFront treats calls with the same reference as one invalidation.
    pub reference: String,
}

/// The error of parsing an invalidation batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The document is not XML, or a required element is missing.
    #[error("the document is not an InvalidationBatch")]
    Malformed,
    /// The batch has no items, more than [`MAX_ITEMS`], or an item that is neither a tag nor a path.
    #[error("invalid items: expected 1 to 3000 paths with a leading slash or tags with a leading #")]
    Items,
}

impl Batch {
    /// Splits items into batches within CloudFront's limits, each with its own caller reference that begins with
    /// `reference`.
    pub fn grouped(items: Vec<String>, reference: &str) -> Vec<Self> {
        let (wildcards, single): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.starts_with('/') && item.ends_with('*'));
        let groups = single.chunks(MAX_ITEMS).chain(wildcards.chunks(MAX_WILDCARDS));
        let batch =
            |(at, items): (usize, &[String])| Self { items: items.to_vec(), reference: format!("{reference}-{at}") };
        groups.enumerate().map(batch).collect()
    }

    /// Serializes the batch to XML.
    pub fn to_xml(&self) -> String {
        let paths: String = self.items.iter().map(|item| format!("<Path>{}</Path>", escape(item))).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>{}</Quantity>\
             <Items>{paths}</Items></Paths><CallerReference>{}</CallerReference></InvalidationBatch>",
            self.items.len(),
            escape(&self.reference)
        )
    }

    /// Parses the batch from XML.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn from_xml(xml: &str) -> Result<Self, BatchError> {
        let mut items = Vec::new();
        let mut reference = None;
        for (element, text) in texts(xml).ok_or(BatchError::Malformed)? {
            match element.as_str() {
                "Path" => items.push(text),
                "CallerReference" => reference = Some(text),
                _ => {}
            }
        }
        let is_item = |item: &String| item.starts_with('/') || item.len() > 1 && item.starts_with('#');
        if items.is_empty() || items.len() > MAX_ITEMS || !items.iter().all(is_item) {
            return Err(BatchError::Items);
        }
        Ok(Self { items, reference: reference.ok_or(BatchError::Malformed)? })
    }
}

/// The names and contents of a document's text-only elements; `None` if the document is not XML.
pub(super) fn texts(xml: &str) -> Option<Vec<(String, String)>> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut found, mut open, mut text) = (Vec::new(), None, String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open = Some(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(quick_xml::escape::resolve_xml_entity(&entity)?),
            },
            Event::End(end) => {
                if let Some(name) = open.take().filter(|name| end.local_name().as_ref() == name) {
                    found.push((name, std::mem::take(&mut text)));
                }
            }
            Event::Eof => return Some(found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back() {
        let items = ["#k-0123456789abcdef", "/a%20b.jpg*", "/<&\">'", "#shoes:red"].map(str::to_owned).to_vec();
        let batch = Batch { items, reference: "a&b".to_owned() };
        assert_eq!(Batch::from_xml(&batch.to_xml()), Ok(batch.clone()));
        assert!(batch.to_xml().contains("<Quantity>4</Quantity>"));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let batch = |paths: &str| {
            format!(
                "<InvalidationBatch><Paths><Items>{paths}</Items></Paths><CallerReference>x</CallerReference></InvalidationBatch>"
            )
        };
        let table = [
            (String::new(), BatchError::Items),
            ("<a><Path>".to_owned(), BatchError::Items),
            ("<a></b>".to_owned(), BatchError::Malformed),
            ("<a>&unknown;</a>".to_owned(), BatchError::Malformed),
            (batch(""), BatchError::Items),
            (batch("<Path>a</Path>"), BatchError::Items),
            (batch("<Path>#</Path>"), BatchError::Items),
            (batch(&"<Path>/</Path>".repeat(MAX_ITEMS + 1)), BatchError::Items),
            ("<a><Path>/x</Path></a>".to_owned(), BatchError::Malformed),
        ];
        for (xml, error) in table {
            assert_eq!(Batch::from_xml(&xml), Err(error), "{}", &xml[..xml.len().min(100)]);
        }
    }

    #[test]
    fn calls_stay_within_what_is_worked_on_at_once() {
        let items: Vec<_> = (0..6001).map(|at| format!("#k-{at}")).chain((0..31).map(|at| format!("/{at}*"))).collect();
        let batches = Batch::grouped(items.clone(), "r");
        assert_eq!(batches.iter().map(|batch| batch.items.len()).collect::<Vec<_>>(), [3000, 3000, 1, 15, 15, 1]);
        let mut references: Vec<_> = batches.iter().map(|batch| &batch.reference).collect();
        references.dedup();
        assert_eq!(references.len(), 6);
        let mut all: Vec<_> = batches.iter().flat_map(|batch| batch.items.clone()).collect();
        let mut items = items;
        all.sort();
        items.sort();
        assert!(all == items);
        assert!(Batch::grouped(Vec::new(), "r").is_empty());
    }
}
