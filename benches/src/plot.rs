//! Bars of CPU seconds on a logarithmic scale, as SVG.

use std::path::Path;

use plotters::prelude::*;

/// One bar.
pub(crate) struct Bar<'a> {
    pub(crate) load: &'a str,
    pub(crate) daemon: &'a str,
    /// Seconds.
    pub(crate) value: f64,
}

const ROW_PIXELS: i32 = 26;
const LABEL_PIXELS: i32 = 330;
const SCALE_PIXELS: f64 = 520.0;
/// The least value that has a bar: the resolution of what is measured.
const LEAST_SECS: f64 = 0.001;

/// Horizontal bars, a decade every fifth of the width.
pub(crate) fn cpu(path: &Path, bars: &[Bar<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    let bars: Vec<&Bar<'_>> = bars.iter().filter(|b| b.value.is_finite()).collect();
    let height = ROW_PIXELS * (bars.len() as i32 + 2);
    let root = SVGBackend::new(path, (1000, height.unsigned_abs())).into_drawing_area();
    root.fill(&WHITE)?;
    let text = ("sans-serif", 13).into_font().color(&BLACK);
    root.draw(&Text::new("CPU seconds of the daemon (logarithmic)", (8, 6), text.clone()))?;
    for (row, bar) in (1_i32..).zip(bars) {
        let top = row * ROW_PIXELS;
        let decades = (bar.value.max(LEAST_SECS) / LEAST_SECS).log10();
        let length = 4 + (decades / 6.0 * SCALE_PIXELS) as i32;
        let colour = match bar.daemon {
            "us" => RGBColor(0, 114, 178),
            "bird2" => RGBColor(213, 94, 0),
            _ => RGBColor(120, 120, 120),
        };
        let label = format!("{} ({})", bar.load, bar.daemon);
        root.draw(&Text::new(label, (8, top + 5), text.clone()))?;
        let corners = [(LABEL_PIXELS, top + 3), (LABEL_PIXELS + length, top + ROW_PIXELS - 5)];
        root.draw(&Rectangle::new(corners, colour.filled()))?;
        let value = format!("{:.3}", bar.value);
        root.draw(&Text::new(value, (LABEL_PIXELS + length + 6, top + 5), text.clone()))?;
    }
    root.present()?;
    Ok(())
}
