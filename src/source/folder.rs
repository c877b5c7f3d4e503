//! A folder of originals. Keys cannot escape from it through `..`, absolute paths or symbolic links.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tokio::sync::Semaphore;

use super::{BoxFuture, Content, GetOptions, GetResult, Key, Object, ObjectMeta, OpenError, Source, SourceError};

/// The maximum number of threads that open files. A file system that hangs leaves those of other sources and of the result
/// store.
const THREADS: usize = 12;

/// A folder of originals.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The canonical path: absolute and without symbolic links.
    root: PathBuf,
    threads: Arc<Semaphore>,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`OpenError`] if the folder cannot be used.
    pub fn new(root: impl AsRef<Path>) -> Result<Self, OpenError> {
        let root = root.as_ref();
        let folder = || root.display().to_string();
        let absolute =
            root.canonicalize().map_err(|error| OpenError::Folder { folder: folder(), reason: error.to_string() })?;
        if !absolute.is_dir() {
            return Err(OpenError::NotAFolder(folder()));
        }
        // This requires the permission to open files in the folder, but not to list them.
        let readable = absolute.join(".").metadata();
        readable.map_err(|error| OpenError::Unreadable { folder: folder(), reason: error.to_string() })?;
        Ok(Self { root: absolute, threads: Arc::new(Semaphore::new(THREADS)) })
    }

    fn open_blocking(&self, key: &Key) -> Result<Object, SourceError> {
        let relative = Path::new(key.as_str());
        let plain = relative.components().all(|component| matches!(component, Component::Normal(_)));
        // `components` drops `.`, `//` and a trailing slash, and recognises names that other systems treat specially.
        if !plain || !key.is_plain() {
            return Err(SourceError::NotFound);
        }
        let path = self.root.join(relative).canonicalize()?;
        if !path.starts_with(&self.root) {
            return Err(SourceError::NotFound);
        }
        // Checked before opening, because opening a named pipe blocks until there is a writer.
        if !path.metadata()?.is_file() {
            return Err(SourceError::NotFound);
        }
        let file = std::fs::File::open(path)?;
        let facts = file.metadata()?;
        let (etag, modified) = (Some(tag(&facts)), facts.modified().ok());
        let meta = ObjectMeta { etag, modified, length: Some(facts.len()), ..ObjectMeta::default() };
        Ok(Object { meta, content: Content::File(file) })
    }
}

/// An entity tag from length and modification time and, where the system provides them, status change time and inode
/// number. The latter distinguish copies that preserve the former, such as those of `cp -p` and `rsync -t`.
fn tag(facts: &std::fs::Metadata) -> String {
    let age = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("{:x}.{:x}", facts.len(), age.as_nanos());
    #[cfg(unix)]
    let tag = {
        use std::os::unix::fs::MetadataExt as _;
        format!("{tag}.{:x}.{:x}.{:x}", facts.ctime(), facts.ctime_nsec(), facts.ino())
    };
    tag
}

impl Source for Folder {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        let (folder, key) = (self.clone(), options.key.clone());
        Box::pin(async move {
            let thread = folder.threads.clone().acquire_owned().await;
            let open = move || {
                // Until the file is open, even if nobody waits for it any longer.
                let _thread = thread;
                folder.open_blocking(&key)
            };
            let opened = tokio::task::spawn_blocking(open).await;
            opened.unwrap_or_else(|error| Err(SourceError::Failed(error.to_string()))).map(GetResult::Object)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Folder, path: &str) -> Result<Vec<u8>, SourceError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let key = Key::from_url_path(path).ok_or(SourceError::NotFound)?;
        runtime.block_on(async {
            let options =
                GetOptions { key: &key, version: None, if_none_match: None, deadline: tokio::time::Instant::now() };
            match folder.open(options).await? {
                GetResult::Object(object) => Ok(object.read(10).await?.to_vec()),
                GetResult::NotModified(_) => panic!("nothing was held"),
            }
        })
    }

    #[test]
    fn any_name_inside_is_found_and_nothing_outside() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("root");
        std::fs::create_dir_all(root.join("sub dir")).unwrap();
        std::fs::write(temporary.path().join("secret"), "secret").unwrap();
        let names =
            ["a.jpg", "sub dir/b+c%20.jpg", "'()!*&=,;@$.jpg", "ünï-日本.jpg", "back\\slash", "..a..", "%2e%2e"];
        for name in names {
            std::fs::write(root.join(name), name.as_bytes().split_at(name.len().min(10)).0).unwrap();
        }
        std::os::unix::fs::symlink("a.jpg", root.join("inside-link")).unwrap();
        std::os::unix::fs::symlink("../secret", root.join("outside-link")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        let folder = Folder::new(&root).unwrap();
        for name in names {
            let path = format!("/{}", percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC));
            assert!(read(&folder, &path).is_ok(), "{name}");
        }
        assert!(read(&folder, "/sub%20dir/b+c%2520.jpg").is_ok());
        assert!(read(&folder, "/inside-link").is_ok());
        let absolute = format!("/{}", temporary.path().join("secret").display());
        let outside = [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/sub%20dir/../../secret",
            "/sub%20dir/../a.jpg",
            "/./a.jpg",
            "/outside-link",
            "/up/secret",
            "/loop",
            "/a.jpg%00.png",
            "/a.jpg/",
            "/sub%20dir",
            "/sub%20dir//b",
            "//a.jpg",
            "/a.jpg/b",
            absolute.as_str(),
            "/missing",
        ];
        for path in outside {
            assert_eq!(read(&folder, path), Err(SourceError::NotFound), "{path}");
        }
        let long = format!("/{}", "x".repeat(5000));
        assert_eq!(read(&folder, &long), Err(SourceError::NotFound));
    }

    #[test]
    fn a_file_that_takes_the_place_of_another_has_another_tag() {
        let temporary = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| temporary.path().join(name));
        let modified = UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for path in [&old, &new] {
            std::fs::write(path, "12345").unwrap();
            std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }
        let facts = [&old, &new].map(|path| path.metadata().unwrap());
        assert_eq!(facts[0].modified().unwrap(), facts[1].modified().unwrap());
        assert_ne!(tag(&facts[0]), tag(&facts[1]));
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join("big"), [0; 11]).unwrap();
        let folder = Folder::new(temporary.path()).unwrap();
        assert_eq!(read(&folder, "/big"), Err(SourceError::TooLarge { length: 11, allowed: 10 }));
    }

    #[tokio::test]
    async fn a_file_that_changes_before_it_is_read_is_not_taken_for_either_version() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a");
        let folder = Folder::new(temporary.path()).unwrap();
        let key = Key::from_url_path("/a").unwrap();
        for (replacement, expected) in [(Some("1234"), false), (Some("123456"), false), (None, true)] {
            std::fs::write(&path, "12345").unwrap();
            let options =
                GetOptions { key: &key, version: None, if_none_match: None, deadline: tokio::time::Instant::now() };
            let GetResult::Object(object) = folder.open(options).await.unwrap() else { panic!() };
            match replacement {
                // In place.
                Some(text) => std::fs::write(&path, text).unwrap(),
                // By another file, which leaves the old one as it was.
                None => {
                    std::fs::remove_file(&path).unwrap();
                    std::fs::write(&path, "other").unwrap();
                }
            }
            let read = object.read(10).await;
            assert_eq!(read.is_ok(), expected, "{replacement:?}: {read:?}");
            assert!(read.is_err() || read.unwrap() == "12345");
        }
    }

    #[test]
    fn a_root_that_is_no_folder_is_named() {
        assert!(Folder::new("/no/such/folder").unwrap_err().to_string().contains("/no/such/folder"));
    }
}
