//! Whose turn it is, where samples are to see all there is.

/// Whose turn it is in a request of this number, among so many.
///
/// In each row of `of` requests each has one turn. The first row is in order; in later ones the order is drawn
/// from the name and the row, so that two things with as many members each do not go in step.
pub(crate) fn turn(what: &str, number: u32, of: usize) -> usize {
    let (row, place) = (number as usize / of.max(1), number as usize % of.max(1));
    if row == 0 {
        return place;
    }
    // FNV-1a, so that every trace takes the same turns.
    let hash = what
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut random = fastrand::Rng::with_seed(hash ^ (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut order: Vec<usize> = (0..of).collect();
    random.shuffle(&mut order);
    order[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_in_every_row() {
        for of in 1..6 {
            for row in 0..10 {
                let mut row: Vec<usize> =
                    (0..of).map(|place| turn("address", row * of as u32 + place as u32, of)).collect();
                row.sort_unstable();
                assert_eq!(row, (0..of).collect::<Vec<_>>());
            }
        }
        assert_eq!(turn("address", 0, 4), 0, "the first request takes what any would");
    }

    #[test]
    fn two_things_do_not_go_in_step() {
        let in_step = (0..24).filter(|n| turn("address", *n, 2) == turn("resolver", *n, 2)).count();
        assert!((6..=18).contains(&in_step), "{in_step} of 24");
    }
}
