//! One rendered body, and the fields that are filled in for each delivery.

/// How many subscriptions send; each numbers its own notifications.
const SUBSCRIPTIONS: u64 = 8;
const PULL_REQUESTS: u64 = 2_000;
/// Creation times advance by a second after so many deliveries.
const PER_SECOND: u64 = 1_000;

/// What differs between two deliveries of the same template.
#[derive(Clone, Copy, Debug)]
enum Field {
    Subscription,
    Notification,
    /// The notification of a body without a subscription.
    Serial,
    Event,
    Head,
    Number,
    Created,
}

const FIELDS: [(&str, Field); 7] = [
    ("@subscription@", Field::Subscription),
    ("@notification@", Field::Notification),
    ("@serial@", Field::Serial),
    ("@event@", Field::Event),
    ("@head@", Field::Head),
    ("@number@", Field::Number),
    ("@created@", Field::Created),
];

/// A pull request that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PullRequest<'a> {
    pub(crate) id: u64,
    pub(crate) head: &'a str,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Template {
    /// Each field with the text before it.
    parts: Vec<(Vec<u8>, Field)>,
    rest: Vec<u8>,
}

impl Template {
    /// Takes a text in which only the fields are still to be filled in.
    pub(super) fn new(text: &str) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        let next = |rest: &str| {
            let found =
                FIELDS.iter().filter_map(|(name, field)| Some((rest.find(name)?, name, *field)));
            found.min_by_key(|(at, _, _)| *at).map(|(at, name, field)| (at, name.len(), field))
        };
        while let Some((at, length, field)) = next(rest) {
            let (before, after) = rest.split_at(at);
            parts.push((before.as_bytes().to_vec(), field));
            rest = after.get(length..).unwrap_or_default();
        }
        Self { parts, rest: rest.as_bytes().to_vec() }
    }

    /// Whether it has the keys by which a duplicate is recognized; a portal's test has none.
    pub(crate) fn has_keys(&self) -> bool {
        self.parts.iter().any(|(_, field)| matches!(field, Field::Subscription))
    }

    /// Appends the body of delivery `number` to `out`, about `pull_request` or a made-up one.
    pub(crate) fn render(
        &self,
        number: u64,
        pull_request: Option<PullRequest<'_>>,
        out: &mut Vec<u8>,
    ) {
        for (text, field) in &self.parts {
            out.extend_from_slice(text);
            match (field, pull_request) {
                (Field::Head, Some(existing)) => out.extend_from_slice(existing.head.as_bytes()),
                (Field::Number, Some(existing)) => {
                    out.extend_from_slice(existing.id.to_string().as_bytes());
                }
                _ => field.write(number, out),
            }
        }
        out.extend_from_slice(&self.rest);
    }
}

impl Field {
    /// Always of the same width.
    fn write(self, number: u64, out: &mut Vec<u8>) {
        match self {
            Field::Subscription => {
                out.extend_from_slice(b"7d21f0e4-83bc-4a56-9f1e-00000000000");
                digits(number % SUBSCRIPTIONS, 10, 1, out);
            }
            Field::Notification => digits(100_000_000 + number / SUBSCRIPTIONS, 10, 9, out),
            Field::Serial => digits(100_000_000 + number, 10, 9, out),
            // The mixing maps no two numbers to the same digits.
            Field::Event => {
                digits(mix(number) >> 32, 16, 8, out);
                out.extend_from_slice(b"-0000-4000-8000-0000");
                digits(mix(number) & 0xffff_ffff, 16, 8, out);
            }
            Field::Head => {
                digits(mix(number), 16, 16, out);
                out.extend_from_slice(b"e3b0c44298fc1c149afbf4c8");
            }
            Field::Number => digits(10_000 + mix(number) % PULL_REQUESTS, 10, 5, out),
            Field::Created => created(number, out),
        }
    }
}

fn created(number: u64, out: &mut Vec<u8>) {
    let seconds = number / PER_SECOND;
    out.extend_from_slice(b"2026-03-02T");
    digits(seconds / 3_600 % 24, 10, 2, out);
    out.push(b':');
    digits(seconds / 60 % 60, 10, 2, out);
    out.push(b':');
    digits(seconds % 60, 10, 2, out);
    out.push(b'.');
    digits(number % PER_SECOND, 10, 3, out);
    out.extend_from_slice(b"0000Z");
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
