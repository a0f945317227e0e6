//! One rendered body and what is filled in for each delivery. It must never parse JSON.

/// How many subscriptions send; each counts its notifications by itself.
const SUBSCRIPTIONS: u64 = 8;
const PULL_REQUESTS: u64 = 2_000;
/// So many deliveries stand for a second.
const PER_SECOND: u64 = 1_000;

/// What differs between two deliveries of the same template.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Subscription,
    Notification,
    /// Of what belongs to no subscription.
    Serial,
    Event,
    Head,
    Number,
    Created,
}

const SLOTS: [(&str, Slot); 7] = [
    ("@subscription@", Slot::Subscription),
    ("@notification@", Slot::Notification),
    ("@serial@", Slot::Serial),
    ("@event@", Slot::Event),
    ("@head@", Slot::Head),
    ("@number@", Slot::Number),
    ("@created@", Slot::Created),
];

/// What a delivery is about, where that has to be something that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) pull_request: u64,
    pub(crate) head: &'a str,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Template {
    /// Each slot with the text before it.
    parts: Vec<(Vec<u8>, Slot)>,
    rest: Vec<u8>,
    bytes: usize,
}

impl Template {
    /// Takes a text in which only the slots are still to be filled in.
    pub(super) fn new(text: &str) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        let next = |rest: &str| {
            let found =
                SLOTS.iter().filter_map(|(name, slot)| Some((rest.find(name)?, name, *slot)));
            found.min_by_key(|(at, _, _)| *at).map(|(at, name, slot)| (at, name.len(), slot))
        };
        while let Some((at, length, slot)) = next(rest) {
            let (before, after) = rest.split_at(at);
            parts.push((before.as_bytes().to_vec(), slot));
            rest = after.get(length..).unwrap_or_default();
        }
        let mut template = Self { parts, rest: rest.as_bytes().to_vec(), bytes: 0 };
        let mut first = Vec::new();
        template.render(0, &mut first);
        template.bytes = first.len();
        template
    }

    /// Of every body that `render` makes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it carries the keys by which it is known when it comes again; tests do not.
    pub(crate) fn has_keys(&self) -> bool {
        self.parts.iter().any(|(_, slot)| matches!(slot, Slot::Subscription))
    }

    /// Appends the body of delivery `number` to `out`; it is about something made up.
    pub(crate) fn render(&self, number: u64, out: &mut Vec<u8>) {
        self.fill(number, None, out);
    }

    /// The same about something that exists.
    pub(crate) fn render_about(&self, number: u64, subject: Subject<'_>, out: &mut Vec<u8>) {
        self.fill(number, Some(subject), out);
    }

    fn fill(&self, number: u64, subject: Option<Subject<'_>>, out: &mut Vec<u8>) {
        for (text, slot) in &self.parts {
            out.extend_from_slice(text);
            match (slot, subject) {
                (Slot::Head, Some(subject)) => out.extend_from_slice(subject.head.as_bytes()),
                (Slot::Number, Some(subject)) => {
                    out.extend_from_slice(subject.pull_request.to_string().as_bytes());
                }
                _ => slot.write(number, out),
            }
        }
        out.extend_from_slice(&self.rest);
    }
}

impl Slot {
    /// Always as wide.
    fn write(self, number: u64, out: &mut Vec<u8>) {
        match self {
            Slot::Subscription => {
                out.extend_from_slice(b"7d21f0e4-83bc-4a56-9f1e-00000000000");
                decimal(number % SUBSCRIPTIONS, 1, out);
            }
            Slot::Notification => decimal(100_000_000 + number / SUBSCRIPTIONS, 9, out),
            Slot::Serial => decimal(100_000_000 + number, 9, out),
            // The mixing maps no two numbers to the same digits.
            Slot::Event => {
                hex(mix(number) >> 32, 8, out);
                out.extend_from_slice(b"-0000-4000-8000-0000");
                hex(mix(number) & 0xffff_ffff, 8, out);
            }
            Slot::Head => {
                hex(mix(number), 16, out);
                out.extend_from_slice(b"e3b0c44298fc1c149afbf4c8");
            }
            Slot::Number => decimal(10_000 + mix(number) % PULL_REQUESTS, 5, out),
            Slot::Created => created(number, out),
        }
    }
}

fn created(number: u64, out: &mut Vec<u8>) {
    let seconds = number / PER_SECOND;
    out.extend_from_slice(b"2026-03-02T");
    decimal(seconds / 3_600 % 24, 2, out);
    out.push(b':');
    decimal(seconds / 60 % 60, 2, out);
    out.push(b':');
    decimal(seconds % 60, 2, out);
    out.push(b'.');
    decimal(number % PER_SECOND, 3, out);
    out.extend_from_slice(b"0000Z");
}

fn decimal(number: u64, width: usize, out: &mut Vec<u8>) {
    digits(number, 10, width, out);
}

fn hex(number: u64, width: usize, out: &mut Vec<u8>) {
    digits(number, 16, width, out);
}

fn digits(mut number: u64, base: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out.iter_mut().skip(start).rev() {
        let index = usize::try_from(number % base).unwrap_or_default();
        *digit = b"0123456789abcdef".get(index).copied().unwrap_or(b'0');
        number /= base;
    }
}

/// The finalizer of splitmix64: a bijection whose output looks random.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
