//! A result store in a folder, which several processes may share.
//!
//! A result is a file in a subfolder of two hexadecimal digits: a [`Record`] of fixed length, followed by the bytes. It
//! is written under the name `partial` and renamed, so that no reader sees a partial result.
//!
//! The file `size` contains the total size of all results in decimal digits, and the process that holds its lock is the
//! only writer. The total is increased before a result is renamed, so that a process that is killed in between leaves
//! it too large, never too small; the next eviction recomputes it. A file's modification time is the time of its last
//! use, to the minute.
//!
//! A claim is an empty, locked file in the subfolder `claims`. The system unlocks it when its process ends.
//!
//! A file system may hang, and the process with the lock may be suspended. Both block a few threads only, and the second no
//! longer than [`PATIENCE`], so that originals can be read meanwhile, and the process can end.

use std::collections::BinaryHeap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::record::RECORD_LEN;
use super::{Claim, Content, IN_MEMORY, Record, ResultId, ResultStore, StoreError, Stored, StoredResult, Written};

/// The file whose lock grants permission to write.
const SIZE: &str = "size";

/// The name of a file that is being written.
const PARTIAL: &str = "partial";

/// The subfolder of claims.
const CLAIMS: &str = "claims";

/// How often a claim is tried while other processes end theirs.
const CLAIM_ATTEMPTS: u32 = 8;

/// Each eviction frees at least this fraction (1/n) of the limit, so that it is not needed for every result.
const EVICTED_SHARE: u64 = 10;

/// The maximum number of threads that read results, and that write, remove or claim them. The threads that wait for files
/// are those of the originals as well.
const READERS: usize = 8;
const WRITERS: usize = 4;

/// The maximum time to wait for the permission to write.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two attempts to get it.
const PAUSE: Duration = Duration::from_millis(2);

/// The resolution of the time of last use: a result used within this time is not marked again.
const USE_RESOLUTION: Duration = Duration::from_secs(60);

/// Results as files in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
    /// The maximum total size of all results including their records, in bytes.
    max_bytes: u64,
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

impl Folder {
    /// Opens the store, and creates the folder if it does not exist.
    ///
    /// # Errors
    /// The system's error if the folder is not writable.
    pub(crate) fn new(root: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let folder = Self::at(root, max_bytes)?;
        drop(folder.size_file()?);
        fs::create_dir_all(folder.root.join(CLAIMS))?;
        folder.remove_abandoned_claims()?;
        Ok(folder)
    }

    /// Opens a store that exists, and changes nothing in it.
    ///
    /// # Errors
    /// The system's error, or one that tells that the folder is no store.
    pub(crate) fn existing(root: &Path, max_bytes: u64) -> io::Result<Self> {
        let folder = Self::at(root, max_bytes)?;
        match folder.root.join(SIZE).metadata() {
            Ok(facts) if facts.is_file() => Ok(folder),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Err(io::Error::other("no server has stored results in this folder")),
        }
    }

    fn at(root: &Path, max_bytes: u64) -> io::Result<Self> {
        let [readers, writers] = [READERS, WRITERS].map(|threads| Arc::new(Semaphore::new(threads)));
        Ok(Self { root: root.canonicalize()?, max_bytes, readers, writers })
    }

    /// Removes the files of claims whose process was killed.
    fn remove_abandoned_claims(&self) -> io::Result<()> {
        for file in fs::read_dir(self.root.join(CLAIMS))? {
            let path = file?.path();
            if let Ok(file) = File::options().write(true).open(&path)
                && file.try_lock().is_ok()
            {
                remove_claim(&file, &path);
            }
        }
        Ok(())
    }

    fn claim_file(&self, id: &ResultId) -> Result<Option<Claim>, StoreError> {
        let path = self.root.join(CLAIMS).join(id.path().replace('/', ""));
        // Whoever removes such a file writes into it first: one that was opened before and locked after that is no claim.
        for _ in 0..CLAIM_ATTEMPTS {
            let file = File::options().write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                // It was rendered between the lookup and now.
                Ok(()) if self.path(id).try_exists()? => {
                    remove_claim(&file, &path);
                    return Ok(None);
                }
                Ok(()) if file.metadata()?.len() == 0 => {
                    return Ok(Some(Claim::new(async move {
                        // Closing and removing a file takes microseconds.
                        remove_claim(&file, &path);
                    })));
                }
                Ok(()) => remove_claim(&file, &path),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn path(&self, id: &ResultId) -> PathBuf {
        self.root.join(id.path())
    }

    fn size_file(&self) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(self.root.join(SIZE))
    }

    fn read(&self, id: &ResultId) -> Result<Option<Stored>, StoreError> {
        let mut file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let facts = file.metadata()?;
        let mut head = [0; RECORD_LEN];
        let is_whole = file.read_exact(&mut head).is_ok();
        let record = Record::from_bytes(&head)
            .filter(|record| is_whole && record.length.checked_add(RECORD_LEN as u64) == Some(facts.len()));
        let Some(record) = record else {
            self.discard(&id.path())?;
            return Err(StoreError::Damaged);
        };
        let now = SystemTime::now();
        // A time in the future is that of a clock that has been corrected since.
        let is_marked =
            facts.modified().is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age < USE_RESOLUTION));
        if !is_marked {
            // The file of another user cannot be marked, and is evicted sooner.
            let _ = file.set_modified(now);
        }
        let content = if record.length <= IN_MEMORY {
            let mut bytes = vec![0; record.length as usize];
            file.read_exact(&mut bytes)?;
            record.fits(&bytes).then(|| Content::Memory(bytes.into()))
        } else {
            let is_same = digest(&mut file)? == record.digest;
            is_same.then(|| Content::File(Arc::new(file), RECORD_LEN as u64))
        };
        let Some(content) = content else {
            self.discard(&id.path())?;
            return Err(StoreError::Damaged);
        };
        Ok(Some(Stored { record, content }))
    }

    fn write(&self, id: &ResultId, record: &Record, bytes: &[u8]) -> Result<Written, StoreError> {
        let size = RECORD_LEN as u64 + bytes.len() as u64;
        if size > self.max_bytes {
            return Ok(Written::TooLarge);
        }
        let mut total = Total::lock(self.size_file()?)?;
        let path = self.path(id);
        if path.try_exists()? {
            return Ok(Written::AlreadyThere);
        }
        if total.bytes.is_none_or(|used| used.saturating_add(size) > self.max_bytes) {
            total.bytes = Some(self.evict(size, total.bytes.unwrap_or(u64::MAX))?);
        }
        let used = total.bytes.unwrap_or_default();
        total.store(used + size)?;
        if let Err(error) = self.write_partial(record, bytes) {
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                return Err(error.into());
            }
            // The disk is smaller than the limit, or others fill it.
            let left = self.evict_share(size)?;
            total.store(left + size)?;
            self.write_partial(record, bytes)?;
        }
        let partial = self.root.join(PARTIAL);
        if let Some(parent) = path.parent() {
            match fs::create_dir(parent) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        fs::rename(partial, path)?;
        Ok(Written::Stored)
    }

    /// Writes a result under its temporary name. If that fails, nothing of it is left.
    fn write_partial(&self, record: &Record, bytes: &[u8]) -> io::Result<()> {
        let partial = self.root.join(PARTIAL);
        // One that a killed process left, or something else: what is written must be a new file.
        remove_if_there(&partial)?;
        let write = || {
            let mut file = File::create_new(&partial)?;
            file.write_all(&record.to_bytes())?;
            file.write_all(bytes)
        };
        write().inspect_err(|_| _ = fs::remove_file(&partial))
    }

    /// Removes the result with this path, if it exists.
    fn discard(&self, path: &str) -> io::Result<()> {
        let mut total = Total::lock(self.size_file()?)?;
        let path = self.root.join(path);
        let length = path.symlink_metadata().map_or(0, |facts| facts.len());
        remove_if_there(&path)?;
        match total.bytes {
            Some(used) => total.store(used.saturating_sub(length)),
            None => Ok(()),
        }
    }

    /// Finds the results whose paths begin with these digits.
    fn find(&self, prefix: &str) -> io::Result<Vec<StoredResult>> {
        let Some((folder, start)) = prefix.split_once('/') else { return Ok(Vec::new()) };
        let files = match fs::read_dir(self.root.join(folder)) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for file in files {
            let file = file?;
            let name = file.file_name();
            let Some(name) = name.to_str().filter(|name| is_hex(name.as_ref(), 62) && name.starts_with(start)) else {
                continue;
            };
            match file.metadata() {
                Ok(facts) => found.push(StoredResult { path: format!("{folder}/{name}"), bytes: facts.len() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Evicts the least recently used results until there is room for `size` bytes plus a reserve, and returns the
    /// remaining total size. `believed` is the recorded total size, which may be wrong in either direction.
    fn evict(&self, size: u64, believed: u64) -> io::Result<u64> {
        self.evict_to((self.max_bytes - self.max_bytes / EVICTED_SHARE).max(size) - size, believed)
    }

    /// Evicts so many bytes, and a share of what is there, and returns the remaining total size.
    fn evict_share(&self, size: u64) -> io::Result<u64> {
        let mut total = 0_u64;
        self.for_each(|_, length, _| total += length)?;
        self.evict_to((total - total / EVICTED_SHARE).saturating_sub(size), total)
    }

    fn evict_to(&self, target: u64, mut believed: u64) -> io::Result<u64> {
        loop {
            let mut oldest = Oldest::new(believed.saturating_sub(target));
            let mut total = 0_u64;
            self.for_each(|used, length, path| {
                total += length;
                oldest.push(Entry { used, length, path });
            })?;
            for entry in oldest.into_sorted() {
                if total <= target {
                    break;
                }
                remove_if_there(&entry.path)?;
                total -= entry.length;
            }
            if total <= target {
                return Ok(total);
            }
            believed = total;
        }
    }

    /// Calls `each` with the last use, the length and the path of every result.
    fn for_each(&self, mut each: impl FnMut(SystemTime, u64, PathBuf)) -> io::Result<()> {
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            // What is named like a result, but is none, is not the store's.
            if !is_hex(&folder.file_name(), 2) || !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                if !is_hex(&file.file_name(), 62) {
                    continue;
                }
                let facts = match file.metadata() {
                    Ok(facts) if facts.is_dir() => continue,
                    Ok(facts) => facts,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                each(facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), facts.len(), file.path());
            }
        }
        Ok(())
    }
}

/// Marks the file of a claim as ended, and removes it. A file that is left behind does no harm.
fn remove_claim(mut file: &File, path: &Path) {
    let _ = file.write_all(b"ended");
    let _ = fs::remove_file(path);
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_hex(name: &std::ffi::OsStr, length: usize) -> bool {
    name.len() == length && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
}

/// The SHA-256 of the rest of a file.
fn digest(file: &mut File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(&buffer[..count]),
        }
    }
}

/// The total size of all results. The lock of its file is held until this is dropped.
struct Total {
    file: File,
    /// `None` if it is unknown.
    bytes: Option<u64>,
}

impl Total {
    fn lock(mut file: File) -> io::Result<Self> {
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps its lock"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let mut text = [0; 20];
        let length = file.read(&mut text)?;
        let bytes = std::str::from_utf8(&text[..length]).ok().and_then(|text| text.trim_end().parse().ok());
        Ok(Self { file, bytes })
    }

    fn store(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes = Some(bytes);
        self.file.seek(SeekFrom::Start(0))?;
        // A fixed number of digits, so that the file never needs to be truncated.
        self.file.write_all(format!("{bytes:020}").as_bytes())
    }
}

/// A candidate for eviction. The greatest one is the most recently used.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    used: SystemTime,
    length: u64,
    path: PathBuf,
}

/// The least recently used results that together have at least `wanted` bytes, as far as there are that many.
struct Oldest {
    wanted: u64,
    bytes: u64,
    heap: BinaryHeap<Entry>,
}

impl Oldest {
    const fn new(wanted: u64) -> Self {
        Self { wanted, bytes: 0, heap: BinaryHeap::new() }
    }

    fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.length);
        self.heap.push(entry);
        while self.heap.peek().is_some_and(|newest| self.bytes - newest.length >= self.wanted) {
            let Some(newest) = self.heap.pop() else { break };
            self.bytes -= newest.length;
        }
    }

    /// Sorted from the least recently used.
    fn into_sorted(self) -> Vec<Entry> {
        self.heap.into_sorted_vec()
    }
}

impl ResultStore for Folder {
    fn get<'a>(&'a self, id: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        let (folder, id) = (self.clone(), id.clone());
        Box::pin(blocking(self.readers.clone(), move || folder.read(&id)))
    }

    fn put<'a>(
        &'a self,
        id: &'a ResultId,
        record: &'a Record,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        let (folder, id, record) = (self.clone(), id.clone(), *record);
        Box::pin(blocking(self.writers.clone(), move || folder.write(&id, &record, &bytes)))
    }

    fn claim<'a>(&'a self, id: &'a ResultId, _max_age: Duration) -> BoxFuture<'a, Result<Option<Claim>, StoreError>> {
        let (folder, id) = (self.clone(), id.clone());
        Box::pin(blocking(self.writers.clone(), move || folder.claim_file(&id)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredResult>, StoreError>> {
        let (folder, prefix) = (self.clone(), prefix.to_owned());
        Box::pin(blocking(self.readers.clone(), move || Ok(folder.find(&prefix)?)))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let (folder, path) = (self.clone(), path.to_owned());
        Box::pin(blocking(self.writers.clone(), move || Ok(folder.discard(&path)?)))
    }
}

/// Runs a job on a thread of its own, when one of `threads` is free.
async fn blocking<T: Send + 'static>(
    threads: Arc<Semaphore>,
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let thread = threads.acquire_owned().await.map_err(io::Error::other)?;
    let run = move || {
        // Until the job ends, even if nobody waits for it any longer.
        let _thread = thread;
        job()
    };
    tokio::task::spawn_blocking(run).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
