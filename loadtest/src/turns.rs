//! Who is next: everybody once in each round, in an order drawn anew for each, and always the same for a seed.

/// The order of `count` participants.
#[derive(Clone, Debug)]
pub struct Turns {
    order: Vec<usize>,
    given: usize,
    random: u64,
}

impl Turns {
    /// At least one participant; the same seed draws the same orders.
    pub fn new(count: usize, seed: u64) -> Self {
        Self {
            order: (0..count.max(1)).collect(),
            given: count.max(1),
            random: seed,
        }
    }

    /// Whose turn it is.
    pub fn next(&mut self) -> usize {
        if self.given == self.order.len() {
            self.shuffle();
            self.given = 0;
        }
        self.given += 1;
        self.order[self.given - 1]
    }

    fn shuffle(&mut self) {
        for last in (1..self.order.len()).rev() {
            let other = (self.draw() % (last as u64 + 1)) as usize;
            self.order.swap(last, other);
        }
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(seed: u64) -> Vec<Vec<usize>> {
        let mut turns = Turns::new(10, seed);
        let mut round = || (0..10).map(|_| turns.next()).collect();
        (0..3).map(|_| round()).collect()
    }

    #[test]
    fn a_round_has_everybody_once_and_a_seed_decides_the_order() {
        let seen = rounds(1);
        for round in &seen {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(seen[0], seen[1]);
        assert_eq!(seen, rounds(1));
        assert_ne!(seen, rounds(2));
    }
}
