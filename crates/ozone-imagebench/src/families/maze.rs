//! F7: a maze with one to four ways out, of which the start reaches one.

use ozone_tasks::{Rng, Value};

use crate::paint::{BLACK, Canvas, Paint, WHITE, between};
use crate::{Scene, Wish};

const SIDES: &[&str] = &["left", "top", "right", "bottom"];
const WALL_PX: f64 = 4.0;
const BORDER_PX: f64 = 24.0;
const DOT: [u8; 3] = [220, 30, 30];

pub(super) fn scene(wish: Wish, rng: &mut Rng) -> Scene {
    let n = wish.grade(12.0, 60.0) as usize;
    let cell = wish.grade(30.0, 16.0);
    let maze = Maze::grow(n, rng);
    let steps = maze.steps_to(maze.exits[0].1);
    let region = maze.reachable();
    let far = region.iter().map(|cell| steps[*cell]).max().unwrap_or(0);
    let starts: Vec<usize> =
        region.iter().copied().filter(|cell| steps[*cell] * 2 >= far).collect();
    let start = *rng.pick(&starts);
    let side = SIDES[maze.exits[0].0];
    let asks_length = rng.chance(0.5);
    let value = match asks_length {
        true => Value::Number((steps[start] + 1).to_string()),
        false => Value::Text(side.to_owned()),
    };
    let question = format!(
        "The picture shows a maze of {n} by {n} square cells. {}",
        match asks_length {
            true =>
                "How many steps does the shortest way from the red dot out of the maze take? A \
                 step leads from a cell to one beside it; the one through the exit counts.",
            false =>
                "On which side (left, top, right or bottom) is the exit that can be reached from \
                 the red dot?",
        }
    );
    let canvas = maze.draw(cell, start, wish, rng);
    Scene { question, value, paint: Box::new(move || canvas.draw()), jpeg_quality: None }
}

struct Maze {
    n: usize,
    /// Of each cell: is there a wall to its right, and below it?
    right: Vec<bool>,
    below: Vec<bool>,
    /// Side and cell. The first is the one that is reached from the start.
    exits: Vec<(usize, usize)>,
    /// Which exit each cell belongs to.
    of: Vec<usize>,
}

impl Maze {
    /// A tree grows from each exit until they fill the square; then some walls within a tree are
    /// taken out, so that there are several ways.
    fn grow(n: usize, rng: &mut Rng) -> Maze {
        let count = rng.int(1, 4) as usize;
        let mut sides: Vec<usize> = (0..SIDES.len()).collect();
        rng.shuffle(&mut sides);
        let exits: Vec<(usize, usize)> = sides[..count]
            .iter()
            .map(|side| {
                let at = rng.int(1, n as i64 - 2) as usize;
                let cell = match side {
                    0 => at * n,
                    1 => at,
                    2 => at * n + n - 1,
                    _ => (n - 1) * n + at,
                };
                (*side, cell)
            })
            .collect();
        const NONE: usize = usize::MAX;
        let mut of = vec![NONE; n * n];
        let mut maze =
            Maze { n, right: vec![true; n * n], below: vec![true; n * n], exits, of: vec![] };
        let mut edge: Vec<usize> = vec![];
        for (i, (_, cell)) in maze.exits.iter().enumerate() {
            of[*cell] = i;
            edge.push(*cell);
        }
        while !edge.is_empty() {
            // Mostly from the newest: long corridors.
            let last = edge.len() - 1;
            let at = if rng.chance(0.75) { last } else { rng.below(edge.len() as u64) as usize };
            let cell = edge[at];
            let free: Vec<usize> =
                maze.beside(cell).into_iter().filter(|other| of[*other] == NONE).collect();
            if free.is_empty() {
                edge.swap_remove(at);
                continue;
            }
            let next = *rng.pick(&free);
            of[next] = of[cell];
            maze.open(cell, next);
            edge.push(next);
        }
        for cell in 0..n * n {
            for other in maze.beside(cell) {
                if other > cell && of[cell] == of[other] && rng.chance(0.03) {
                    maze.open(cell, other);
                }
            }
        }
        Maze { of, ..maze }
    }

    fn beside(&self, cell: usize) -> Vec<usize> {
        let (x, y, n) = (cell % self.n, cell / self.n, self.n);
        let mut found = vec![];
        found.extend((x > 0).then(|| cell - 1));
        found.extend((x + 1 < n).then_some(cell + 1));
        found.extend((y > 0).then(|| cell - n));
        found.extend((y + 1 < n).then_some(cell + n));
        found
    }

    fn open(&mut self, a: usize, b: usize) {
        let (first, second) = (a.min(b), a.max(b));
        let walls = if second == first + 1 { &mut self.right } else { &mut self.below };
        walls[first] = false;
    }

    fn is_open(&self, a: usize, b: usize) -> bool {
        let (first, second) = (a.min(b), a.max(b));
        if second == first + 1 { !self.right[first] } else { !self.below[first] }
    }

    fn reachable(&self) -> Vec<usize> {
        (0..self.of.len()).filter(|cell| self.of[*cell] == 0).collect()
    }

    fn steps_to(&self, from: usize) -> Vec<usize> {
        let mut steps = vec![0; self.n * self.n];
        let mut seen = vec![false; self.n * self.n];
        let mut queue = std::collections::VecDeque::from([from]);
        seen[from] = true;
        while let Some(cell) = queue.pop_front() {
            for next in self.beside(cell) {
                if !seen[next] && self.is_open(cell, next) {
                    seen[next] = true;
                    steps[next] = steps[cell] + 1;
                    queue.push_back(next);
                }
            }
        }
        steps
    }

    fn draw(&self, cell: f64, start: usize, wish: Wish, rng: &mut Rng) -> Canvas {
        let n = self.n;
        let side = (n as f64 * cell + 2.0 * BORDER_PX) as u32;
        let mut canvas = Canvas::new(side, side, WHITE);
        // A hand that is not quite steady.
        let jitter = wish.grade(0.0, 0.09) * cell;
        let knots: Vec<[f64; 2]> = (0..(n + 1) * (n + 1))
            .map(|i| {
                [i % (n + 1), i / (n + 1)].map(|k| {
                    let is_border = k == 0 || k == n;
                    let off = if is_border { 0.0 } else { between(rng, -jitter, jitter) };
                    BORDER_PX + k as f64 * cell + off
                })
            })
            .collect();
        let knot = |x: usize, y: usize| knots[y * (n + 1) + x];
        let mut wall = |a: [f64; 2], b: [f64; 2]| canvas.stroke(a, b, BLACK, WALL_PX);
        let is_exit = |side: usize, cell: usize| self.exits.contains(&(side, cell));
        for y in 0..n {
            for x in 0..n {
                let at = y * n + x;
                if x + 1 < n && self.right[at] {
                    wall(knot(x + 1, y), knot(x + 1, y + 1));
                }
                if y + 1 < n && self.below[at] {
                    wall(knot(x, y + 1), knot(x + 1, y + 1));
                }
            }
        }
        for i in 0..n {
            let sides = [
                (0, i * n, knot(0, i), knot(0, i + 1)),
                (1, i, knot(i, 0), knot(i + 1, 0)),
                (2, i * n + n - 1, knot(n, i), knot(n, i + 1)),
                (3, (n - 1) * n + i, knot(i, n), knot(i + 1, n)),
            ];
            for (side, cell, a, b) in sides {
                if !is_exit(side, cell) {
                    wall(a, b);
                }
            }
        }
        let dot = [start % n, start / n].map(|k| BORDER_PX + (k as f64 + 0.5) * cell);
        if wish.readable {
            canvas.circle(dot, 0.27 * cell, Paint::Fill(DOT));
        } else {
            // Where the way begins nobody knows any more.
            let [x, y] = dot;
            let [dx, dy] = [between(rng, -1.5, 1.5), between(rng, -1.5, 1.5)].map(|d| d * cell);
            canvas.circle([x + dx, y + dy], 3.2 * cell, Paint::Fill([128; 3]));
        }
        canvas
    }
}
