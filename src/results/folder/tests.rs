use super::*;

fn stored(folder: &Folder, name: &str) -> Option<Vec<u8>> {
    match folder.read(&ResultId::of("k", name)).unwrap()?.content {
        Content::Memory(bytes) => Some(bytes.to_vec()),
        Content::File(file, start) => {
            let (mut file, mut bytes) = (file.try_clone().unwrap(), Vec::new());
            file.seek(SeekFrom::Start(start)).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            Some(bytes)
        }
        Content::Stream(_) => panic!("a folder does not stream"),
    }
}

fn store(folder: &Folder, name: &str, bytes: &[u8]) -> Written {
    folder.write(&ResultId::of("k", name), &Record::of("image/png", None, bytes), bytes).unwrap()
}

/// The actual and the recorded total size of the results.
fn sizes(folder: &Folder) -> (u64, u64) {
    let believed = Total::lock(folder.size_file().unwrap()).unwrap();
    let mut total = 0;
    folder.for_each(|_, length, _| total += length).unwrap();
    (total, believed.bytes.unwrap())
}

#[test]
fn a_result_is_found_by_every_process() {
    let temporary = tempfile::tempdir().unwrap();
    let [one, other] = [1, 2].map(|_| Folder::new(temporary.path(), 100_000_000).unwrap());
    let large = vec![7; IN_MEMORY as usize + 1];
    for bytes in [b"".as_slice(), b"bytes", &large] {
        let name = bytes.len().to_string();
        assert_eq!(stored(&one, &name), None);
        assert_eq!(store(&one, &name, bytes), Written::Stored);
        assert_eq!(store(&other, &name, bytes), Written::AlreadyThere);
        assert!(stored(&other, &name).unwrap() == bytes, "{name}");
    }
    let (there, believed) = sizes(&other);
    assert_eq!((there, believed), (3 * RECORD_LEN as u64 + 5 + large.len() as u64, there));
}

#[test]
fn damaged_results_are_removed_and_never_given_out() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(temporary.path(), 100_000_000).unwrap();
    let large = vec![7; IN_MEMORY as usize + 1];
    let damages: [fn(&mut Vec<u8>); 6] = [
        Vec::clear,
        |bytes| bytes.truncate(RECORD_LEN - 1),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.push(0),
        |bytes| bytes[RECORD_LEN + 1] ^= 1,
        |bytes| bytes[0] ^= 1,
    ];
    for bytes in [b"bytes".as_slice(), &large] {
        for (at, damage) in damages.iter().enumerate() {
            let id = ResultId::of("k", "x");
            assert_eq!(store(&folder, "x", bytes), Written::Stored);
            let mut file = fs::read(folder.path(&id)).unwrap();
            damage(&mut file);
            fs::write(folder.path(&id), file).unwrap();
            assert!(matches!(folder.read(&id), Err(StoreError::Damaged)), "{at}");
            assert_eq!(stored(&folder, "x"), None, "{at}");
        }
    }
}

#[test]
fn the_least_recently_used_go_first_and_the_bound_holds() {
    let temporary = tempfile::tempdir().unwrap();
    let size = RECORD_LEN as u64 + 1000;
    let folder = Folder::new(temporary.path(), 10 * size).unwrap();
    let bytes = [1; 1000];
    let long_ago = SystemTime::now() - Duration::from_secs(1000);
    for name in 0..10_u64 {
        store(&folder, &name.to_string(), &bytes);
        let file = File::open(folder.path(&ResultId::of("k", &name.to_string()))).unwrap();
        file.set_modified(long_ago + Duration::from_secs(name)).unwrap();
    }
    assert_eq!(sizes(&folder).0, 10 * size);
    assert!(stored(&folder, "0").is_some(), "and so it is used now");
    assert_eq!(store(&folder, "new", &bytes), Written::Stored);
    let left: Vec<_> = (0..10).filter(|name| stored(&folder, &name.to_string()).is_some()).collect();
    assert_eq!(left, [0, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(sizes(&folder), (9 * size, 9 * size));
    assert_eq!(store(&folder, "huge", &vec![1; 20_000]), Written::TooLarge);
}

#[tokio::test]
async fn one_process_at_a_time_has_a_claim() {
    let temporary = tempfile::tempdir().unwrap();
    let [one, other] = [0; 2].map(|_| Folder::new(temporary.path(), 1000).unwrap());
    let (id, another) = (ResultId::of("k", "x"), ResultId::of("k", "y"));
    let claims = || fs::read_dir(temporary.path().join(CLAIMS)).unwrap().count();
    let first = one.claim_file(&id).unwrap().unwrap();
    assert!(other.claim_file(&id).unwrap().is_none());
    let second = other.claim_file(&another).unwrap().unwrap();
    assert_eq!(claims(), 2);
    first.release().await;
    second.release().await;
    assert_eq!(claims(), 0);
    let again = other.claim_file(&id).unwrap().unwrap();
    assert!(one.claim_file(&id).unwrap().is_none());
    // A store that is opened leaves claims that are in use.
    Folder::new(temporary.path(), 1000).unwrap();
    assert_eq!(claims(), 1);
    drop(again);
    tokio::task::yield_now().await;
    assert_eq!(claims(), 0);
}

#[test]
fn a_killed_process_loses_its_claims() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(temporary.path(), 1000).unwrap();
    let id = ResultId::of("k", "x");
    // Without a runtime, a dropped claim closes its file only, as the system does for a killed process.
    drop(folder.claim_file(&id).unwrap().unwrap());
    drop(folder.claim_file(&id).unwrap().unwrap());
    let claims = || fs::read_dir(temporary.path().join(CLAIMS)).unwrap().count();
    assert_eq!(claims(), 1);
    // One that was killed between writing into the file and removing it.
    let path = temporary.path().join(CLAIMS).join(id.path().replace('/', ""));
    fs::write(path, "ended").unwrap();
    drop(folder.claim_file(&id).unwrap().unwrap());
    Folder::new(temporary.path(), 1000).unwrap();
    assert_eq!(claims(), 0);
}

#[test]
fn the_results_of_one_original_are_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(temporary.path(), 100_000).unwrap();
    for (key, text) in [("a.jpg", "1"), ("a.jpg", "2"), ("b.jpg", "1")] {
        folder.write(&ResultId::of(key, text), &Record::of("image/png", None, b"bytes"), b"bytes").unwrap();
    }
    let prefix = super::super::record::prefix_of("a.jpg");
    let found = folder.find(&prefix).unwrap();
    let size = RECORD_LEN as u64 + 5;
    assert_eq!(found.iter().map(|result| result.bytes).collect::<Vec<_>>(), [size, size]);
    for result in &found {
        folder.discard(&result.path).unwrap();
        folder.discard(&result.path).unwrap();
    }
    assert_eq!(folder.find(&prefix).unwrap(), []);
    assert!(folder.read(&ResultId::of("b.jpg", "1")).unwrap().is_some());
    assert_eq!(sizes(&folder), (size, size));
    assert_eq!(folder.find(&super::super::record::prefix_of("never.jpg")).unwrap(), []);
}

#[test]
fn a_size_that_is_wrong_is_counted_again() {
    let size = RECORD_LEN as u64 + 1000;
    for noted in ["", "rubbish", "99999999999999999999", "00000000000000000000", "-1"] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path(), 4 * size).unwrap();
        for name in ["a", "b", "c"] {
            store(&folder, name, &[1; 1000]);
        }
        fs::write(temporary.path().join("foreign"), "not ours").unwrap();
        fs::write(temporary.path().join(SIZE), noted).unwrap();
        for name in 0..20 {
            store(&folder, &name.to_string(), &[1; 1000]);
            // A recorded size that is too small is detected after that many more bytes have been stored.
            assert!(sizes(&folder).0 <= 7 * size, "{noted}");
        }
        let (there, believed) = sizes(&folder);
        assert!(there == believed && there <= 4 * size, "{noted}: {there} {believed}");
        assert!(temporary.path().join("foreign").exists());
    }
}

#[test]
fn a_folder_without_results_is_not_made_a_store() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("typo");
    assert!(Folder::existing(&path, 1000).is_err() && !path.exists());
    fs::create_dir(&path).unwrap();
    let error = Folder::existing(&path, 1000).unwrap_err();
    assert_eq!(error.to_string(), "no server has stored results in this folder");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    store(&Folder::new(&path, 1000).unwrap(), "x", b"bytes");
    assert_eq!(stored(&Folder::existing(&path, 1000).unwrap(), "x").as_deref(), Some(b"bytes".as_slice()));
}

#[test]
fn what_is_not_the_stores_is_left_alone_and_in_nobodys_way() {
    let temporary = tempfile::tempdir().unwrap();
    let size = RECORD_LEN as u64 + 1000;
    let folder = Folder::new(temporary.path(), 4 * size).unwrap();
    let foreign = ["ab", "cd/".to_owned().as_str(), &format!("ef/{}/", "0".repeat(62))].map(|name| {
        let path = temporary.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::write(&path, "foreign").unwrap();
        }
        path
    });
    for name in 0..40 {
        // Results that belong in the folder whose name a file has cannot be stored.
        let _ =
            folder.write(&ResultId::of(&name.to_string(), "x"), &Record::of("image/png", None, &[1; 1000]), &[1; 1000]);
        assert!(sizes(&folder).0 <= 4 * size);
    }
    assert!(sizes(&folder).0 >= 3 * size && foreign.iter().all(|path| path.exists()));
}

#[test]
fn a_temporary_file_of_another_process_is_replaced_and_not_followed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(&temporary.path().join("store"), 100_000).unwrap();
    let other = temporary.path().join("other");
    fs::write(&other, "other").unwrap();
    std::os::unix::fs::symlink(&other, folder.root.join(PARTIAL)).unwrap();
    store(&folder, "x", b"bytes");
    assert_eq!(fs::read(&other).unwrap(), b"other");
    assert_eq!(stored(&folder, "x").as_deref(), Some(b"bytes".as_slice()));
}

#[test]
fn a_time_of_use_in_the_future_is_corrected() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(temporary.path(), 100_000).unwrap();
    store(&folder, "x", b"bytes");
    let path = folder.path(&ResultId::of("k", "x"));
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    File::options().write(true).open(&path).unwrap().set_modified(future).unwrap();
    stored(&folder, "x").unwrap();
    assert!(path.metadata().unwrap().modified().unwrap() <= SystemTime::now() + Duration::from_secs(1));
}

#[test]
fn evicting_a_share_makes_room_below_the_limit() {
    let temporary = tempfile::tempdir().unwrap();
    let size = RECORD_LEN as u64 + 1000;
    let folder = Folder::new(temporary.path(), 1000 * size).unwrap();
    for name in 0..20 {
        store(&folder, &name.to_string(), &[1; 1000]);
    }
    for (bytes, left) in [(0, 18), (size, 15), (1 << 40, 0), (size, 0)] {
        assert_eq!(folder.evict_share(bytes).unwrap(), left * size, "{bytes}");
        assert_eq!(sizes(&folder).0, left * size, "{bytes}");
    }
}

#[test]
fn many_writers_keep_the_bound() {
    let temporary = tempfile::tempdir().unwrap();
    let size = RECORD_LEN as u64 + 100;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let folder = Folder::new(temporary.path(), 20 * size).unwrap();
            scope.spawn(move || {
                for name in 0..100 {
                    store(&folder, &format!("{}", (name * (writer + 1)) % 70), &[1; 100]);
                    assert!(sizes(&folder).0 <= 20 * size);
                }
            });
        }
    });
}
