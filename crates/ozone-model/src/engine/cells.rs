//! Which cells of the KV cache are in use.
//!
//! llama.cpp does not tell how many cells are free, so they are counted here as it counts them: a
//! cell belongs to every sequence that shares it, and is free when the last of them lets go.

/// Which cells of the KV cache are in use, and by how many sequences.
pub(super) struct Cells {
    users: Vec<u16>,
    free: Vec<u32>,
}

impl Cells {
    pub fn new(count: u32) -> Cells {
        Cells { users: vec![0; count as usize], free: (0..count).rev().collect() }
    }

    pub fn used(&self) -> usize {
        self.users.len() - self.free.len()
    }

    pub fn take(&mut self) -> Option<u32> {
        let cell = self.free.pop()?;
        self.users[cell as usize] = 1;
        Some(cell)
    }

    pub fn share(&mut self, cells: &[u32]) {
        for &cell in cells {
            self.users[cell as usize] += 1;
        }
    }

    pub fn release(&mut self, cells: impl IntoIterator<Item = u32>) {
        for cell in cells {
            let users = &mut self.users[cell as usize];
            *users -= 1;
            if *users == 0 {
                self.free.push(cell);
            }
        }
    }

    pub fn unshared(&self, cells: &[u32]) -> usize {
        cells.iter().filter(|cell| self.users[**cell as usize] == 1).count()
    }
}

impl Cells {
    pub fn len(&self) -> usize {
        self.users.len()
    }

    pub fn free(&self) -> usize {
        self.free.len()
    }
}
