//! From a parsed request to its outcome: place, source, cache, bytes, work.
//!
//! The place in the queue comes first, so that nothing is opened or read for a request that will be refused. Headers and
//! metadata have a pool of their own beside that of pixels, so that an original without parameters waits for no picture.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::body::{Body, CHUNK, InMemory, Original, sniffed};
use super::conditional::entity_tag;
use super::download::{Downloads, Look};
use super::memory::{Account, Room};
use super::pool::{Load, Place, Pool};
use super::{Answer, ExposeMetadata, OriginSettings, ParsedRequest};
use crate::codec::{self, Format, Work};
use crate::error::{Code, Problem};
use crate::metadata::{self, Rewrite};
use crate::query::Answer as Wanted;
use crate::results::{Content as StoredContent, Record, ResultId, Results, Stats, Stored};
use crate::source::{Ask, Content, Found, Meta, Object, Source, SourceError};
use crate::telemetry::{CacheResult, Cost, Gauge};
use crate::transform::{self, Accepted, Render};

/// Bytes that a cache entry takes beside its answer, roughly.
const ENTRY_OVERHEAD: usize = 512;

/// Originals whose newest tag is remembered.
const REMEMBERED_TAGS: u64 = 10_000;

/// What requests are answered with, before their conditions are looked at.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The original is still the one whose entity tag was held against it.
    Same(Meta),
    /// Only facts about the original can be had.
    Facts(Meta),
    /// A finished answer, made or found.
    Finished {
        meta: Meta,
        answer: Answer,
        /// Where it was found, or that it was made.
        cache: CacheResult,
    },
    /// A finished answer of the result store, which is not in memory.
    Stored { meta: Meta, stored: Arc<StoredAnswer> },
    /// The original's own compressed pixels, without its metadata.
    Original { meta: Meta, format: Format, rewrite: Arc<Rewrite>, original: Original },
}

impl Outcome {
    pub(super) const fn meta(&self) -> &Meta {
        match self {
            Self::Same(meta)
            | Self::Facts(meta)
            | Self::Finished { meta, .. }
            | Self::Stored { meta, .. }
            | Self::Original { meta, .. } => meta,
        }
    }
}

/// A finished answer that is read from the result store while it is sent.
#[derive(Debug)]
pub(super) struct StoredAnswer {
    pub(super) record: Record,
    body: Mutex<Option<Body>>,
}

impl StoredAnswer {
    /// The body, for the first one who asks for it.
    pub(super) fn body(&self) -> Option<Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What all requests share.
pub(super) struct Pipeline {
    pub(super) settings: OriginSettings,
    /// For pictures.
    pixels: Pool,
    /// For headers and metadata.
    headers: Pool,
    downloads: Downloads,
    /// For finished answers on their way to clients.
    sent: Account,
    /// Finished answers by key and entity tag.
    cache: moka::future::Cache<String, Answer>,
    /// What is known of the original for which the answer is good, by key and variant.
    verified: moka::future::Cache<String, Meta>,
    /// Finished answers that outlive this process.
    results: Option<Arc<Results>>,
}

impl Pipeline {
    pub(super) fn new(settings: OriginSettings, results: Option<Arc<Results>>) -> Self {
        let weigh = |key: &String, answer: &Answer| {
            u32::try_from(key.len() + answer.bytes.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
        };
        Self {
            pixels: Pool::new("pixels", settings.workers, settings.queue),
            headers: Pool::new("headers", settings.workers, settings.queue),
            downloads: Downloads::new(settings.max_source_bytes, settings.download_memory),
            sent: Account::new(settings.download_memory / 2),
            cache: moka::future::Cache::builder().max_capacity(settings.cache).weigher(weigh).build(),
            verified: moka::future::Cache::new(REMEMBERED_TAGS),
            results,
            settings,
        }
    }

    /// The jobs of the pool of pictures.
    pub(super) fn load(&self) -> Load {
        self.pixels.load()
    }

    /// How much there is to do, and what is held.
    pub(super) fn gauges(&self) -> Vec<Gauge> {
        let gauge = |name, help, value| Gauge { name, help, value };
        let (pixels, headers) = (self.pixels.load(), self.headers.load());
        let (queued, busy) = ("Jobs that wait for a worker.", "Jobs that are worked on.");
        let mut gauges = vec![
            gauge("queue_length{pool=\"pixels\"}", queued, pixels.queued as u64),
            gauge("queue_length{pool=\"headers\"}", queued, headers.queued as u64),
            gauge("workers_busy{pool=\"pixels\"}", busy, pixels.busy as u64),
            gauge("workers_busy{pool=\"headers\"}", busy, headers.busy as u64),
            gauge("download_memory_bytes", "Memory that originals hold.", self.downloads.held()),
            gauge("answer_memory_bytes", "Memory of finished answers on their way to clients.", self.sent.taken()),
            gauge("cache_bytes", "Memory that finished answers hold.", self.cache.weighted_size()),
            gauge("cache_entries", "Finished answers in the cache.", self.cache.entry_count()),
        ];
        if let Some(results) = &self.results {
            let Stats { hits, misses, errors, written, dropped, bytes_read, bytes_written } = results.stats();
            let requests = "What was asked of the result store.";
            gauges.extend([
                gauge("results_requests{result=\"hit\"}", requests, hits),
                gauge("results_requests{result=\"miss\"}", requests, misses),
                gauge("results_errors", "Times that the result store failed.", errors),
                gauge("results_written", "Results that were stored.", written),
                gauge("results_dropped", "Results that were not stored for want of room or time.", dropped),
                gauge("results_read_bytes", "Bytes of results that were found.", bytes_read),
                gauge("results_written_bytes", "Bytes of results that were stored.", bytes_written),
            ]);
        }
        gauges
    }

    /// A finished answer as a body. One that its client might take slowly is counted until it has it.
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

    /// The source's tag for which this request's answer was good the last time.
    pub(super) async fn verified(&self, parsed: &ParsedRequest) -> Option<String> {
        self.verified.get(&parsed.id()).await?.etag
    }

    /// Whether the answer to this request is in the cache, if the original still has this tag.
    pub(super) fn is_cached(&self, parsed: &ParsedRequest, source_tag: &str) -> bool {
        self.cache.contains_key(&cache_key(parsed, source_tag))
    }

    /// Takes a request through all stages. `holds` is a tag that the original is likely to have still.
    pub(super) async fn run(
        &self,
        source: &dyn Source,
        parsed: &ParsedRequest,
        holds: Option<String>,
    ) -> Result<Outcome, Problem> {
        let pool = if parsed.transform.is_original() { &self.headers } else { &self.pixels };
        // Where nothing is likely to be done there is nothing to wait for.
        let mut place = if holds.is_none() { Some(pool.place(parsed.key.as_str(), parsed.deadline)?) } else { None };
        let started = Instant::now();
        let found = match open(source, parsed, holds.as_deref()).await? {
            // Not every source compares.
            Found::Object(object) if holds.is_some() && object.meta.etag == holds => Found::Same(object.meta),
            Found::Same(meta) if meta.is_partial => {
                let known = self.verified.get(&parsed.id()).await.filter(|known| known.etag == meta.etag);
                Found::Same(known.unwrap_or(meta))
            }
            found => found,
        };
        let opened = started.elapsed();
        let (Found::Object(Object { meta, .. }) | Found::Same(meta)) = &found;
        let key = meta.etag.as_deref().map(|tag| cache_key(parsed, tag));
        let cached = match &key {
            Some(key) => self.cache.get(key).await,
            None => None,
        };
        let outcome = match (found, cached) {
            (Found::Object(Object { meta, .. }) | Found::Same(meta), Some(answer)) => {
                Outcome::Finished { meta, answer, cache: CacheResult::Hit }
            }
            (Found::Same(meta), None) => return Ok(Outcome::Same(meta)),
            (Found::Object(Object { meta, content: Content::Unavailable }), None) => return Ok(Outcome::Facts(meta)),
            (Found::Object(object), None) => {
                let place = match place.take() {
                    Some(place) => place,
                    None => pool.place(parsed.key.as_str(), parsed.deadline)?,
                };
                if parsed.transform.is_original() {
                    self.original(object, place, parsed).await?
                } else if let Some(stored) = self.stored(&object.meta, key.as_deref(), parsed).await {
                    stored
                } else {
                    let meta = object.meta.clone();
                    let answer = self.finished(object, place, parsed, opened).await?;
                    if let Some(key) = key {
                        self.store(&key, &answer, parsed);
                        self.cache.insert(key, answer.clone()).await;
                    }
                    Outcome::Finished { meta, answer, cache: CacheResult::Miss }
                }
            }
        };
        let meta = outcome.meta();
        if meta.etag.is_some() && !meta.is_partial {
            self.verified.insert(parsed.id(), meta.clone()).await;
        }
        Ok(outcome)
    }

    /// The result store, as far as it is for this request.
    fn results_for(&self, parsed: &ParsedRequest) -> Option<&Arc<Results>> {
        self.results.as_ref().filter(|results| results.may_hold(parsed.preset.is_some()))
    }

    /// The answer as an earlier process, or another one, has made it.
    async fn stored(&self, meta: &Meta, key: Option<&str>, parsed: &ParsedRequest) -> Option<Outcome> {
        let (results, key, meta) = (self.results_for(parsed)?, key?, meta.clone());
        let Stored { record, content } = results.get(&ResultId::of(parsed.key.as_str(), key), parsed.deadline).await?;
        let body = match content {
            StoredContent::Memory(bytes) => {
                let answer = Answer { bytes, media_type: record.media_type, cost: Cost::default() };
                self.cache.insert(key.to_owned(), answer.clone()).await;
                return Some(Outcome::Finished { meta, answer, cache: CacheResult::Stored });
            }
            StoredContent::File(file, start) => Body::file(file, start..start + record.length),
            StoredContent::Stream(pieces) => Body::Stream { length: record.length, pieces },
        };
        Some(Outcome::Stored { meta, stored: Arc::new(StoredAnswer { record, body: Mutex::new(Some(body)) }) })
    }

    /// Hands an answer to the result store, and waits for nothing.
    fn store(&self, key: &str, answer: &Answer, parsed: &ParsedRequest) {
        if let Some(results) = self.results_for(parsed) {
            let took = answer.cost.durations().into_iter().map(|(_, took)| took).sum();
            results.keep(ResultId::of(parsed.key.as_str(), key), answer.media_type, answer.bytes.clone(), took);
        }
    }

    /// Waits until the result store has what it was given so far.
    pub(super) async fn settle(&self) {
        if let Some(results) = &self.results {
            results.settle().await;
        }
    }

    /// Plans how to leave the metadata out.
    async fn original(&self, object: Object, place: Place, parsed: &ParsedRequest) -> Result<Outcome, Problem> {
        object.check_length(self.settings.max_source_bytes)?;
        let Object { meta, content } = object;
        let deadline = parsed.deadline;
        // Reading a file's headers takes memory by its length, while reading what is in memory already is paid for.
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
        let keep = transform::keep(parsed.transform.metadata);
        let planned = worker.run(move |work| {
            let _room = room;
            let (format, rewrite) = original.strip(keep, work)?;
            Ok::<_, metadata::Error>((format, Arc::new(rewrite), original))
        });
        let (format, rewrite, original) = planned.await??;
        Ok(Outcome::Original { meta, format, rewrite, original })
    }

    /// Makes a picture, or a report about one.
    async fn finished(
        &self,
        object: Object,
        place: Place,
        parsed: &ParsedRequest,
        opened: Duration,
    ) -> Result<Answer, Problem> {
        let deadline = parsed.deadline;
        // A file is there when a worker is free, so it need not be in memory before. What a store sends is on its way.
        let (worker, bytes, took) = if matches!(object.content, Content::File(_)) {
            let worker = self.pixels.worker(Some(place), deadline).await?;
            let started = Instant::now();
            let bytes = self.downloads.read(object, deadline, recognised).await?;
            (worker, bytes, started.elapsed())
        } else {
            let started = Instant::now();
            let bytes = match parsed.transform.answer {
                Wanted::Metadata => self.downloads.read(object, deadline, recognised).await?,
                _ => self.downloads.read(object, deadline, |head| self.probe(head, deadline)).await?,
            };
            let took = started.elapsed();
            (self.pixels.worker(Some(place), deadline).await?, bytes, took)
        };
        let cost = Cost { bytes_in: bytes.len() as u64, fetch: opened + took, ..Cost::default() };
        let job = Job {
            transform: parsed.transform.clone(),
            accepted: parsed.accepted,
            avif_speed: self.settings.avif_speed,
            limits: self.settings.limits,
            expose: self.settings.expose_metadata,
            cost,
        };
        worker.run(move |work| job.run(&bytes, work)).await?
    }

    /// Refuses a download whose header is beyond the limits, or that is no image.
    async fn probe(&self, head: Vec<u8>, deadline: Instant) -> Result<Look, Problem> {
        let budget = self.settings.limits.budget;
        let worker = self.headers.worker(None, deadline).await?;
        let looked = worker.run(move |work| {
            let enough = codec::look(&head, budget, work)?;
            Ok(Look { bytes: head, enough })
        });
        looked.await?
    }
}

/// What is done on a worker's thread.
struct Job {
    transform: crate::query::Transform,
    accepted: Accepted,
    avif_speed: u8,
    limits: transform::Limits,
    expose: ExposeMetadata,
    cost: Cost,
}

impl Job {
    fn run(self, bytes: &Bytes, work: &Work) -> Result<Answer, Problem> {
        let render = Render::new(bytes).limits(self.limits).work(work.clone());
        match self.transform.answer {
            Wanted::Picture => {
                let render = render.transform(self.transform).accepted(self.accepted).avif_speed(self.avif_speed);
                let rendered = render.run()?;
                let media_type = rendered.format.media_type();
                let pixels = u64::from(rendered.width) * u64::from(rendered.height);
                let cost = Cost { pixels, stages: rendered.stages, ..self.cost };
                Ok(Answer { bytes: rendered.bytes.into(), media_type, cost })
            }
            Wanted::Info => self.json(&render.inspect()?),
            Wanted::Metadata => {
                let report = transform::report(bytes, work)?;
                self.json(&if self.expose == ExposeMetadata::All { report } else { report.without_location() })
            }
        }
    }

    fn json(&self, value: &impl serde::Serialize) -> Result<Answer, Problem> {
        let bytes = serde_json::to_vec(value).map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        Ok(Answer { bytes: bytes.into(), media_type: "application/json", cost: self.cost })
    }
}

fn cache_key(parsed: &ParsedRequest, source_tag: &str) -> String {
    format!("{}\n{}", parsed.key.as_str(), entity_tag(source_tag, &parsed.variant))
}

/// Asks the source, until the deadline.
async fn open(source: &dyn Source, parsed: &ParsedRequest, holds: Option<&str>) -> Result<Found, Problem> {
    let ask = Ask { key: &parsed.key, version: parsed.version.as_deref(), holds, deadline: parsed.deadline };
    let opened = tokio::time::timeout_at(parsed.deadline, source.open(ask)).await;
    Ok(opened.unwrap_or(Err(SourceError::TimedOut))?)
}

/// Refuses a download that is no image as soon as its first bytes are there.
async fn recognised(head: Vec<u8>) -> Result<Look, Problem> {
    sniffed(&head)?;
    Ok(Look { bytes: head, enough: true })
}
