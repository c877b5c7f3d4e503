//! Caches in memory, up to a total weight of their entries. CLOCK-Pro decides which entries stay: those that are used
//! again and again are not displaced by a scan of what is used once.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// What a part of a cache of bytes holds at least, since each part has its own lock and its own share of the weight, and
/// refuses an entry that is heavier than that.
const PART: u64 = 64 << 20;

/// The expected weight of an entry in bytes, from which a cache estimates how many keys of displaced entries to remember.
const USUAL_ENTRY: u64 = 32 << 10;

/// Entries by key, shared by its clones.
pub(crate) struct MemoryCache<K, V> {
    entries: Arc<Cache<K, V, Weigh<K, V>>>,
}

impl<K: Eq + Hash, V: Clone> MemoryCache<K, V> {
    /// Creates a cache of at most so many entries.
    pub(crate) fn of_entries(count: u32) -> Self {
        Self::new(
            OptionsBuilder::new().estimated_items_capacity(count as usize).weight_capacity(count.into()),
            |_, _| 1,
        )
    }

    /// Creates a cache of at most so many bytes, of which an entry takes as many as `weigh` returns.
    pub(crate) fn of_bytes(bytes: u64, weigh: fn(&K, &V) -> usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let parts = usize::try_from(bytes / PART).unwrap_or(usize::MAX).clamp(1, 4 * processors);
        // The next power of two would leave less than `PART` to each.
        let parts = if parts.is_power_of_two() { parts } else { parts.next_power_of_two() / 2 };
        let count = usize::try_from(bytes / USUAL_ENTRY).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        Self::new(options.shards(parts).estimated_items_capacity(count).weight_capacity(bytes), weigh)
    }

    fn new(options: &OptionsBuilder, weigh: fn(&K, &V) -> usize) -> Self {
        let entries = match options.build() {
            Ok(options) => {
                Cache::with_options(options, Weigh(weigh), DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            Err(_) => unreachable!("both capacities are set"),
        };
        Self { entries: Arc::new(entries) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Inserts or replaces an entry, unless it is about as heavy as a part of the cache.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.entries.insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.entries.remove(key);
    }

    #[cfg(any(feature = "cdn", test))]
    /// Removes all entries but those for which `keep` holds.
    pub(crate) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        self.entries.retain(keep);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The total weight of all entries.
    pub(crate) fn weight(&self) -> u64 {
        self.entries.weight()
    }
}

impl<K, V> Clone for MemoryCache<K, V> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone() }
    }
}

impl<K, V> fmt::Debug for MemoryCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

/// Computes the weight of an entry.
struct Weigh<K, V>(fn(&K, &V) -> usize);

impl<K, V> Clone for Weigh<K, V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, V> Weighter<K, V> for Weigh<K, V> {
    fn weight(&self, key: &K, value: &V) -> u64 {
        // An entry without weight would never be displaced.
        (self.0)(key, value).max(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_weight_stays_within_the_limit() {
        let cache = MemoryCache::of_bytes(1 << 20, |_: &u32, value: &Arc<[u8]>| value.len());
        for key in 0..1000 {
            cache.insert(key, vec![0; 10_000].into());
            assert!(cache.weight() <= 1 << 20, "{key}");
        }
        assert!(cache.weight() > 900_000 && cache.get(&999).is_some());
    }

    #[test]
    fn what_is_used_often_outlives_what_is_used_once() {
        let cache = MemoryCache::of_entries(100);
        cache.insert(0, ());
        for key in 1..10_000 {
            assert!(cache.get(&0).is_some(), "{key}");
            cache.insert(key, ());
        }
        assert!(cache.len() <= 100);
    }

    #[test]
    fn an_entry_may_take_most_of_a_small_cache_and_60_mb_of_a_large_one() {
        for (bytes, fits, is_kept) in
            [(100, 95, true), (100, 101, false), (PART, 60 << 20, true), (16 * PART, 60 << 20, true), (0, 1, false)]
        {
            let cache = MemoryCache::of_bytes(bytes, |(), weight: &usize| *weight);
            cache.insert((), fits);
            assert_eq!(cache.contains(&()), is_kept, "{bytes} {fits}");
        }
    }

    #[test]
    fn removed_entries_are_gone() {
        let cache = MemoryCache::of_entries(100);
        (0..10).for_each(|key| cache.insert(key, key));
        cache.remove(&3);
        cache.retain(|key, value| key == value && key % 2 == 1);
        assert_eq!((0..10).filter(|key| cache.contains(key)).collect::<Vec<_>>(), [1, 5, 7, 9]);
    }
}
