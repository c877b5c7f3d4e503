//! Several places for the same keys: the first that has an original answers, and the next is asked where one has none.
//!
//! Each place has its own limit of bytes. With more than one place, entity tags begin with the number of their place,
//! because two places may use the same tag for different content.

use futures_util::StreamExt as _;

use super::{
    BoxFuture, ByteStream, Content, GetOptions, GetResult, Object, ObjectMeta, OpenError, Source, SourceError,
};

/// One of the places.
pub(super) struct Place {
    pub(super) source: Box<dyn Source>,
    /// The maximum size of an original in bytes, if it is lower than that of the origin.
    pub(super) max_bytes: Option<u64>,
}

/// The places, in the order in which they are asked.
pub(super) struct Chain(pub(super) Vec<Place>);

impl Chain {
    async fn get(&self, options: GetOptions<'_>) -> Result<GetResult, SourceError> {
        for (index, place) in self.0.iter().enumerate() {
            let of_place = |tag: &'_ str| self.of_place(index, tag).map(str::to_owned);
            let if_none_match = options.if_none_match.and_then(of_place);
            let asked = GetOptions { if_none_match: if_none_match.as_deref(), ..options.clone() };
            match place.source.open(asked).await {
                Err(SourceError::NotFound) => {}
                Err(error) => return Err(error),
                Ok(GetResult::NotModified(meta)) => return Ok(GetResult::NotModified(self.named(index, meta))),
                Ok(GetResult::Object(object)) => {
                    let object = place.bounded(object)?;
                    return Ok(GetResult::Object(Object { meta: self.named(index, object.meta), ..object }));
                }
            }
        }
        Err(SourceError::NotFound)
    }

    /// The tag without the number of its place, if it is one of this place.
    fn of_place<'t>(&self, index: usize, tag: &'t str) -> Option<&'t str> {
        if self.0.len() == 1 { Some(tag) } else { tag.strip_prefix(&format!("{index}.")) }
    }

    /// The metadata of an original in this place.
    fn named(&self, index: usize, meta: ObjectMeta) -> ObjectMeta {
        if self.0.len() == 1 {
            return meta;
        }
        let etag = meta.etag.map(|tag| format!("{index}.{tag}"));
        // An original that appears in an earlier place may be older than the one that it replaces.
        ObjectMeta { etag, modified: None, ..meta }
    }
}

impl Place {
    /// The object, whose content ends in an error where it exceeds the limit.
    fn bounded(&self, object: Object) -> Result<Object, SourceError> {
        let Some(allowed) = self.max_bytes else { return Ok(object) };
        object.check_length(allowed)?;
        let content = match object.content {
            Content::Stream(stream) => Content::Stream(at_most(allowed, stream)),
            content => content,
        };
        Ok(Object { content, ..object })
    }
}

/// The stream, which ends in an error after `allowed` bytes.
fn at_most(allowed: u64, stream: ByteStream) -> ByteStream {
    let mut length = 0;
    Box::pin(stream.map(move |piece| {
        let piece = piece?;
        length += piece.len() as u64;
        if length > allowed { Err(SourceError::TooLarge { length, allowed }) } else { Ok(piece) }
    }))
}

impl Source for Chain {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(self.get(options))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(async {
            for place in &self.0 {
                place.source.check().await?;
            }
            Ok(())
        })
    }

    fn parameters(&self) -> &'static [&'static str] {
        let parameters = self.0.iter().map(|place| place.source.parameters());
        parameters.max_by_key(|parameters| parameters.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::source::Key;

    /// A source that has one key, with this tag and these bytes.
    struct Having(&'static str, &'static str, &'static [u8]);

    impl Source for Having {
        fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
            let Self(key, tag, bytes) = *self;
            Box::pin(async move {
                let meta = ObjectMeta { etag: Some(tag.to_owned()), ..ObjectMeta::default() };
                match options.key.as_str() {
                    "busy" => Err(SourceError::Busy),
                    asked if asked != key => Err(SourceError::NotFound),
                    _ if options.if_none_match == Some(tag) => Ok(GetResult::NotModified(meta)),
                    _ => {
                        let pieces = futures_util::stream::iter(bytes.chunks(2).map(|piece| Ok(Bytes::from(piece))));
                        Ok(GetResult::Object(Object { meta, content: Content::Stream(Box::pin(pieces)) }))
                    }
                }
            })
        }
    }

    fn chain(places: Vec<(Having, Option<u64>)>) -> Chain {
        let place = |(source, max_bytes)| Place { source: Box::new(source), max_bytes };
        Chain(places.into_iter().map(place).collect())
    }

    async fn read(chain: &Chain, path: &str, held: Option<&str>) -> Result<(String, String), SourceError> {
        let key = Key::from_url_path(path).unwrap();
        let options = GetOptions { key: &key, version: None, if_none_match: held, deadline: Instant::now() };
        match chain.open(options).await? {
            GetResult::Object(object) => {
                let tag = object.meta.etag.clone().unwrap();
                Ok((tag, String::from_utf8(object.read(100).await?.to_vec()).unwrap()))
            }
            GetResult::NotModified(meta) => Ok((meta.etag.unwrap(), "unchanged".to_owned())),
        }
    }

    #[tokio::test]
    async fn the_next_place_is_asked_where_one_has_nothing() {
        let chain = chain(vec![(Having("a", "t", b"first"), None), (Having("b", "t", b"second"), None)]);
        let answered = |tag: &str, text: &str| Ok((tag.to_owned(), text.to_owned()));
        let table = [
            ("a", None, answered("0.t", "first")),
            ("b", None, answered("1.t", "second")),
            ("a", Some("0.t"), answered("0.t", "unchanged")),
            ("b", Some("1.t"), answered("1.t", "unchanged")),
            // The same tag in another place is of other content.
            ("a", Some("1.t"), answered("0.t", "first")),
            ("b", Some("t"), answered("1.t", "second")),
            ("c", None, Err(SourceError::NotFound)),
            ("busy", None, Err(SourceError::Busy)),
        ];
        for (path, held, expected) in table {
            assert_eq!(read(&chain, path, held).await, expected, "{path} {held:?}");
        }
    }

    #[tokio::test]
    async fn each_place_has_its_limit() {
        let both = chain(vec![(Having("a", "t", b"12345"), Some(4)), (Having("b", "t", b"12345"), Some(5))]);
        let too_large = Err(SourceError::TooLarge { length: 5, allowed: 4 });
        assert_eq!((read(&both, "a", None).await, read(&both, "b", None).await.is_ok()), (too_large, true));
        let one = chain(vec![(Having("a", "t", b"1"), None)]);
        assert_eq!(
            read(&one, "a", Some("t")).await,
            Ok(("t".to_owned(), "unchanged".to_owned())),
            "no number is needed"
        );
    }
}
