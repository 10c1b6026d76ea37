//! Which partition a key belongs to: the murmur2 of Kafka's own clients, so that theirs and ours agree.

use crate::Partition;

/// The partition of `key` among `partitions` (at least 1), as Kafka's Java producer computes it:
/// the 32-bit murmur2 hash (seed 0x9747b28c) without its sign bit, modulo the number of partitions.
/// Records without a key go to partition 0.
///
/// ```
/// use pandaflow::{Partition, partition_of};
/// assert_eq!(partition_of(Some(b"21"), 1), Partition(0));
/// ```
#[must_use]
pub fn partition_of(key: Option<&[u8]>, partitions: u32) -> Partition {
    let hash = key.map_or(0, murmur2) & 0x7fff_ffff;
    Partition(hash % partitions.max(1))
}

/// MurmurHash2, 32 bits, by Austin Appleby (public domain), with the seed that Kafka uses.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::murmur2;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn agrees_with_the_hashes_of_the_java_client() {
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key).cast_signed(), hash);
        }
    }
}
