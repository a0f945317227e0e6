//! One rendered body and where its digits are replaced. It must never parse JSON.

/// How many subscriptions send; each counts its notifications by itself.
const SUBSCRIPTIONS: u64 = 8;
const PULL_REQUESTS: u64 = 2_000;

/// What differs between two deliveries of the same template; all have a fixed width.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Subscription,
    Notification,
    Event,
    Head,
    Number,
    Created,
}

const SLOTS: [(&str, Slot); 6] = [
    ("@subscription@", Slot::Subscription),
    ("@notification@", Slot::Notification),
    ("@event@", Slot::Event),
    ("@head@", Slot::Head),
    ("@number@", Slot::Number),
    ("@created@", Slot::Created),
];

/// See the module.
#[derive(Debug)]
pub(crate) struct Template {
    text: Vec<u8>,
    slots: Vec<(usize, Slot)>,
}

impl Template {
    /// Takes a text in which only the slots are still to be filled in.
    pub(super) fn new(text: &str) -> Self {
        let (mut rendered, mut slots, mut rest) = (Vec::new(), Vec::new(), text);
        let next = |rest: &str| {
            let found =
                SLOTS.iter().filter_map(|(name, slot)| Some((rest.find(name)?, name, *slot)));
            found.min_by_key(|(at, _, _)| *at).map(|(at, name, slot)| (at, name.len(), slot))
        };
        while let Some((at, length, slot)) = next(rest) {
            let (before, after) = rest.split_at(at);
            rendered.extend_from_slice(before.as_bytes());
            slots.push((rendered.len(), slot));
            rendered.extend_from_slice(slot.value(0).as_bytes());
            rest = after.get(length..).unwrap_or_default();
        }
        rendered.extend_from_slice(rest.as_bytes());
        Self { text: rendered, slots }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Appends the body of delivery `number` to `out`.
    pub(crate) fn render(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.text);
        for (at, slot) in &self.slots {
            if let Some(place) = out.get_mut(start + at..) {
                slot.patch(number, place);
            }
        }
    }
}

impl Slot {
    /// Only for the first rendering: the hot path writes digits.
    fn value(self, number: u64) -> String {
        let mut text = match self {
            Slot::Subscription => "7d21f0e4-83bc-4a56-9f1e-00000000000s",
            Slot::Notification => "100000000",
            Slot::Event => "00000000-0000-4000-8000-000000000000",
            Slot::Head => "0000000000000000e3b0c44298fc1c149afbf4c8",
            Slot::Number => "10000",
            Slot::Created => "2026-03-02T00:00:00.0000000Z",
        }
        .as_bytes()
        .to_vec();
        self.patch(number, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn patch(self, number: u64, place: &mut [u8]) {
        match self {
            Slot::Subscription => decimal(number % SUBSCRIPTIONS, 1, place, 35),
            Slot::Notification => decimal(100_000_000 + number / SUBSCRIPTIONS, 9, place, 0),
            // The mixing maps no two numbers to the same digits.
            Slot::Event => {
                hex(mix(number) >> 32, 8, place, 0);
                hex(mix(number) & 0xffff_ffff, 8, place, 28);
            }
            Slot::Head => hex(mix(number), 16, place, 0),
            Slot::Number => decimal(10_000 + mix(number) % PULL_REQUESTS, 5, place, 0),
            Slot::Created => {
                decimal(number / 3_600_000 % 24, 2, place, 11);
                decimal(number / 60_000 % 60, 2, place, 14);
                decimal(number / 1_000 % 60, 2, place, 17);
                decimal(number % 1_000, 3, place, 20);
            }
        }
    }
}

fn decimal(number: u64, width: usize, place: &mut [u8], at: usize) {
    digits(number, 10, width, place, at);
}

fn hex(number: u64, width: usize, place: &mut [u8], at: usize) {
    digits(number, 16, width, place, at);
}

fn digits(mut number: u64, base: u64, width: usize, place: &mut [u8], at: usize) {
    let Some(place) = place.get_mut(at..at + width) else { return };
    for digit in place.iter_mut().rev() {
        let index = usize::try_from(number % base).unwrap_or_default();
        *digit = b"0123456789abcdef".get(index).copied().unwrap_or(b'0');
        number /= base;
    }
}

/// The finalizer of splitmix64: a bijection whose output looks random.
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
