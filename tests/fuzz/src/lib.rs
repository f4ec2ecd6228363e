//! What is watched while a target runs: the memory that it takes, in proportion to its input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a target may hold at a time whatever its input, and for each byte of it.
const ROOM: usize = 8 << 20;
const ROOM_PER_BYTE: usize = 256;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

/// Runs a target over one input.
///
/// # Panics
///
/// The target does, or it takes more memory than its input justifies.
pub fn run(target: fn(&[u8]), bytes: &[u8]) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    target(bytes);
    let took = MOST.load(Relaxed).saturating_sub(before);
    let room = ROOM + ROOM_PER_BYTE * bytes.len();
    assert!(
        took <= room,
        "{took} bytes of memory for {} of input",
        bytes.len()
    );
}

fn took(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    MOST.fetch_max(held, Relaxed);
}

// SAFETY: everything is done by the system's allocator; only sums are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as promised to this function.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
