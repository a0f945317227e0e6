//! Charts: lines over a horizontal axis that all panels share, one panel for each unit. It must
//! never know what a line means.

/// Where a number lies on an axis, and which numbers are written there.
mod scale;
/// The picture itself.
mod svg;

pub(crate) use scale::Scale;

/// One picture.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What was done, in one line.
    pub(crate) subtitle: String,
    pub(crate) horizontal: Axis,
    pub(crate) panels: Vec<Panel>,
    /// Moments that concern every panel.
    pub(crate) marks: Vec<Mark>,
}

/// What is measured along an edge.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// With its unit.
    pub(crate) name: String,
    pub(crate) scale: Scale,
}

/// Lines of one unit.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) vertical: Axis,
    pub(crate) lines: Vec<Line>,
}

/// Points that are joined, from left to right. Lines of one name look the same.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<[f64; 2]>,
}

/// A moment, or a stretch where it ends later than it begins.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Chart {
    /// Latencies by share of requests: each line is one stretch of load.
    pub(crate) fn of_latencies(title: &str, subtitle: &str, lines: Vec<Line>) -> Self {
        Self {
            title: title.to_owned(),
            subtitle: subtitle.to_owned(),
            horizontal: Axis { name: "requests answered".to_owned(), scale: Scale::Share },
            panels: vec![Panel {
                vertical: Axis { name: "within, ms".to_owned(), scale: Scale::Logarithmic },
                lines,
            }],
            marks: Vec::new(),
        }
    }

    /// What changed while time passed.
    pub(crate) fn over_time(
        title: &str,
        subtitle: &str,
        panels: Vec<Panel>,
        marks: Vec<Mark>,
    ) -> Self {
        Self {
            title: title.to_owned(),
            subtitle: subtitle.to_owned(),
            horizontal: Axis { name: "seconds".to_owned(), scale: Scale::Time },
            panels,
            marks,
        }
    }
}

impl Panel {
    /// On a scale that begins at zero.
    pub(crate) fn new(name: &str, lines: Vec<Line>) -> Self {
        Self { vertical: Axis { name: name.to_owned(), scale: Scale::Linear }, lines }
    }
}

impl Line {
    pub(crate) fn new(name: &str, points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        Self { name: name.to_owned(), points: points.into_iter().collect() }
    }
}
