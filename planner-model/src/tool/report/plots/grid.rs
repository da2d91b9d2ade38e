//! Cells.

use std::collections::{BTreeMap, BTreeSet};

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{super::figures::Part, Area, Drawn, FAINT, FONT, INK, ms};
use crate::evaluate::{cross::Way, slices};

/// Cells to each side of the picture of predictions.
const BINS: f64 = 64.0;

/// Fewest queries of a cell of the map.
const FEWEST: usize = 3;

/// Predicted over actual latency, as counts in cells of a logarithmic grid.
pub(super) fn predicted(part: &Part<'_>, area: &Area<'_>) -> Drawn {
    let mut points = Vec::new();
    for (case, served) in part.judged.cases.iter().zip(&part.judged.served) {
        for (said, us) in served.said.iter().zip(&case.us) {
            if let Ok(estimate) = said.model {
                points.push((us / 1e3, estimate.ms()));
            }
        }
    }
    let both = || points.iter().flat_map(|(actual, predicted)| [*actual, *predicted]);
    let low = 10_f64.powf((both().fold(f64::INFINITY, f64::min).max(1e-6).log10() * 2.0).floor() / 2.0);
    let high = 10_f64.powf((both().fold(1e-3, f64::max).log10() * 2.0).ceil() / 2.0);
    let low = if low.is_finite() { low.min(high / 10.0) } else { high / 10.0 };
    let step = (high / low).ln() / BINS;
    let mut cells: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for (actual, predicted) in &points {
        let at = |value: f64| (((value / low).ln() / step).floor() as i64).clamp(0, BINS as i64 - 1);
        *cells.entry((at(*actual), at(*predicted))).or_default() += 1;
    }
    let most = cells.values().copied().max().unwrap_or(1) as f64;
    let (left, right) = area.split_horizontally(area.dim_in_pixel().0 - 110);
    let mut chart = ChartBuilder::on(&left)
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(68)
        .build_cartesian_2d((low..high).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("median latency, ms")
        .y_desc("predicted latency, ms")
        .x_label_formatter(&ms)
        .y_label_formatter(&ms)
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .draw()?;
    let edge = |at: i64| low * (step * at as f64).exp();
    chart.draw_series(cells.iter().map(|(&(x, y), &count)| {
        Rectangle::new([(edge(x), edge(y)), (edge(x + 1), edge(y + 1))], shade(count as f64, most).filled())
    }))?;
    chart.draw_series(LineSeries::new([(low, low), (high, high)], INK.stroke_width(1)))?;
    for factor in [0.5_f64, 2.0] {
        let (from, to) = (low.max(low / factor), high.min(high / factor));
        chart.draw_series(DashedLineSeries::new(
            [(from, from * factor), (to, to * factor)],
            6,
            4,
            INK.stroke_width(1),
        ))?;
    }
    // The scale, at the right.
    let style = TextStyle::from((FONT, 13)).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    let (top, height) = (60, 240);
    right.draw(&Text::new("candidates", (4, top - 22), style.clone()))?;
    for pixel in 0..height {
        let count = most.powf(1.0 - f64::from(pixel) / f64::from(height - 1));
        right.draw(&Rectangle::new([(4, top + pixel), (24, top + pixel + 1)], shade(count, most).filled()))?;
    }
    let mut ticks: BTreeSet<u64> = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000].into();
    ticks.retain(|&tick| tick as f64 <= most);
    for tick in ticks {
        let place = if most > 1.0 { 1.0 - (tick as f64).ln() / most.ln() } else { 1.0 };
        let y = top + (place * f64::from(height - 1)) as i32;
        right.draw(&PathElement::new([(24, y), (28, y)], INK))?;
        right.draw(&Text::new(tick.to_string(), (33, y), style.clone()))?;
    }
    Ok(())
}

/// Light for one, dark for most, by the logarithm.
fn shade(count: f64, most: f64) -> RGBColor {
    let share = if most > 1.0 { count.max(1.0).ln() / most.ln() } else { 1.0 };
    blend(RGBColor(214, 230, 244), RGBColor(8, 48, 107), share)
}

fn blend(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// Regret over selectivity and reach: of the model, and of the analytic model beside it.
pub(super) fn map(part: &Part<'_>, area: &Area<'_>) -> Drawn {
    let judged = &part.judged;
    let cells: Vec<(i32, i32)> = judged.cases.iter().map(slices::cell).collect();
    let rows: BTreeSet<i32> = cells.iter().map(|(_, reach)| *reach).collect();
    let columns: BTreeSet<i32> = cells.iter().map(|(selectivity, _)| *selectivity).collect();
    let (rows, columns): (Vec<i32>, Vec<i32>) = (rows.into_iter().collect(), columns.into_iter().collect());
    let halves = area.split_evenly((1, 2));
    let ways = ["model", "analytic"].into_iter().filter_map(|name| judged.way(name));
    for (half, way) in halves.iter().zip(ways) {
        draw(half, way, &cells, &rows, &columns)?;
    }
    Ok(())
}

fn draw(area: &Area<'_>, way: &Way, cells: &[(i32, i32)], rows: &[i32], columns: &[i32]) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (left, top, right, bottom) = (104, 48, 16, 74);
    let (across, up) = (columns.len().max(1) as i32, rows.len().max(1) as i32);
    let cell = ((width as i32 - left - right) / across, (height as i32 - top - bottom) / up);
    let text = |size: i32, h: HPos, v: VPos| TextStyle::from((FONT, size)).color(&INK).pos(Pos::new(h, v));
    let middle = left + cell.0 * across / 2;
    area.draw(&Text::new(way.name.clone(), (middle, 22), text(16, HPos::Center, VPos::Center)))?;
    for (row, &reach) in rows.iter().enumerate() {
        // The largest reach at the top.
        let y = top + cell.1 * (up - 1 - row as i32);
        let label = if reach < 0 { "no walk".to_owned() } else { decade(reach) };
        area.draw(&Text::new(label, (left - 8, y + cell.1 / 2), text(13, HPos::Right, VPos::Center)))?;
        for (column, &selectivity) in columns.iter().enumerate() {
            let x = left + cell.0 * column as i32;
            let inside: Vec<f64> = cells
                .iter()
                .zip(&way.outcomes.regret)
                .filter(|(cell, _)| **cell == (selectivity, reach))
                .map(|(_, regret)| regret.ln())
                .collect();
            let frame = [(x + 1, y + 1), (x + cell.0 - 1, y + cell.1 - 1)];
            if inside.len() < FEWEST {
                area.draw(&Rectangle::new(frame, RGBColor(246, 248, 250).filled()))?;
                continue;
            }
            let regret = (inside.iter().sum::<f64>() / inside.len() as f64).exp();
            let share = regret.ln() / 2_f64.ln();
            area.draw(&Rectangle::new(frame, blend(WHITE, RGBColor(178, 24, 43), share).filled()))?;
            area.draw(&Rectangle::new(frame, FAINT))?;
            let colour = if share > 0.55 { WHITE } else { INK };
            let centre = |size, v| text(size, HPos::Center, v).color(&colour);
            let (cx, cy) = (x + cell.0 / 2, y + cell.1 / 2);
            area.draw(&Text::new(format!("{regret:.2}"), (cx, cy - 1), centre(14, VPos::Bottom)))?;
            area.draw(&Text::new(inside.len().to_string(), (cx, cy + 3), centre(11, VPos::Top)))?;
        }
    }
    let below = top + cell.1 * up;
    for (column, &selectivity) in columns.iter().enumerate() {
        let x = left + cell.0 * column as i32 + cell.0 / 2;
        let label = if selectivity > 0 { "all".to_owned() } else { decade(selectivity) };
        area.draw(&Text::new(label, (x, below + 8), text(13, HPos::Center, VPos::Top)))?;
    }
    let describe = "share of entities that pass the filter, from";
    area.draw(&Text::new(describe, (middle, below + 34), text(14, HPos::Center, VPos::Top)))?;
    let turned = TextStyle::from((FONT, 14).into_font().transform(FontTransform::Rotate270)).color(&INK);
    let turned = turned.pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new("nodes reached, from", (18, top + cell.1 * up / 2), turned))?;
    Ok(())
}

fn decade(exponent: i32) -> String {
    match exponent {
        -2 => "1 %".into(),
        -1 => "10 %".into(),
        -3 => "0.1 %".into(),
        -4 => "< 0.1 %".into(),
        0 => "1".into(),
        exponent => 10_u64.pow(exponent.unsigned_abs()).to_string(),
    }
}
