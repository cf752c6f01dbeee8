//! Jitter: a delay that depends only on the seed and the nominal time, so it is the same after every restart. Pure.

/// Seconds from 0001-01-01 to the Unix epoch: the origin of the hashed instants.
const YEAR_ONE: i64 = 62_135_596_800;

/// The delay in milliseconds of the nominal time `nominal_s` (Unix seconds), less than `cap_ms`, for the schedule with the id `seed`.
///
/// This is Temporal's rule: `FarmHash` Fingerprint32 of the marshaled instant and the seed, scaled to the cap.
#[must_use]
pub fn delay_ms(seed: &str, nominal_s: i64, cap_ms: i64) -> i64 {
    if cap_ms <= 0 {
        return 0;
    }
    let mut bytes = Vec::with_capacity(15 + seed.len());
    bytes.push(1);
    bytes.extend((nominal_s + YEAR_ONE).to_be_bytes());
    bytes.extend(0_i32.to_be_bytes());
    bytes.extend([0xff, 0xff]);
    bytes.extend(seed.as_bytes());
    let cap = cap_ms.min(i64::from(u32::MAX));
    (i64::from(farmhash::fingerprint32(&bytes)) * cap) >> 32
}
