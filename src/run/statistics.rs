//! Statistics of the closes of one step: how many succeeded, and how long their last attempts took. Pure.

use std::collections::BTreeMap;

/// The closes of a step within a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Number of closes without an incident.
    pub ok: u64,
    /// Number of closes that recorded a failure in an incident.
    pub failed: u64,
    /// The longest attempt, in milliseconds.
    pub slowest_ms: u64,
    /// Number of attempts in each bucket of a logarithmic scale.
    latencies: BTreeMap<u8, u32>,
}

/// Number of buckets from one power of two to the next: the middle of a bucket is within 6 % of every duration in it.
const PER_OCTAVE: u64 = 8;
/// Durations from here on, 99 days, share the last bucket.
const LONGEST_MS: u64 = (1 << 33) - 1;

/// The bucket of a duration in milliseconds.
fn bucket(ms: u64) -> u8 {
    let ms = ms.min(LONGEST_MS);
    if ms < PER_OCTAVE {
        return u8::try_from(ms).unwrap_or(u8::MAX);
    }
    let octave = u64::from(ms.ilog2());
    u8::try_from((octave - 2) * PER_OCTAVE + (ms >> (octave - 3)) % PER_OCTAVE).unwrap_or(u8::MAX)
}

/// The middle of a bucket in milliseconds.
fn middle(bucket: u8) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PER_OCTAVE {
        return bucket;
    }
    let (octave, part) = (bucket / PER_OCTAVE + 2, bucket % PER_OCTAVE);
    let width = 1 << (octave - 3);
    (PER_OCTAVE + part) * width + width / 2
}

impl Statistics {
    /// Adds a close whose last attempt took `elapsed_ms`; `None` if the step closed without an attempt.
    pub fn add(&mut self, ok: bool, elapsed_ms: Option<u64>) {
        if ok {
            self.ok += 1;
        } else {
            self.failed += 1;
        }
        if let Some(ms) = elapsed_ms {
            self.slowest_ms = self.slowest_ms.max(ms);
            *self.latencies.entry(bucket(ms)).or_default() += 1;
        }
    }

    /// Adds the closes of another period.
    pub fn merge(&mut self, other: &Self) {
        // The counts come from a database, which may be damaged.
        self.ok = self.ok.saturating_add(other.ok);
        self.failed = self.failed.saturating_add(other.failed);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        for (bucket, count) in &other.latencies {
            let sum = self.latencies.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The duration that `percent` of the attempts did not exceed, in milliseconds, to within 6 %; `None` without attempts.
    #[must_use]
    pub fn percentile_ms(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.latencies.values().map(|count| u64::from(*count)).sum();
        if total == 1 {
            return Some(self.slowest_ms);
        }
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.latencies.iter().find(|(_, count)| {
            seen += u64::from(**count);
            seen >= rank
        });
        found.map(|(bucket, _)| middle(*bucket).min(self.slowest_ms))
    }

    /// The histogram of latencies as bytes: for each bucket that is not empty, its number and, in four bytes, little-endian, its count.
    #[must_use]
    pub fn latencies(&self) -> Vec<u8> {
        let entry = |(bucket, count): (&u8, &u32)| {
            let [a, b, c, d] = count.to_le_bytes();
            [*bucket, a, b, c, d]
        };
        self.latencies.iter().flat_map(entry).collect()
    }

    /// Statistics whose histogram is stored as bytes.
    #[must_use]
    pub fn stored(ok: u64, failed: u64, slowest_ms: u64, latencies: &[u8]) -> Self {
        let (entries, _) = latencies.as_chunks::<5>();
        Self {
            ok,
            failed,
            slowest_ms,
            latencies: entries
                .iter()
                .map(|[bucket, a, b, c, d]| (*bucket, u32::from_le_bytes([*a, *b, *c, *d])))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_close_to_every_duration_in_it() {
        let mut last = 0;
        for ms in (0..5000).chain((1..2000).map(|n| n * 4_300_000)) {
            let found = bucket(ms);
            assert!(found >= last, "{ms}");
            last = found;
            let off = middle(found).abs_diff(ms.min(LONGEST_MS));
            assert!(off * 16 <= ms, "{ms} is in the bucket around {}", middle(found));
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_durations() {
        let mut statistics = Statistics::default();
        assert_eq!(statistics.percentile_ms(50), None);
        let mut single = Statistics::default();
        single.add(true, Some(5003));
        assert_eq!(single.percentile_ms(50), Some(5003));
        let durations: Vec<u64> = (1..=1000).map(|n| n * 7 % 1009).collect();
        for (n, ms) in durations.iter().enumerate() {
            statistics.add(n % 10 > 0, Some(*ms));
        }
        let mut sorted = durations;
        sorted.sort_unstable();
        for (percent, index) in [(1, 9), (50, 499), (95, 949), (100, 999)] {
            let (got, exact) = (statistics.percentile_ms(percent).unwrap(), sorted[index]);
            assert!(got.abs_diff(exact) * 16 <= exact, "{percent} %: {got}, exactly {exact}");
        }
        assert_eq!(
            (statistics.ok, statistics.failed, statistics.slowest_ms),
            (900, 100, sorted[999])
        );
    }

    #[test]
    fn merged_and_stored_statistics_are_the_same_as_added_ones() {
        let (mut all, mut parts) = (Statistics::default(), [Statistics::default(), Statistics::default()]);
        for ms in 0..500 {
            all.add(ms % 3 > 0, Some(ms * ms));
            parts[usize::from(ms > 200)].add(ms % 3 > 0, Some(ms * ms));
        }
        let [mut merged, other] = parts;
        merged.merge(&other);
        assert_eq!(merged, all);
        assert_eq!(Statistics::stored(all.ok, all.failed, all.slowest_ms, &all.latencies()), all);
    }
}
