//! Seeded randomness, so that a failing test can be repeated with its seed.
//!
//! SplitMix64 is enough for ids and random choices. Randomness of the system would make runs
//! differ.

/// A reproducible source of ids and random choices.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A source that is the same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (SplitMix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A GUID in the shape of version 4.
    pub fn guid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0xfff,
            low & 0xffff_ffff_ffff,
        )
    }

    /// A git object id: 40 hexadecimal digits.
    pub fn sha(&mut self) -> String {
        let (first, second, third) = (self.bits(), self.bits(), self.bits());
        format!("{first:016x}{second:016x}{:08x}", third >> 32)
    }

    /// A number below `limit`; zero for the limit zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits().checked_rem(limit).unwrap_or(0)
    }

    /// A text of so many characters of an ASCII alphabet.
    pub fn text(&mut self, alphabet: &[u8], characters: usize) -> String {
        let mut next = || {
            let at = usize::try_from(self.below(alphabet.len() as u64)).unwrap_or(0);
            alphabet.get(at).copied().map_or('A', char::from)
        };
        (0..characters).map(|_| next()).collect()
    }

    /// True with a probability of `percent` in a hundred.
    pub fn happens(&mut self, percent: u8) -> bool {
        percent > 0 && self.below(100) < u64::from(percent)
    }
}
