//! Complete enumeration: a story asks for choices, and is told again until every choice was made in
//! every way. Depth first; a story is known by the list of its choices.

/// The choices of one telling.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// What was chosen, and among how many.
    made: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    /// One of `0..among`; `among` must be the same whenever the choices before it are.
    pub fn choose(&mut self, among: usize) -> usize {
        if self.next == self.made.len() {
            self.made.push((0, among));
        }
        let (chosen, known) = self.made[self.next];
        assert_eq!(known, among, "the story is not the same when it is told again");
        self.next += 1;
        chosen
    }

    /// The next telling; `None` when all have been told.
    pub fn advance(mut self) -> Option<Choices> {
        self.made.truncate(self.next);
        while let Some((chosen, among)) = self.made.pop() {
            if chosen + 1 < among {
                self.made.push((chosen + 1, among));
                self.next = 0;
                return Some(self);
            }
        }
        None
    }

    /// The same telling from its beginning.
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// What was chosen, in order.
    pub fn list(&self) -> Vec<usize> {
        self.made[..self.next].iter().map(|(chosen, _)| *chosen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_made_in_every_way_once() {
        let mut told = Vec::new();
        let mut next = Some(Choices::default());
        while let Some(mut choices) = next {
            let first = choices.choose(2);
            // The second is asked for only sometimes.
            let second = if first == 1 { choices.choose(3) } else { 9 };
            told.push((first, second));
            next = choices.advance();
        }
        assert_eq!(told, [(0, 9), (1, 0), (1, 1), (1, 2)]);
    }
}
