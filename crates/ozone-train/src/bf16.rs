//! Matrix products of bfloat16 numbers, summed in 32 bits: twice the speed of 32-bit products on
//! processors with AVX-512 BF16 (Zen 4 and later, Cooper Lake, Sapphire Rapids and later).
//!
//! Both matrices are rounded to nearest even while they are packed, two neighbours of the inner
//! dimension into one 32-bit lane, which is what `vdpbf16ps` multiplies. The blocking is that of
//! Goto and van de Geijn (2008): a panel of the right matrix stays in the first cache while the
//! rows of the left one pass by.
#![expect(unsafe_code, reason = "vector instructions load and store through pointers")]
#![expect(
    clippy::needless_range_loop,
    reason = "registers are walked side by side with memory, and loops of known length unroll"
)]

use std::arch::x86_64::*;
use std::cell::RefCell;

use crate::kernels::{Target, View, Write};

/// A tile of the result: 24 of the 32 vector registers are its sums.
const ROWS: usize = 12;
const COLUMNS: usize = 2 * LANES;
/// Numbers of the inner dimension that are packed at once.
const DEPTH: usize = 256;
const PAIRS: usize = DEPTH / 2;
const LANES: usize = 16;

/// A vector's worth of pairs, on a cache line of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "read as vectors, through pointers")]
struct Lanes([u32; LANES]);

#[derive(Default)]
struct Packed {
    left: Vec<Lanes>,
    right: Vec<Lanes>,
}

thread_local! {
    static PACKED: RefCell<Packed> = RefCell::default();
}

/// Whether this processor has the instructions.
pub fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// `target = scale * left * right`, or added to it. The caller has asked [`is_supported`], and has
/// checked that the sizes agree and that the result fits the target.
pub(crate) fn product(
    target: Target<'_>,
    write: Write,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
) {
    assert!(is_supported());
    PACKED.with_borrow_mut(|packed| {
        // SAFETY: the processor has the instructions. `View::new` keeps both matrices inside their
        // slices, and the caller's assertion keeps the result inside the target.
        unsafe { blocks(packed, target, write, left, right, scale) }
    });
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn blocks(
    packed: &mut Packed,
    target: Target<'_>,
    write: Write,
    left: View<'_>,
    right: View<'_>,
    scale: f32,
) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    let result = target.data[target.start..].as_mut_ptr();
    for from in (0..k).step_by(DEPTH) {
        let depth = (k - from).min(DEPTH);
        let pairs = depth.div_ceil(2);
        let adds = write == Write::Add || from > 0;
        // SAFETY: panels are as long as the packers need, and every tile lies inside the result.
        unsafe {
            let left_panel = pack_left(&mut packed.left, left, from, depth);
            pack_right(&mut packed.right, right, from, depth);
            for (j, columns) in parts(n, COLUMNS) {
                let right = packed.right.as_ptr().cast::<u32>().add(j / COLUMNS * PAIRS * COLUMNS);
                for (i, rows) in parts(m, ROWS) {
                    let left = packed.left.as_ptr().cast::<u32>().add(i / ROWS * left_panel);
                    let place = result.add(i * target.row_stride + j);
                    let tile =
                        Tile { place, stride: target.row_stride, rows, columns, adds, scale };
                    match left_panel {
                        BY_ROWS => tile.compute::<PAIRS, 1>(pairs, left, right),
                        _ => tile.compute::<1, LANES>(pairs, left, right),
                    }
                }
            }
        }
    }
}

/// Start and length of each part of `0..n`.
fn parts(n: usize, part: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(part).map(move |start| (start, (n - start).min(part)))
}

/// Pairs in a panel of the left matrix that is packed row after row, and pair after pair.
const BY_ROWS: usize = ROWS * PAIRS;
const BY_PAIRS: usize = LANES * PAIRS;

struct Tile {
    place: *mut f32,
    stride: usize,
    rows: usize,
    columns: usize,
    adds: bool,
    scale: f32,
}

impl Tile {
    /// Pair `p` of row `r` lies at `left[r * ROW + p * PAIR]`, those of the columns at
    /// `right[p * COLUMNS..]`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn compute<const ROW: usize, const PAIR: usize>(
        &self,
        pairs: usize,
        left: *const u32,
        right: *const u32,
    ) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for p in 0..pairs {
            // SAFETY: both panels hold `pairs` pairs for each row and column of a whole tile.
            unsafe {
                let right = right.add(p * COLUMNS);
                let b = [bf16(load(right)), bf16(load(right.add(LANES)))];
                for r in 0..ROWS {
                    let a = bf16(_mm512_set1_epi32(*left.add(r * ROW + p * PAIR) as i32));
                    sums[r][0] = _mm512_dpbf16_ps(sums[r][0], a, b[0]);
                    sums[r][1] = _mm512_dpbf16_ps(sums[r][1], a, b[1]);
                }
            }
        }
        let scale = _mm512_set1_ps(self.scale);
        for r in 0..ROWS {
            if r >= self.rows {
                break;
            }
            for half in 0..2 {
                let mask = mask(self.columns.saturating_sub(half * LANES));
                // SAFETY: the row is one of the result's, and the mask leaves out what lies
                // beyond its columns.
                unsafe {
                    let place = self.place.add(r * self.stride).wrapping_add(half * LANES);
                    let sum = if self.adds {
                        let before = _mm512_maskz_loadu_ps(mask, place);
                        _mm512_fmadd_ps(sums[r][half], scale, before)
                    } else {
                        _mm512_mul_ps(sums[r][half], scale)
                    };
                    _mm512_mask_storeu_ps(place, mask, sum);
                }
            }
        }
    }
}

/// Packs the numbers `from..from + depth` of every row. Returns how many pairs a panel takes.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_left(packed: &mut Vec<Lanes>, left: View<'_>, from: usize, depth: usize) -> usize {
    let by_rows = left.column_stride == 1;
    let panel = if by_rows { BY_ROWS } else { BY_PAIRS };
    packed.resize(left.rows.div_ceil(ROWS) * panel / LANES, Lanes([0; LANES]));
    let out = packed.as_mut_ptr().cast::<u32>();
    for (i, rows) in parts(left.rows, ROWS) {
        // SAFETY: the panel lies inside `packed`; rows, columns and masks stay inside the view.
        unsafe {
            let out = out.add(i / ROWS * panel);
            if by_rows {
                for r in 0..rows {
                    let row = left.data.as_ptr().add((i + r) * left.row_stride + from);
                    for (k, count) in parts(depth, 2 * LANES) {
                        store(out.add(r * PAIRS + k / 2), along(row.add(k), count));
                    }
                }
            } else {
                let mask = mask(rows);
                for k in (0..depth).step_by(2) {
                    let first = left.data.as_ptr().add((from + k) * left.column_stride + i);
                    let second = (k + 1 < depth).then(|| first.add(left.column_stride));
                    store(out.add(k / 2 * LANES), across(first, second, mask));
                }
            }
        }
    }
    panel
}

/// Packs the numbers `from..from + depth` of every column.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_right(packed: &mut Vec<Lanes>, right: View<'_>, from: usize, depth: usize) {
    let panel = PAIRS * COLUMNS;
    packed.resize(right.columns.div_ceil(COLUMNS) * panel / LANES, Lanes([0; LANES]));
    let out = packed.as_mut_ptr().cast::<u32>();
    for (j, columns) in parts(right.columns, LANES) {
        // SAFETY: as in `pack_left`; half of a panel is 16 columns.
        unsafe {
            let out = out.add(j / COLUMNS * panel + j % COLUMNS);
            if right.column_stride == 1 {
                let mask = mask(columns);
                for k in (0..depth).step_by(2) {
                    let first = right.data.as_ptr().add((from + k) * right.row_stride + j);
                    let second = (k + 1 < depth).then(|| first.add(right.row_stride));
                    store(out.add(k / 2 * COLUMNS), across(first, second, mask));
                }
            } else {
                for (k, count) in parts(depth, 2 * LANES) {
                    let mut square = [_mm512_setzero_si512(); LANES];
                    for (c, lanes) in square.iter_mut().enumerate().take(columns) {
                        let column = (j + c) * right.column_stride + from + k;
                        *lanes = along(right.data.as_ptr().add(column), count);
                    }
                    let turned = transpose(square);
                    for (p, lanes) in turned.into_iter().enumerate().take(count.div_ceil(2)) {
                        store(out.add((k / 2 + p) * COLUMNS), lanes);
                    }
                }
            }
        }
    }
}

/// Up to 32 neighbours in memory as pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn along(numbers: *const f32, count: usize) -> __m512i {
    // SAFETY: the masks cover `count` numbers, which the caller has.
    unsafe {
        let low = _mm512_maskz_loadu_ps(mask(count), numbers);
        let high =
            _mm512_maskz_loadu_ps(mask(count.saturating_sub(LANES)), numbers.wrapping_add(LANES));
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
    }
}

/// Each of up to 16 numbers paired with the one below it; without a second row, with zero.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn across(first: *const f32, second: Option<*const f32>, mask: __mmask16) -> __m512i {
    // SAFETY: the mask covers the numbers that the caller has; both types are 16 bit patterns.
    unsafe {
        let round = |numbers: *const f32| {
            let rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, numbers));
            _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(rounded))
        };
        let low = round(first);
        match second {
            Some(second) => _mm512_or_si512(low, _mm512_slli_epi32::<16>(round(second))),
            None => low,
        }
    }
}

/// A square of 16 by 16 lanes, turned over its diagonal.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut a = rows;
    for i in (0..LANES).step_by(4) {
        let low = [
            _mm512_unpacklo_epi32(rows[i], rows[i + 1]),
            _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3]),
        ];
        let high = [
            _mm512_unpackhi_epi32(rows[i], rows[i + 1]),
            _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3]),
        ];
        a[i] = _mm512_unpacklo_epi64(low[0], low[1]);
        a[i + 1] = _mm512_unpackhi_epi64(low[0], low[1]);
        a[i + 2] = _mm512_unpacklo_epi64(high[0], high[1]);
        a[i + 3] = _mm512_unpackhi_epi64(high[0], high[1]);
    }
    // Now `a[4 * i + c]` holds, in its 128-bit part q, column 4 * q + c of rows 4 * i to 4 * i + 3.
    let mut out = a;
    for c in 0..4 {
        let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(a[c], a[4 + c]);
        let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(a[c], a[4 + c]);
        let even_below = _mm512_shuffle_i32x4::<0b10_00_10_00>(a[8 + c], a[12 + c]);
        let odd_below = _mm512_shuffle_i32x4::<0b11_01_11_01>(a[8 + c], a[12 + c]);
        out[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even_below);
        out[8 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even_below);
        out[4 + c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd_below);
        out[12 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd_below);
    }
    out
}

/// The first `count` lanes; all where there are more.
fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(LANES)) - 1) as __mmask16
}

#[target_feature(enable = "avx512f")]
#[inline]
fn bf16(pairs: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits of anything.
    unsafe { std::mem::transmute(pairs) }
}

#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load(from: *const u32) -> __m512i {
    // SAFETY: the caller has 16 lanes there.
    unsafe { _mm512_loadu_si512(from.cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store(to: *mut u32, lanes: __m512i) {
    // SAFETY: the caller has room for 16 lanes there.
    unsafe { _mm512_storeu_si512(to.cast(), lanes) }
}
