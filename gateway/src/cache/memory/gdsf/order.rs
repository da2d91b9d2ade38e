//! Which slot goes first: a binary heap that knows where each slot is, so that any of them can change its place.

/// A slot and its place in the order.
#[derive(Debug, Clone, Copy)]
struct Node {
    priority: f64,
    /// Of two with the same priority the one that was set earlier goes first.
    set: u64,
    slot: u32,
}

/// Marks a slot that is not in the order.
const ABSENT: u32 = u32::MAX;

/// Slots by priority, the least first. Everything takes O(log n) steps.
#[derive(Debug, Default)]
pub(super) struct Order {
    heap: Vec<Node>,
    /// Where in the heap a slot is.
    places: Vec<u32>,
    sets: u64,
}

impl Order {
    /// The slot with the least priority.
    pub(super) fn least(&self) -> Option<(u32, f64)> {
        self.heap.first().map(|node| (node.slot, node.priority))
    }

    /// Gives a slot its priority, whether or not it had one.
    pub(super) fn set(&mut self, slot: u32, priority: f64) {
        self.sets += 1;
        let node = Node { priority, set: self.sets, slot };
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, ABSENT);
        }
        let place = match self.places[slot as usize] {
            ABSENT => {
                self.heap.push(node);
                self.heap.len() - 1
            }
            place => {
                self.heap[place as usize] = node;
                place as usize
            }
        };
        self.settle(place);
    }

    /// Takes a slot out.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(place) = self.places.get_mut(slot as usize) else { return };
        let place = std::mem::replace(place, ABSENT);
        if place == ABSENT {
            return;
        }
        self.heap.swap_remove(place as usize);
        if (place as usize) < self.heap.len() {
            self.settle(place as usize);
        }
    }

    /// Moves the node at a place to where it belongs.
    fn settle(&mut self, mut place: usize) {
        let node = self.heap[place];
        while place > 0 && node.cmp(&self.heap[(place - 1) / 2]).is_lt() {
            place = self.move_to((place - 1) / 2, place);
        }
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by(|a, b| self.heap[*a].cmp(&self.heap[*b])) else { break };
            if node.cmp(&self.heap[least]).is_le() {
                break;
            }
            place = self.move_to(least, place);
        }
        self.heap[place] = node;
        self.places[node.slot as usize] = place as u32;
    }

    /// Moves a node into a gap; returns the gap that it leaves.
    fn move_to(&mut self, from: usize, gap: usize) -> usize {
        let node = self.heap[from];
        self.heap[gap] = node;
        self.places[node.slot as usize] = gap as u32;
        from
    }

    /// Whether no node is before its parent, and every slot is where it is said to be.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        self.heap.iter().enumerate().all(|(place, node)| {
            self.places[node.slot as usize] as usize == place
                && (place == 0 || self.heap[(place - 1) / 2].cmp(node).is_lt())
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl Node {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.total_cmp(&other.priority).then(self.set.cmp(&other.set))
    }
}
