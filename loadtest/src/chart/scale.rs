//! Where a number lies on an axis, and which numbers are written beside it. It must never know in
//! which direction the axis goes.

use crate::report::number;

/// About so many numbers are written at a linear axis.
const TICKS: f64 = 5.0;
/// Up to so many decades, numbers within a decade are written too.
const DECADES_WITH_STEPS_MAX: f64 = 3.0;
/// Of the steps that a decade is divided into.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
/// Below this a logarithmic axis does not go, whatever was measured.
const LOGARITHMIC_MIN: f64 = 1e-6;

/// How numbers are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// From zero, and not further than there is something to show.
    Time,
    /// A decade is always as long as another.
    Logarithmic,
    /// Shares of a whole, each nine of which is as long as another.
    Share,
}

/// An axis with its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    /// In what is measured after the scale was applied.
    from: f64,
    to: f64,
}

impl Ruler {
    /// Long enough for all of `numbers`.
    pub(super) fn over(scale: Scale, numbers: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers.filter(|number| number.is_finite()) {
            (least, most) = (least.min(number), most.max(number));
        }
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        let (from, to) = match scale {
            Scale::Linear => (least.min(0.0), nice_above(most.max(f64::MIN_POSITIVE))),
            Scale::Time => (0.0, most),
            Scale::Logarithmic => (below(least), above(most)),
            Scale::Share => (0.0, applied(scale, most).max(1.0)),
        };
        Self { scale, from, to: if to > from { to } else { from + 1.0 } }
    }

    /// From 0 at the beginning of the axis to 1 at its end.
    pub(super) fn place(self, number: f64) -> f64 {
        ((applied(self.scale, number) - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Numbers with what is written for them.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear | Scale::Time => {
                let step = step_of(self.to - self.from);
                let count = ((self.to - self.from) / step + 1e-9).floor();
                let first = (self.from / step).ceil() * step;
                let at = |position: i32| first + step * f64::from(position);
                // There are about five of them.
                let positions = 0..=(count as i32);
                positions.map(at).map(|tick| (tick, written(tick))).collect()
            }
            Scale::Logarithmic => self.decades(),
            Scale::Share => {
                let shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.999_99]
                    .map(|share| (share, percent(share)));
                shares
                    .into_iter()
                    .filter(|(share, _)| applied(self.scale, *share) <= self.to)
                    .collect()
            }
        }
    }

    fn decades(self) -> Vec<(f64, String)> {
        let with_steps = self.to - self.from <= DECADES_WITH_STEPS_MAX;
        let mut ticks = Vec::new();
        let mut decade = self.from.floor();
        while decade <= self.to {
            for step in STEPS {
                let tick = step * 10_f64.powf(decade);
                let lies = applied(self.scale, tick);
                let is_inside = lies >= self.from - 1e-9 && lies <= self.to + 1e-9;
                if is_inside && (with_steps || step < 1.5) {
                    ticks.push((tick, written(tick)));
                }
            }
            decade += 1.0;
        }
        ticks
    }
}

fn applied(scale: Scale, number: f64) -> f64 {
    match scale {
        Scale::Linear | Scale::Time => number,
        Scale::Logarithmic => number.max(LOGARITHMIC_MIN).log10(),
        Scale::Share => -(1.0 - number).max(LOGARITHMIC_MIN).log10(),
    }
}

/// The next step of a decade at or below a number, as a logarithm.
fn below(number: f64) -> f64 {
    let number = number.max(LOGARITHMIC_MIN);
    let decade = 10_f64.powf(number.log10().floor());
    let step = STEPS.into_iter().rev().find(|step| step * decade <= number * (1.0 + 1e-9));
    (step.unwrap_or(1.0) * decade).log10()
}

/// The same at or above it.
fn above(number: f64) -> f64 {
    nice_above(number.max(LOGARITHMIC_MIN)).log10()
}

fn nice_above(number: f64) -> f64 {
    let decade = 10_f64.powf(number.log10().floor());
    let step = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]
        .into_iter()
        .find(|step| step * decade >= number * (1.0 - 1e-9));
    step.unwrap_or(10.0) * decade
}

fn step_of(length: f64) -> f64 {
    let rough = (length / TICKS).max(f64::MIN_POSITIVE);
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].into_iter().find(|step| step * decade >= rough * (1.0 - 1e-9));
    step.unwrap_or(10.0) * decade
}

/// Short: 2.5k and not 2500.
fn written(tick: f64) -> String {
    let short = |number_before: f64, suffix: &str| {
        let text = number(number_before);
        let text = match text.split_once('.') {
            Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            None => text,
        };
        format!("{text}{suffix}")
    };
    match tick.abs() {
        size if size >= 1e6 => short(tick / 1e6, "M"),
        size if size >= 1e3 => short(tick / 1e3, "k"),
        _ => short(tick, ""),
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::{Ruler, Scale};

    fn written(scale: Scale, numbers: &[f64]) -> Vec<String> {
        let ruler = Ruler::over(scale, numbers.iter().copied());
        ruler.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(written(Scale::Linear, &[3.0, 9.1]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(written(Scale::Linear, &[12_000.0]), ["0", "5k", "10k", "15k"]);
        assert_eq!(written(Scale::Logarithmic, &[0.3, 11.0]), ["0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(written(Scale::Share, &[0.993]), ["0%", "50%", "90%", "99%"]);
        assert_eq!(written(Scale::Linear, &[]), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
    }

    #[test]
    fn each_nine_is_as_long_as_another() {
        let ruler = Ruler::over(Scale::Share, [0.999].into_iter());
        let (one, two) = (ruler.place(0.9), ruler.place(0.99));
        assert!((two - 2.0 * one).abs() < 1e-9, "{one} {two}");
    }
}
