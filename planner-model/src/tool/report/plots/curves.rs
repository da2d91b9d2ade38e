//! Lines.

use plotters::prelude::*;

use super::{
    super::figures::{Figures, Part},
    Area, Drawn, FAINT, FONT, INK, LINES,
};
use crate::evaluate::errors::CHECKED;

/// Empirical over nominal coverage.
pub(super) fn calibration(part: &Part<'_>, area: &Area<'_>) -> Drawn {
    let shown = || part.errors.iter().filter(|errors| errors.runs > 0);
    let least = shown().flat_map(|errors| errors.coverage).fold(0.75, f64::min);
    let bottom = ((least * 20.0).floor() / 20.0).max(0.0);
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(0.78..1.005, bottom..1.005)?;
    chart
        .configure_mesh()
        .x_desc("share of runs that the quantile promises to cover")
        .y_desc("share of runs that it covers")
        .x_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .draw()?;
    chart.draw_series(DashedLineSeries::new([(0.78, 0.78), (1.0, 1.0)], 6, 4, INK.stroke_width(1)))?;
    for (place, errors) in shown().enumerate() {
        let colour = if errors.plan == "all" { INK } else { LINES[(place + LINES.len() - 1) % LINES.len()] };
        let width = if errors.plan == "all" { 3 } else { 2 };
        let points: Vec<(f64, f64)> =
            CHECKED.iter().zip(errors.coverage).map(|((_, nominal), share)| (*nominal, share)).collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(width)))?
            .label(if errors.plan == "all" { "all plans" } else { &errors.plan })
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(width)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

/// Where the axis of regret is marked.
const MARKS: [f64; 13] = [1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];

/// Distribution of regret.
pub(super) fn regret(part: &Part<'_>, area: &Area<'_>) -> Drawn {
    let judged = &part.judged;
    let fixed = judged.ways[judged.fixed].name.clone();
    let names = ["model", "analytic", "tuned rule", "Qdrant's rule", "Milvus' rule", fixed.as_str()];
    let ways: Vec<_> = names.iter().filter_map(|name| judged.way(name)).collect();
    let most = ways.iter().flat_map(|way| &way.outcomes.regret).copied().fold(2.0, f64::max) * 1.1;
    // Below this all lines are under one another.
    let first = ways.iter().map(|way| way.outcomes.regret.iter().filter(|regret| **regret <= 1.005).count());
    let first = first.min().unwrap_or(0) as f64 / judged.cases.len().max(1) as f64;
    let bottom = ((first * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..most).log_scale().with_key_points(MARKS.to_vec()), bottom..1.002)?;
    chart
        .configure_mesh()
        .x_desc("regret: latency of the choice / latency of the fastest candidate")
        .y_desc("share of queries")
        .x_label_formatter(&|regret| format!("{regret}"))
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .draw()?;
    for (place, way) in ways.iter().enumerate().rev() {
        let mut sorted = way.outcomes.regret.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mut steps = Vec::new();
        for (rank, regret) in sorted.iter().enumerate() {
            // Steps that begin below the picture begin at its edge.
            steps.push((*regret, (rank as f64 / count).max(bottom)));
            steps.push((*regret, ((rank + 1) as f64 / count).max(bottom)));
        }
        steps.push((most, 1.0));
        let colour = LINES[place % LINES.len()];
        let width = if place == 0 { 3 } else { 2 };
        chart
            .draw_series(LineSeries::new(steps, colour.stroke_width(width)))?
            .label(way.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(width)));
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

/// Regret by number of queries.
pub(super) fn learning(figures: &Figures<'_>, area: &Area<'_>) -> Drawn {
    let (curve, judged) = (&figures.curve, &figures.plotted().judged);
    let level = |name: &str| judged.way(name).and_then(|way| way.outcomes.geometric());
    let fixed = judged.ways[judged.fixed].name.clone();
    let levels: Vec<(String, f64)> = [fixed.as_str(), "analytic", "tuned rule"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), level(name)?)))
        .chain(crate::evaluate::split_half(&judged.cases).map(|noise| ("noise of the measurement".to_owned(), noise)))
        .collect();
    let left = curve[0].queries as f64 * 0.9;
    let right = curve[curve.len() - 1].queries as f64 * 1.1;
    // Room for the legend; a fixed plan may be far above, and is only named then.
    let near = levels.iter().skip(1).map(|(_, level)| *level);
    let highest = 1.0 + (curve.iter().map(|point| point.regret.high).chain(near).fold(1.01, f64::max) - 1.0) * 1.9;
    let marks: Vec<f64> = curve.iter().map(|point| point.queries as f64).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right).log_scale().with_key_points(marks), 1.0..highest)?;
    chart
        .configure_mesh()
        .x_desc("swept queries to train on")
        .y_desc("geometric mean of the regret")
        .x_label_formatter(&|queries| format!("{queries:.0}"))
        .y_label_formatter(&|regret| format!("{regret:.2}"))
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .draw()?;
    let along = |of: &dyn Fn(&super::super::figures::Point) -> f64| -> Vec<(f64, f64)> {
        curve.iter().map(|point| (point.queries as f64, of(point))).collect()
    };
    let mut shade = along(&|point| point.regret.low);
    shade.extend(along(&|point| point.regret.high).into_iter().rev());
    chart.draw_series([Polygon::new(shade, LINES[0].mix(0.18))])?;
    let points = along(&|point| point.regret.value);
    chart
        .draw_series(LineSeries::new(points.clone(), LINES[0].stroke_width(3)))?
        .label("model")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], LINES[0].stroke_width(3)));
    chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, LINES[0].filled())))?;
    for (place, (name, level)) in levels.into_iter().enumerate() {
        let colour = if name.starts_with("noise") { INK } else { LINES[1 + place] };
        let (name, line) = if level < highest {
            (name, vec![(left, level), (right, level)])
        } else {
            (format!("{name}: {level:.2}, above the picture"), Vec::new())
        };
        chart
            .draw_series(DashedLineSeries::new(line, 7, 4, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}

fn legend<'a, C>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>, position: SeriesLabelPosition) -> Drawn
where
    C: CoordTranslate,
{
    chart
        .configure_series_labels()
        .position(position)
        .margin(14)
        .legend_area_size(30)
        .background_style(WHITE.mix(0.9))
        .border_style(FAINT)
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}
