//! The picture: SVG that is readable in light and dark, by colour and by dashes. It must never
//! calculate anything but places.

use std::fmt::Write;

use super::scale::Ruler;
use super::{Chart, Line, Mark, Panel};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
/// The heading, and of each panel its legend, its plot and what is below.
const HEAD: f64 = 58.0;
const LEGEND: f64 = 30.0;
const PLOT: f64 = 170.0;
const PLOT_ALONE: f64 = 340.0;
const GAP: f64 = 14.0;
const FOOT: f64 = 50.0;
/// About as wide as a letter of the legend.
const LETTER: f64 = 6.6;
const COLOURS: usize = 6;

/// Colours that those with weak colour vision tell apart too.
const STYLE: &str = "
  :root { color-scheme: light dark }
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .quiet { fill: #57606a }
  .paper { fill: #ffffff }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .edge { stroke: #57606a; stroke-width: 1 }
  .mark { fill: #bf8700; fill-opacity: .14; stroke: #9a6700; stroke-width: 1 }
  .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
  .c0 { stroke: #0969da } .c1 { stroke: #bc4c00; stroke-dasharray: 7 3 }
  .c2 { stroke: #1a7f37; stroke-dasharray: 2 3 } .c3 { stroke: #8250df; stroke-dasharray: 9 3 2 3 }
  .c4 { stroke: #bf3989; stroke-dasharray: 4 2 } .c5 { stroke: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9da7b3 }
    .paper { fill: #0d1117 }
    .grid { stroke: #2d333b }
    .edge { stroke: #9da7b3 }
    .mark { fill: #d29922; fill-opacity: .18; stroke: #d29922 }
    .c0 { stroke: #58a6ff } .c1 { stroke: #ffa657 } .c2 { stroke: #56d364 }
    .c3 { stroke: #bc8cff } .c4 { stroke: #ff7bc0 } .c5 { stroke: #9da7b3 }
  }
";

impl Chart {
    /// The text of an SVG file.
    pub(crate) fn to_svg(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        self.draw(&mut out).unwrap_or_default();
        out
    }

    fn draw(&self, out: &mut String) -> std::fmt::Result {
        let plot = if self.panels.len() > 1 { PLOT } else { PLOT_ALONE };
        let panel = LEGEND + plot + GAP;
        let height = HEAD + panel * as_float(self.panels.len()) + FOOT;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
             <style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>",
            escaped(&self.title)
        )?;
        text(out, (LEFT, 26.0), "title", "start", &self.title)?;
        text(out, (LEFT, 46.0), "quiet", "start", &self.subtitle)?;
        let points =
            self.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
        let across = Ruler::over(self.horizontal.scale, points.map(|[x, _]| *x));
        for (position, shown) in self.panels.iter().enumerate() {
            let top = HEAD + panel * as_float(position) + LEGEND;
            self.draw_panel(out, shown, across, top, plot)?;
        }
        let bottom = HEAD + panel * as_float(self.panels.len()) - GAP;
        for (number, written) in across.ticks() {
            text(out, (x_of(across, number), bottom + 18.0), "quiet", "middle", &written)?;
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        text(out, (middle, bottom + 40.0), "", "middle", &self.horizontal.name)?;
        writeln!(out, "</svg>")
    }

    fn draw_panel(
        &self,
        out: &mut String,
        panel: &Panel,
        across: Ruler,
        top: f64,
        plot: f64,
    ) -> std::fmt::Result {
        let (bottom, right) = (top + plot, WIDTH - RIGHT);
        let points = panel.lines.iter().flat_map(|line| &line.points);
        let up = Ruler::over(panel.vertical.scale, points.map(|[_, y]| *y));
        for (number, written) in up.ticks() {
            let y = bottom - up.place(number) * plot;
            segment(out, "grid", (LEFT, y), (right, y))?;
            text(out, (LEFT - 8.0, y + 4.0), "quiet", "end", &written)?;
        }
        for (number, _) in across.ticks() {
            segment(out, "grid", (x_of(across, number), top), (x_of(across, number), bottom))?;
        }
        for mark in &self.marks {
            draw_mark(out, mark, across, top, plot)?;
        }
        segment(out, "edge", (LEFT, bottom), (right, bottom))?;
        segment(out, "edge", (LEFT, top), (LEFT, bottom))?;
        let names = names(&panel.lines);
        for line in &panel.lines {
            let colour = names.iter().position(|name| *name == line.name).unwrap_or_default();
            write!(out, "<polyline class=\"line c{}\" points=\"", colour % COLOURS)?;
            for [x, y] in &line.points {
                write!(out, "{:.1},{:.1} ", x_of(across, *x), bottom - up.place(*y) * plot)?;
            }
            writeln!(out, "\"/>")?;
        }
        text(out, (LEFT, top - 10.0), "", "start", &panel.vertical.name)?;
        self.draw_legend(out, &names, top - 10.0)
    }

    /// From the right, so that it never meets the name of the panel.
    fn draw_legend(&self, out: &mut String, names: &[&str], y: f64) -> std::fmt::Result {
        let mut right = WIDTH - RIGHT;
        let mut marks: Vec<&str> = self.marks.iter().map(|mark| mark.name.as_str()).collect();
        marks.dedup();
        for name in marks.into_iter().rev() {
            right -= LETTER * as_float(name.chars().count());
            text(out, (right, y), "quiet", "start", name)?;
            let x = right - 20.0;
            writeln!(
                out,
                "<rect class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"9\"/>",
                y - 9.0
            )?;
            right = x - 18.0;
        }
        for (colour, name) in names.iter().enumerate().rev() {
            right -= LETTER * as_float(name.chars().count());
            text(out, (right, y), "quiet", "start", name)?;
            let class = format!("line c{}", colour % COLOURS);
            segment(out, &class, (right - 30.0, y - 4.0), (right - 6.0, y - 4.0))?;
            right -= 48.0;
        }
        Ok(())
    }
}

/// Each once, in the order of their first lines.
fn names(lines: &[Line]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    names
}

fn draw_mark(
    out: &mut String,
    mark: &Mark,
    across: Ruler,
    top: f64,
    plot: f64,
) -> std::fmt::Result {
    let (from, to) = (x_of(across, mark.from), x_of(across, mark.to));
    writeln!(
        out,
        "<rect class=\"mark\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{plot}\"/>",
        (to - from).max(0.5)
    )
}

fn x_of(across: Ruler, number: f64) -> f64 {
    LEFT + across.place(number) * (WIDTH - LEFT - RIGHT)
}

fn segment(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) -> std::fmt::Result {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(
        out,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    )
}

fn text(
    out: &mut String,
    (x, y): (f64, f64),
    class: &str,
    anchor: &str,
    words: &str,
) -> std::fmt::Result {
    let words = escaped(words);
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Panels and letters are few.
fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::{Chart, Line, Mark, Panel};

    #[test]
    fn a_chart_shows_every_line_and_names_each_once() {
        let line = |name, y| Line::new(name, [[0.0, 1.0], [10.0, y]]);
        let panel = Panel::new("MiB", vec![line("a < b", 2.0), line("a < b", 3.0), line("c", 4.0)]);
        let mark = Mark { name: "kill".to_owned(), from: 5.0, to: 5.0 };
        let svg = Chart::over_time("Title", "how", vec![panel], vec![mark]).to_svg();
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert_eq!(svg.matches(">a &lt; b<").count(), 1);
        assert_eq!(svg.matches(">kill<").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
