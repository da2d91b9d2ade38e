//! Bars.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{Area, BLUE, Drawn, FAINT, FONT, GREEN, INK};
use crate::evaluate::importance::Importance;

/// Single features that are shown.
const SHOWN: usize = 14;

/// What the length of a bar is, by set.
type Measure<'a> = &'a dyn Fn(usize) -> f64;

/// Two columns of bars: error and regret.
pub(super) fn importance(importance: &Importance, area: &Area<'_>) -> Drawn {
    let mut singles: Vec<usize> = (0..importance.names.len()).filter(|&set| importance.is_single(set)).collect();
    singles.sort_by(|&a, &b| importance.error(b).total_cmp(&importance.error(a)));
    singles.truncate(SHOWN);
    let mut families: Vec<usize> = (0..importance.names.len()).filter(|&set| !importance.is_single(set)).collect();
    families.sort_by(|&a, &b| importance.error(b).total_cmp(&importance.error(a)));
    let shown: Vec<usize> = families.iter().chain(&singles).copied().collect();

    let (left, right) = area.split_horizontally(590);
    let label = |size| TextStyle::from((FONT, size)).color(&INK);
    let columns: [(_, i32, _, Measure<'_>); 2] = [
        (&left, 176, "added error: mean of |ln(predicted / median)|", &|set| importance.error(set)),
        (&right, 20, "added regret (geometric mean)", &|set| importance.regret(set)),
    ];
    for (half, margin, title, of) in columns {
        let (width, height) = half.dim_in_pixel();
        let (top, bottom, end) = (44, 40, 64);
        let row = (height as i32 - top - bottom) / shown.len().max(1) as i32;
        let most = shown.iter().map(|&set| of(set)).fold(1e-6, f64::max);
        let room = f64::from(width as i32 - margin - end);
        half.draw(&Text::new(title, (margin, 14), label(14)))?;
        for (place, &set) in shown.iter().enumerate() {
            // A gap between families and features.
            let y = top + row * place as i32 + if place < families.len() { 0 } else { 14 };
            let value = of(set);
            let length = (room * (value / most).clamp(0.0, 1.0)) as i32;
            let colour = if place < families.len() { GREEN } else { BLUE };
            let middle = y + row / 2;
            half.draw(&Rectangle::new([(margin, y + 3), (margin + length, y + row - 3)], colour.filled()))?;
            let beside = label(12).pos(Pos::new(HPos::Left, VPos::Center));
            half.draw(&Text::new(format!("{value:+.3}"), (margin + length + 6, middle), beside))?;
            if margin > 100 {
                let name = label(13).pos(Pos::new(HPos::Right, VPos::Center));
                half.draw(&Text::new(importance.names[set].clone(), (margin - 8, middle), name))?;
            }
        }
        let foot = top + row * shown.len() as i32 + 16;
        half.draw(&PathElement::new([(margin, top - 4), (margin, foot)], FAINT))?;
    }
    let caption = label(13);
    let (_, height) = area.dim_in_pixel();
    for (place, (colour, name)) in [(GREEN, "families of features"), (BLUE, "single features")].into_iter().enumerate()
    {
        let x = 176 + 190 * place as i32;
        let y = height as i32 - 18;
        area.draw(&Rectangle::new([(x, y - 10), (x + 14, y + 2)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 20, y - 11), caption.clone()))?;
    }
    Ok(())
}
