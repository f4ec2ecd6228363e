//! A straight line through points.

/// The line of least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// How much it rises for each step to the right.
    pub slope: f64,
    /// The standard error of the slope.
    pub error: f64,
}

impl Line {
    /// A flat one for fewer than three points, of which nothing can be said.
    pub fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let count = points.clone().count() as f64;
        if count < 3.0 {
            return Self::default();
        }
        let mean_x = points.clone().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = points.clone().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = points.clone().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let both: f64 = points
            .clone()
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum();
        let slope = both / spread;
        let off = |(x, y): (f64, f64)| (y - mean_y - slope * (x - mean_x)).powi(2);
        let error = (points.map(off).sum::<f64>() / (count - 2.0) / spread).sqrt();
        Self { slope, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_so_is_its_doubt() {
        let exact = Line::through((0..10).map(|x| (f64::from(x), 3.0 + 2.0 * f64::from(x))));
        assert!(
            (exact.slope - 2.0).abs() < 1e-9 && exact.error < 1e-9,
            "{exact:?}"
        );
        let noise = [0.5, -0.5];
        let noisy = Line::through((0..100).map(|x| (f64::from(x), noise[x as usize % 2])));
        assert!(noisy.slope.abs() < 2.0 * noisy.error, "{noisy:?}");
        assert_eq!(
            Line::through([(0.0, 1.0), (1.0, 2.0)].into_iter()),
            Line::default()
        );
    }
}
