//! Processes a parsed request: queue, source, cache, result store, reading, rendering.
//!
//! A place in the queue is acquired first, so that nothing is opened or read for a request that will be rejected.
//! Headers and metadata are processed by a separate pool, so that originals without parameters do not wait for
//! pictures.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::time::Instant;

use super::body::{Body, CHUNK, InMemory, Original, sniffed};
use super::conditional::entity_tag;
use super::download::{Downloads, Look};
use super::job::{Job, refused};
use super::memory::{Account, Room};
use super::outcome::{Outcome, Reply, StoredAnswer};
use super::overlays::{FoundOverlay, Overlays, ReadOverlay};
use super::pool::{Load, Place, Pool};
use super::{Answer, OriginSettings, ParsedRequest, SvgMode};
use crate::codec::{self, Format};
use crate::error::{Code, Problem};
use crate::memory_cache::MemoryCache;
use crate::metadata;
use crate::query::{Answer as Wanted, Focus, Hdr};
use crate::results::{
    Claim, Content as StoredContent, Decision, Finished, Lookup, Record, ResultId, Results, Stats, Stored, Turn,
};
use crate::source::{Content, GetOptions, GetResult, Object, ObjectMeta, Source, SourceError};
use crate::telemetry::{CacheResult, Cost, Gauge};
use crate::transform;

/// The approximate memory overhead of a cache entry in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// The number of originals whose current entity tag is remembered.
const REMEMBERED_TAGS: u32 = 10_000;

/// An original without parameters.
enum Forwarded {
    /// It is sent as it is.
    AsItIs(Outcome),
    /// It is a drawing, which has to be rendered.
    Drawing(Object),
}

/// The state shared by all requests.
pub(super) struct Pipeline {
    pub(super) settings: OriginSettings,
    /// The pool for pictures.
    pixels: Pool,
    /// The pool for headers and metadata.
    headers: Pool,
    downloads: Downloads,
    pub(super) overlays: Overlays,
    /// The memory for finished responses that are being sent.
    sent: Account,
    /// Finished responses by key and entity tag.
    cache: MemoryCache<String, Answer>,
    /// The metadata of the original for which a response was last valid, by key and variant.
    verified: MemoryCache<String, ObjectMeta>,
    /// Finished responses that outlive this process.
    results: Option<Arc<Results>>,
}

impl Pipeline {
    pub(super) fn new(settings: OriginSettings, results: Option<Arc<Results>>) -> Self {
        let weigh = |key: &String, answer: &Answer| key.len() + answer.bytes.len() + ENTRY_OVERHEAD;
        let downloads = Downloads::new(settings.max_source_bytes, settings.download_memory);
        Self {
            overlays: Overlays::new(&settings, downloads.clone()),
            pixels: Pool::new("pixels", settings.workers, settings.queue),
            headers: Pool::new("headers", settings.workers, settings.queue),
            downloads,
            sent: Account::new(settings.download_memory / 2),
            cache: MemoryCache::of_bytes(settings.cache, weigh),
            verified: MemoryCache::of_entries(REMEMBERED_TAGS),
            results,
            settings,
        }
    }

    /// The same with other settings, except for those of what both share.
    pub(super) fn with_settings(&self, settings: OriginSettings) -> Self {
        let downloads = self.downloads.with_max_bytes(settings.max_source_bytes);
        Self {
            overlays: self.overlays.with_folder(settings.overlays.clone(), downloads.clone()),
            pixels: self.pixels.clone(),
            headers: self.headers.clone(),
            downloads,
            sent: self.sent.clone(),
            cache: self.cache.clone(),
            verified: self.verified.clone(),
            results: self.results.clone(),
            settings,
        }
    }

    /// The load of the pool for pictures.
    pub(super) fn load(&self) -> Load {
        self.pixels.load()
    }

    /// Whether requests for pictures, or for originals without parameters, find no place.
    pub(super) fn is_full(&self) -> bool {
        self.pixels.is_full() || self.headers.is_full()
    }

    /// The gauges for the load and the memory in use.
    pub(super) fn gauges(&self) -> Vec<Gauge> {
        let gauge = |name, help, value| Gauge { name, help, value };
        let (pixels, headers) = (self.pixels.load(), self.headers.load());
        let (queued, busy) = ("Queued jobs.", "Running jobs.");
        let mut gauges = vec![
            gauge("queue_length{pool=\"pixels\"}", queued, pixels.queued as u64),
            gauge("queue_length{pool=\"headers\"}", queued, headers.queued as u64),
            gauge("workers_busy{pool=\"pixels\"}", busy, pixels.busy as u64),
            gauge("workers_busy{pool=\"headers\"}", busy, headers.busy as u64),
            gauge("download_memory_bytes", "Memory of originals.", self.downloads.held()),
            gauge("answer_memory_bytes", "Memory of responses that are being sent.", self.sent.taken()),
            gauge("cache_bytes", "Memory of cached responses.", self.cache.weight()),
            gauge("cache_entries", "Cached responses.", self.cache.len() as u64),
            gauge("overlay_cache_bytes", "Memory of cached overlays.", self.overlays.held()),
        ];
        if let Some(results) = &self.results {
            let Stats { hits, misses, errors, written, dropped, bytes_read, bytes_written, waits } = results.stats();
            let requests = "Lookups in the result store by outcome.";
            gauges.extend([
                gauge("results_requests{result=\"hit\"}", requests, hits),
                gauge("results_requests{result=\"miss\"}", requests, misses),
                gauge("results_errors", "Errors of the result store.", errors),
                gauge("results_written", "Stored results.", written),
                gauge(
                    "results_dropped",
                    "Results that were not stored because the store was too slow or the queue was full.",
                    dropped,
                ),
                gauge("results_waits", "Requests that waited for a result that another process was rendering.", waits),
                gauge("results_read_bytes", "Bytes read from the result store.", bytes_read),
                gauge("results_written_bytes", "Bytes written to the result store.", bytes_written),
            ]);
        }
        gauges
    }

    /// Wraps a finished response in a body. If its client might read slowly, the bytes are counted until they are sent.
    ///
    /// # Errors
    /// Those of [`Account::room`].
    pub(super) async fn body(&self, bytes: Bytes, deadline: Instant) -> Result<Body, Problem> {
        if bytes.len() <= CHUNK {
            return Ok(Body::Bytes(bytes.into()));
        }
        let room = self.sent.room(bytes.len() as u64, deadline).await?;
        Ok(Body::Bytes(InMemory::in_room_of(Room::hold(vec![room], bytes), [self.sent.clone()])))
    }

    /// The source's entity tag for which the response to this request was last valid.
    pub(super) fn verified(&self, parsed: &ParsedRequest) -> Option<String> {
        self.verified.get(&parsed.id())?.etag
    }

    /// The cached response to this request, as it was last valid.
    pub(super) fn last_known(&self, parsed: &ParsedRequest) -> Option<Answer> {
        self.cache.get(&cache_key(parsed, &self.verified(parsed)?))
    }

    /// Whether the response to this request is cached for this entity tag of the original.
    pub(super) fn is_cached(&self, parsed: &ParsedRequest, source_tag: &str) -> bool {
        self.cache.contains(&cache_key(parsed, source_tag))
    }

    /// Processes a request, whose original is in `source` if that is another than its own. `if_none_match` is an entity tag
    /// that the original probably still has.
    pub(super) async fn run(
        &self,
        source: Option<&dyn Source>,
        parsed: &Arc<ParsedRequest>,
        if_none_match: Option<String>,
    ) -> Result<Reply, Problem> {
        let source = source.unwrap_or_else(|| parsed.located.source());
        match self.attempt(source, parsed, if_none_match.clone(), true).await? {
            Some(reply) => Ok(reply),
            // Another process was rendering the same picture, and did not store it in time.
            None => {
                let reply = self.attempt(source, parsed, if_none_match, false).await?;
                reply.ok_or_else(|| Problem::new(Code::Internal, "a picture that was not claimed was waited for"))
            }
        }
    }

    /// Processes a request. `None` if `claims` is set and another process was rendering the picture in vain.
    async fn attempt(
        &self,
        source: &dyn Source,
        parsed: &Arc<ParsedRequest>,
        if_none_match: Option<String>,
        claims: bool,
    ) -> Result<Option<Reply>, Problem> {
        let pool = if parsed.transform.is_original() { &self.headers } else { &self.pixels };
        // A place is acquired only if work is likely.
        let mut place =
            if if_none_match.is_none() { Some(pool.place(parsed.located.name(), parsed.deadline)?) } else { None };
        let started = Instant::now();
        let (found, overlay) = self.open(source, parsed, if_none_match.as_deref()).await?;
        let parsed = match (&parsed.overlay, &overlay) {
            (Some(assumed), Some(found)) if assumed.tag != found.tag => {
                Arc::new(parsed.with_overlay_tag(found.tag.clone(), &self.settings))
            }
            _ => parsed.clone(),
        };
        let found = match found {
            // Not every source evaluates preconditions.
            GetResult::Object(object) if if_none_match.is_some() && object.meta.etag == if_none_match => {
                GetResult::NotModified(object.meta)
            }
            GetResult::NotModified(meta) if meta.is_partial => {
                let known = self.verified.get(&parsed.id()).filter(|known| known.etag == meta.etag);
                GetResult::NotModified(known.unwrap_or(meta))
            }
            found => found,
        };
        let cost = Cost { fetch: started.elapsed(), ..Cost::default() };
        let (GetResult::Object(Object { meta, .. }) | GetResult::NotModified(meta)) = &found;
        let key = meta.etag.as_deref().map(|tag| cache_key(&parsed, tag));
        let cached = match &key {
            Some(key) => self.cache.get(key),
            None => None,
        };
        let outcome = match (found, cached) {
            (GetResult::Object(Object { meta, .. }) | GetResult::NotModified(meta), Some(answer)) => {
                Outcome::Finished { meta, answer, cache: CacheResult::Hit }
            }
            (GetResult::NotModified(meta), None) => {
                return Ok(Some(Reply { outcome: Outcome::NotModified(meta), parsed }));
            }
            (GetResult::Object(Object { meta, content: Content::Unavailable }), None) => {
                return Ok(Some(Reply { outcome: Outcome::Facts(meta), parsed }));
            }
            (GetResult::Object(object), None) => {
                let place = match place.take() {
                    Some(place) => place,
                    None => pool.place(parsed.located.name(), parsed.deadline)?,
                };
                let outcome = if parsed.transform.is_original() {
                    match self.original(object, place, &parsed).await? {
                        Forwarded::AsItIs(outcome) => Some(outcome),
                        Forwarded::Drawing(object) => {
                            let place = self.pixels.place(parsed.located.name(), parsed.deadline)?;
                            self.stored_or_rendered(object, overlay, place, &parsed, cost, claims).await?
                        }
                    }
                } else {
                    self.stored_or_rendered(object, overlay, place, &parsed, cost, claims).await?
                };
                match outcome {
                    Some(outcome) => outcome,
                    None => return Ok(None),
                }
            }
        };
        let meta = outcome.meta();
        if meta.etag.is_some() && !meta.is_partial {
            self.verified.insert(parsed.id(), meta.clone());
        }
        Ok(Some(Reply { outcome, parsed }))
    }

    /// Opens the original, and asks for the overlay at the same time. An error of the original ends both, and precedes one of
    /// the overlay whichever comes first.
    async fn open(
        &self,
        source: &dyn Source,
        parsed: &ParsedRequest,
        if_none_match: Option<&str>,
    ) -> Result<(GetResult, Option<FoundOverlay>), Problem> {
        let original = open(source, parsed, if_none_match);
        let Some(overlay) = &parsed.overlay else { return Ok((original.await?, None)) };
        let overlay = self.overlays.find(overlay, parsed.deadline);
        tokio::pin!(original, overlay);
        let (mut original, overlay) = tokio::select! {
            original = &mut original => (original?, overlay.await?),
            overlay = &mut overlay => (original.await?, overlay?),
        };
        let (GetResult::Object(Object { meta, .. }) | GetResult::NotModified(meta)) = &mut original;
        // Its date says nothing of the overlay's, which may have become an older one.
        meta.modified = None;
        if overlay.tag.is_none() {
            meta.etag = None;
        }
        Ok((original, Some(overlay)))
    }

    /// Looks up a response in the result store, or renders it. `None` if `claims` is set and another process was rendering it
    /// in vain.
    async fn stored_or_rendered(
        &self,
        object: Object,
        overlay: Option<FoundOverlay>,
        place: Place,
        parsed: &ParsedRequest,
        mut cost: Cost,
        claims: bool,
    ) -> Result<Option<Outcome>, Problem> {
        let meta = object.meta.clone();
        let key = meta.etag.as_deref().map(|tag| cache_key(parsed, tag));
        let shared = self.results_for(parsed).zip(key.as_deref());
        let shared = shared.map(|(results, key)| (results, key, ResultId::of(parsed.located.name(), key)));
        let mut turn = None;
        if let Some((results, key, id)) = &shared {
            let started = Instant::now();
            let found = results.get(id, parsed.deadline).await;
            cost.store = started.elapsed();
            match found {
                Lookup::Stored(stored) => return Ok(Some(self.stored(stored, meta, key, cost).await)),
                // Reports cost less than a claim.
                Lookup::Missing(until) if claims && parsed.transform.answer == Wanted::Picture => {
                    turn = results.claim(id.clone(), until);
                }
                Lookup::Missing(_) | Lookup::Unavailable => {}
            }
        }
        let Some((answer, claim)) = self.finished(object, overlay, place, parsed, cost, turn.as_mut()).await? else {
            let (Some((results, key, id)), Some(turn)) = (&shared, &turn) else { return Ok(None) };
            let started = Instant::now();
            let found = results.wait(id, turn).await;
            cost.store += started.elapsed();
            return Ok(match found {
                Some(stored) => Some(self.stored(stored, meta, key, cost).await),
                None => None,
            });
        };
        if let Some((results, _, id)) = shared {
            let took = answer.cost.work();
            results.keep(
                id,
                Finished { media_type: answer.media_type, likeness: answer.likeness, bytes: answer.bytes.clone() },
                took,
                claim,
            );
        }
        if let Some(key) = key {
            self.cache.insert(key, answer.clone());
        }
        Ok(Some(Outcome::Finished { meta, answer, cache: CacheResult::Miss }))
    }

    /// The result store, if this request may use it.
    fn results_for(&self, parsed: &ParsedRequest) -> Option<&Arc<Results>> {
        self.results.as_ref().filter(|results| results.may_hold(!parsed.presets.is_empty()))
    }

    /// The response from a stored result, which has taken the time of `cost`.
    async fn stored(&self, stored: Stored, meta: ObjectMeta, key: &str, cost: Cost) -> Outcome {
        let Stored { record, content } = stored;
        let body = match content {
            StoredContent::Memory(bytes) => {
                let Record { media_type, likeness, .. } = record;
                let answer = Answer { bytes, media_type, likeness, cost };
                self.cache.insert(key.to_owned(), answer.clone());
                return Outcome::Finished { meta, answer, cache: CacheResult::Stored };
            }
            StoredContent::File(file, start) => Body::file(file, start..start + record.length),
            StoredContent::Stream(pieces) => Body::Stream { length: record.length, pieces },
        };
        Outcome::Stored { meta, stored: Arc::new(StoredAnswer { record, cost, body: Mutex::new(Some(body)) }) }
    }

    /// Waits until the result store has processed everything passed to it so far.
    pub(super) async fn settle(&self) {
        if let Some(results) = &self.results {
            results.settle().await;
        }
    }

    /// Plans the removal of the metadata.
    async fn original(&self, object: Object, place: Place, parsed: &ParsedRequest) -> Result<Forwarded, Problem> {
        object.check_length(self.settings.max_source_bytes)?;
        let Object { meta, content } = object;
        let deadline = parsed.deadline;
        // Reading the headers of a file takes memory in proportion to its length; the memory of bytes that are already
        // read is accounted for.
        let (worker, original, room) = match content {
            Content::File(file) => {
                let worker = self.headers.worker(Some(place), deadline).await?;
                let room = self.downloads.room(meta.length.unwrap_or(0), deadline).await?;
                (worker, Original::File(Arc::new(file)), Some(room))
            }
            content => {
                let object = Object { meta: meta.clone(), content };
                let bytes = self.downloads.read_to_hand_on(object, deadline, recognised).await?;
                (self.headers.worker(Some(place), deadline).await?, Original::Memory(bytes), None)
            }
        };
        let (keep, svg) = (transform::keep(parsed.transform.metadata, self.settings.keep_ai_marks), self.settings.svg);
        let keeps_gain_map = parsed.transform.hdr == Hdr::Keep;
        let planned = worker.run(move |cancellation| {
            let (room, mut original) = (room, original);
            if original.format()? == Format::Svg {
                match svg {
                    SvgMode::Refuse => return Err(refused()),
                    SvgMode::Rasterize => return Ok((original, None)),
                    // What is sent must be what was sanitised, even if the file changes in the meantime.
                    SvgMode::Sanitize => {
                        let bytes = original.into_memory(metadata::MAX_DRAWING + 1).map_err(metadata::Error::Io)?;
                        original = Original::Memory(match room {
                            Some(room) => bytes.in_room(room),
                            None => bytes,
                        });
                    }
                }
            }
            let (format, rewrite) = original.strip(keep, keeps_gain_map, cancellation)?;
            Ok::<_, Problem>((original, Some((format, Arc::new(rewrite)))))
        });
        Ok(match planned.await?? {
            (original, Some((format, rewrite))) => {
                Forwarded::AsItIs(Outcome::Original { meta, format, rewrite, original })
            }
            (drawing, None) => Forwarded::Drawing(Object { meta, content: drawing.into_content() }),
        })
    }

    /// Receives an original and an overlay at the same time. An error of one ends the other.
    async fn receive(
        &self,
        object: Object,
        overlay: Option<FoundOverlay>,
        parsed: &ParsedRequest,
    ) -> Result<(Bytes, Option<ReadOverlay>), Problem> {
        let deadline = parsed.deadline;
        // For both at once: a request that had memory for one of them and waited for the other's would hold up the rest.
        let length = overlay.as_ref().map_or(0, |overlay| overlay.length);
        let mut room = self.downloads.room(self.downloads.length(&object)?.saturating_add(length), deadline).await?;
        let overlay_room = room.split(length);
        let original = async {
            let bytes = match parsed.transform.answer {
                Wanted::Metadata => self.downloads.receive(object, room, deadline, recognised).await?,
                _ => self.downloads.receive(object, room, deadline, |head| self.probe(head, deadline)).await?,
            };
            // What was too short for a look must not wait for an overlay either, unless it is an image.
            sniffed(&bytes)?;
            Ok(bytes)
        };
        let overlay = async {
            match overlay {
                Some(found) => self.overlays.receive(found, overlay_room, deadline).await.map(Some),
                None => Ok(None),
            }
        };
        tokio::try_join!(original, overlay)
    }

    /// Renders a picture, or a report about one, and returns it with the claim. `None` if it is another process's turn.
    async fn finished(
        &self,
        object: Object,
        overlay: Option<FoundOverlay>,
        place: Place,
        parsed: &ParsedRequest,
        cost: Cost,
        turn: Option<&mut Turn>,
    ) -> Result<Option<(Answer, Option<Claim>)>, Problem> {
        let (deadline, focus) = (parsed.deadline, object.meta.focus);
        let mut claim = None;
        // A file is read only when a worker is free; bytes from a store are received while the job waits.
        let (worker, bytes, overlay, queue, took) = if matches!(object.content, Content::File(_)) {
            if let Some(turn) = turn {
                match turn.decided().await {
                    Decision::Here(ours) => claim = ours,
                    Decision::Elsewhere => return Ok(None),
                }
            }
            let started = Instant::now();
            // The overlay may come from a store.
            let overlay = match overlay {
                Some(found) => {
                    let room = self.downloads.room(found.length, deadline).await?;
                    Some(self.overlays.receive(found, room, deadline).await?)
                }
                None => None,
            };
            let (took, waiting) = (started.elapsed(), Instant::now());
            let worker = self.pixels.worker(Some(place), deadline).await?;
            let started = Instant::now();
            let bytes = self.downloads.read(object, deadline, recognised).await?;
            (worker, bytes, overlay, started - waiting, took + started.elapsed())
        } else {
            let started = Instant::now();
            let download = self.receive(object, overlay, parsed);
            let (bytes, overlay) = match turn {
                None => download.await?,
                // The download ends if it turns out that the picture is rendered elsewhere.
                Some(turn) => {
                    tokio::pin!(download);
                    let (decision, bytes) = tokio::select! {
                        biased;
                        decision = turn.decided() => (decision, None),
                        bytes = &mut download => (turn.decided().await, Some(bytes)),
                    };
                    let Decision::Here(ours) = decision else { return Ok(None) };
                    claim = ours;
                    match bytes {
                        Some(bytes) => bytes?,
                        None => download.await?,
                    }
                }
            };
            let (took, waiting) = (started.elapsed(), Instant::now());
            let worker = self.pixels.worker(Some(place), deadline).await?;
            (worker, bytes, overlay, waiting.elapsed(), took)
        };
        let cost = Cost { bytes_in: bytes.len() as u64, queue, fetch: cost.fetch + took, ..cost };
        let job = Job {
            transform: parsed.transform.clone(),
            overlay,
            accepted: parsed.accepted,
            avif_speed: self.settings.avif_speed,
            svg: self.settings.svg,
            limits: self.settings.limits,
            expose: self.settings.expose_metadata,
            keep_marks: self.settings.keep_ai_marks,
            focus,
            cost,
            cores: worker.cores(),
        };
        let answer = worker.run(move |cancellation| job.run(&bytes, cancellation)).await??;
        Ok(Some((answer, claim)))
    }

    /// Rejects a download that is no image, or whose header exceeds a limit.
    async fn probe(&self, head: Vec<u8>, deadline: Instant) -> Result<Look, Problem> {
        let budget = self.settings.limits.budget;
        let worker = self.headers.worker(None, deadline).await?;
        let looked = worker.run(move |cancellation| {
            let enough = codec::probe_prefix(&head, budget, cancellation)?;
            Ok(Look { bytes: head, enough })
        });
        looked.await?
    }
}

fn cache_key(parsed: &ParsedRequest, source_tag: &str) -> String {
    format!("{}\n{}", parsed.located.id(), entity_tag(source_tag, &parsed.variant))
}

/// Queries the source, until the deadline.
async fn open(source: &dyn Source, parsed: &ParsedRequest, if_none_match: Option<&str>) -> Result<GetResult, Problem> {
    // Stores may keep the entity tag while the stored focus changes, so that they compare too little.
    let uses_focus = parsed.uses_focus();
    let if_none_match = if_none_match.filter(|_| !uses_focus);
    let (key, version) = (parsed.located.key(), parsed.version.as_deref());
    let options = GetOptions { key, version, if_none_match, deadline: parsed.deadline };
    let opened = tokio::time::timeout_at(parsed.deadline, source.open(options)).await;
    let mut found = opened.unwrap_or(Err(SourceError::TimedOut))?;
    let (GetResult::Object(Object { meta, .. }) | GetResult::NotModified(meta)) = &mut found;
    if let (true, Some(focus), Some(tag)) = (uses_focus, meta.focus, &mut meta.etag) {
        let Focus { x, y, width, height } = focus;
        *tag = format!("{tag}.{x}-{y}-{width}-{height}");
    }
    Ok(found)
}

/// Rejects a download that is no image as soon as its first bytes have arrived.
async fn recognised(head: Vec<u8>) -> Result<Look, Problem> {
    sniffed(&head)?;
    Ok(Look { bytes: head, enough: true })
}
