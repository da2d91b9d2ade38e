//! Pictures, as SVG.

mod bars;
mod curves;
mod grid;

use plotters::prelude::*;

use super::figures::Figures;

/// A picture.
pub(super) struct Plot {
    /// Of its file.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) caption: String,
    /// The picture.
    pub(super) svg: String,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Colours that people with any eyesight can tell apart (Okabe and Ito, 2008).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
const INK: RGBColor = RGBColor(27, 31, 36);
const FAINT: RGBColor = RGBColor(208, 213, 219);
const LINES: [RGBColor; 6] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY];

const FONT: &str = "sans-serif";

/// All pictures.
pub(super) fn all(figures: &Figures<'_>) -> Result<Vec<Plot>, Box<dyn std::error::Error>> {
    let mut plots = vec![
        plot(
            "predicted-vs-actual",
            "Predicted latency against the median of the runs, of every candidate that the model spoke of. Dashed: twice as much, half as much.",
            (720, 560),
            |area| grid::predicted(figures.plotted(), area),
        )?,
        plot(
            "calibration",
            "Share of single runs that stayed below the predicted quantile, by plan. On the dashed line quantiles are what they promise; below it they promise too much.",
            (720, 480),
            |area| curves::calibration(figures.plotted(), area),
        )?,
        plot(
            "regret-cdf",
            "Share of the queries whose regret is at most this. 1 is the fastest candidate.",
            (760, 480),
            |area| curves::regret(figures.plotted(), area),
        )?,
    ];
    if figures.curve.len() > 1 {
        plots.push(plot(
            "learning-curve",
            "Regret of the model by the number of swept queries that it was trained on, each under all its cache states; the shade is the 95 % interval. The other ways do not learn from them, but for the tuned rule, which is shown as it is with all queries.",
            (760, 480),
            |area| curves::learning(figures, area),
        )?);
    }
    plots.push(plot(
        "regret-map",
        "Geometric mean of the regret by estimated selectivity and reach; below it the number of queries. Cells with fewer than three are left out.",
        (1080, 480),
        |area| grid::map(figures.plotted(), area),
    )?);
    plots.push(plot(
        "importance",
        "What is lost when a feature, or a family of features, is taken from another query. Features that say much the same stand in for one another, hence the families. Without near-tie duels.",
        (1080, 620),
        |area| bars::importance(&figures.importance, area),
    )?);
    Ok(plots)
}

fn plot(
    name: &'static str,
    caption: &str,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<Plot, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(Plot { name, caption: caption.to_owned(), svg: scalable(svg, size) })
}

/// A picture with a view box scales with the page.
fn scalable(svg: String, (width, height): (u32, u32)) -> String {
    let start = svg.find("<svg").unwrap_or(0);
    let svg = &svg[start..];
    if svg.contains("viewBox") {
        svg.to_owned()
    } else {
        svg.replacen("<svg", &format!("<svg viewBox=\"0 0 {width} {height}\""), 1)
    }
}

/// Milliseconds without needless digits.
fn ms(value: &f64) -> String {
    match *value {
        value if value >= 1.0 => format!("{value:.0}"),
        value => format!("{}", (value * 1e4).round() / 1e4),
    }
}
